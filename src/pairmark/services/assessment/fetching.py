"""Fetching texts of other services while a batch stands in FETCHING_CONTENT, in rounds: several texts at once, under no lock.

What came is kept in our own store, so that nobody fetches it again. A text that cannot be had ends the batch; a service that is
down or slow makes it wait, with growing pauses, until its deadline. One process at a time fetches, so that the service is not
asked by every worker at once.
"""

import random
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

import structlog

from pairmark.clock import Clock
from pairmark.domain.statuses import Status, StopReason
from pairmark.errors import Busy
from pairmark.messaging.backoff import delay_seconds
from pairmark.messaging.ownership import Lookout, OwnedConnection
from pairmark.services.assessment import batches
from pairmark.services.assessment.content import FETCHING, texts_unusable
from pairmark.services.assessment.finalization import Finalization
from pairmark.storage.connection import Database, execute, values
from pairmark.storage.texts import NoText, NotNow, TextStore

AT_ONCE = 8
ROUND = 64
"""Texts of one batch before another one has its turn."""
TROUBLES = AT_ONCE
"""After so many failures a round ends: what else it would ask for fares no better."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
LONGEST_LATER = 300.0
"""Seconds to wait at most when the service says when to come back."""

WAITING = """
SELECT id FROM batch WHERE status = 'FETCHING_CONTENT' AND NOT due AND deadline IS NOT NULL AND id > %s ORDER BY id LIMIT 50
"""
ESSAYS = "SELECT essay_id, text_storage_id FROM essay WHERE batch_id = %s ORDER BY ordinal"
GO_ON = "UPDATE batch SET due = true WHERE id = %s AND status = 'FETCHING_CONTENT' RETURNING id"
NOTE = """
UPDATE essay SET problem = CASE WHEN text_storage_id = ANY(%(missing)s) THEN %(reason)s END
WHERE batch_id = %(id)s AND problem IS DISTINCT FROM CASE WHEN text_storage_id = ANY(%(missing)s) THEN %(reason)s END
"""
NOTE_OTHERS = """
UPDATE essay SET problem = %s FROM batch WHERE batch.id = essay.batch_id AND status = 'FETCHING_CONTENT' AND NOT due
    AND deadline IS NOT NULL AND batch.id <> %s AND problem IS NULL
"""
FIRST = UUID(int=0)

_log = structlog.get_logger(__name__)


class Source(Protocol):
    """Where texts of other services come from."""

    def get(self, storage_id: str) -> str:
        """The text; raises `NoText` or `NotNow`."""
        ...

    def break_off(self) -> None:
        """Let whoever waits for a text wait no longer."""
        ...

    def close(self) -> None:
        """Break off and let go."""
        ...


@dataclass
class _Round:
    """What came of asking for some texts."""

    texts: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    trouble: list[NotNow] = field(default_factory=list)

    @property
    def goes_on(self) -> bool:
        """Whether it makes sense to ask for more."""
        return len(self.trouble) < TROUBLES and all(one.later is None for one in self.trouble)


class Fetching:
    """Serves batches that wait for texts of another service. `spread` gives numbers from 0 to 1 that keep pauses apart."""

    def __init__(
        self,
        database: Database,
        texts: TextStore,
        source: Source,
        finalization: Finalization,
        clock: Clock,
        *,
        spread: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._texts = texts
        self._source = source
        self._finalization = finalization
        self._clock = clock
        self._spread = spread
        self._owned = OwnedConnection(database, "assessment")
        self._lookout = Lookout(self._owned, clock)
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="pairmark-content")
        self._after = FIRST
        self._failures: dict[UUID, tuple[int, float]] = {}
        self._silence, self._quiet_until = 0, float("-inf")
        self._stopping = False

    def step(self) -> int:
        """One round for each batch whose time has come; returns how many texts and batches that moved on."""
        if self._stopping or self._now() < self._quiet_until or not self._owns():
            return 0
        done = 0
        for batch_id in self._waiting():
            if self._stopping or self._now() < self._quiet_until:
                break
            if self._failures.get(batch_id, (0, float("-inf")))[1] <= self._now() and self._owns():
                done += self._serve(batch_id)
        return done

    def _owns(self) -> bool:
        """Whether this process is the one that fetches; proved, for the lock may have gone with its connection."""
        try:
            self._owned.prove()
            if self._owned.try_own(FETCHING):
                return True
            self._lookout.look(FETCHING)
        except Busy as busy:
            raise self._owned.lost(busy) from busy
        return False

    def beat(self) -> None:
        """Show that this process is not stopped, however long a round lasts."""
        self._owned.beat()

    def stop(self) -> None:
        """Ask for no further text until told to go on, and wait for none."""
        self._stopping = True
        self._source.break_off()

    def go_on(self) -> None:
        """Ask again after a `stop`."""
        self._stopping = False

    def close(self) -> None:
        """Break off what is under way, and give everything back."""
        self._stopping = True
        self._source.close()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._owned.close()

    def _waiting(self) -> list[UUID]:
        """Some batches that wait, all in turn."""
        with self._database.transaction("assessment") as tx:
            found = values(execute(tx, WAITING, [self._after]))
            if not found and self._after != FIRST:
                found = values(execute(tx, WAITING, [FIRST]))
        self._after = found[-1] if found else FIRST
        if not found:
            self._failures.clear()
        return found

    def _serve(self, batch_id: UUID) -> int:
        with self._database.transaction("assessment") as tx:
            essays = [(row[0], row[1]) for row in execute(tx, ESSAYS, [batch_id])]
        missing = self._texts.missing(storage for _, storage in essays)
        found = self._ask(missing[:ROUND])
        if found.texts:
            self._texts.keep(found.texts)
        if found.refused:
            self._failures.pop(batch_id, None)
            bad = [f"{essay} ({found.refused[storage]})" for essay, storage in essays if storage in found.refused]
            return len(found.texts) + self._end(batch_id, texts_unusable(bad, len(essays)))
        left = [one for one in missing if one not in found.texts]
        if found.trouble and not self._stopping:
            self._wait(batch_id, left, found)
        if not left:
            self._failures.pop(batch_id, None)
            with self._database.transaction("assessment") as tx:
                return len(found.texts) + len(execute(tx, GO_ON, [batch_id]))
        return len(found.texts)

    def _ask(self, ids: Sequence[str]) -> _Round:
        """Ask for these texts, `AT_ONCE` at a time."""
        found, ahead = _Round(), list(reversed(ids))
        asked: dict[Future[str], str] = {}
        while asked or (ahead and found.goes_on and not self._stopping):
            while ahead and len(asked) < AT_ONCE and found.goes_on and not self._stopping:
                one = ahead.pop()
                asked[self._pool.submit(self._source.get, one)] = one
            for future in wait(asked, return_when=FIRST_COMPLETED).done:
                one = asked.pop(future)
                try:
                    found.texts[one] = future.result()
                except NoText as error:
                    found.refused[one] = str(error)
                except NotNow as error:
                    found.trouble.append(error)
                except Exception as error:  # whatever an answer is like, it may hold up its own batch only
                    _log.warning("answer_not_understood", text=one, error=type(error).__name__)
                    found.trouble.append(NotNow("what the content service answers is not understood"))
        return found

    def _end(self, batch_id: UUID, message: str) -> bool:
        with self._database.transaction("assessment") as tx:
            batch = batches.locked(tx, batch_id)
            if batch is None or batch.status is not Status.FETCHING_CONTENT:
                return False
            return self._finalization.finalize_failure(tx, batch, StopReason.TEXTS_UNUSABLE, message)

    def _wait(self, batch_id: UUID, left: Sequence[str], found: _Round) -> None:
        """Come back later, and let everybody see why. Where nothing came at all, the whole service is left alone."""
        reason = f"{found.trouble[0]}"
        later = min(max((one.later or 0.0 for one in found.trouble), default=0.0), LONGEST_LATER)
        failures = 1 if found.texts else self._failures.get(batch_id, (0, 0.0))[0] + 1
        self._failures[batch_id] = (failures, self._now() + max(self._pause(failures), later))
        self._silence = 0 if found.texts else self._silence + 1
        if self._silence or later:
            self._quiet_until = self._now() + max(self._pause(self._silence), later)
        _log.warning("texts_awaited", batch=str(batch_id), texts=len(left), reason=reason)
        with self._database.transaction("assessment") as tx:
            execute(tx, NOTE, {"id": batch_id, "missing": list(left), "reason": reason})
            if self._silence:
                execute(tx, NOTE_OTHERS, [reason, batch_id])

    def _pause(self, failures: int) -> float:
        return delay_seconds(failures, first=FIRST_PAUSE, longest=LONGEST_PAUSE) * (0.5 + self._spread())

    def _now(self) -> float:
        return self._clock.monotonic()
