"""Putting questions to judges on a thread pool, quick judges whole sets at once; what is answered is recorded as it comes.

A crash loses at most answers that were not recorded yet; they are asked again, and recorded once. What is in hand stays leased
however slow a judge is. A batch whose judge cannot be had in this process is left to others. How language models are called,
and paid for, is in `flight`.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Literal, TypeGuard
from uuid import UUID, uuid4

from pairmark.clock import Clock
from pairmark.errors import Busy, PairmarkError
from pairmark.events.catalogue import Question
from pairmark.judges.question import Answer, BatchRoad, Judge, JudgeUnable, ModelJudge
from pairmark.judges.question import Question as Asked
from pairmark.messaging.ownership import OwnedConnection
from pairmark.services.judging.calls import Calls, Purse
from pairmark.services.judging.canaries import Canaries
from pairmark.services.judging.flight import NO_TEXT, Flight
from pairmark.services.judging.jobs import Jobs, batching
from pairmark.services.judging.queue import LEASE_SECONDS, Chunk, hand_back, lease, other_askers, release, renew
from pairmark.services.judging.routing import UNABLE_SECONDS, SpendLimitReached
from pairmark.services.judging.verdicts import Answered, Verdicts
from pairmark.storage.connection import Database, execute
from pairmark.storage.texts import TextSource

CHUNKS_PER_STEP = 10
CONCURRENCY = 16
TEXTS_KEPT = 2_000
RENEW_SECONDS = LEASE_SECONDS / 4
LOOK_SECONDS = 0.1
"""How often to look for more work while calls of language models are out and there was none."""
JUDGES_KEPT = 16
"""Judges that are kept ready; of more, those that were not asked longest are let go."""

JUDGES = "SELECT batch_id, judge, judge_digest FROM batch WHERE batch_id = ANY(%s) ORDER BY batch_id"

JudgeFactory = Callable[[str, str], Judge]
"""Makes the judge of a batch from its name and digest; raises `PairmarkError` when it cannot be had here."""

Work = Sequence[tuple[Chunk, Question]]


class Asker:
    """Works the queue. `step` leases some chunks, asks, and records."""

    def __init__(
        self, database: Database, texts: TextSource, judge_factory: JudgeFactory, verdicts: Verdicts, clock: Clock
    ) -> None:
        self._database = database
        self._texts = texts
        self._judge_factory = judge_factory
        self._verdicts = verdicts
        self._clock = clock
        self._token = uuid4()
        self._judges: dict[tuple[str, str], Judge] = {}
        self._offered: dict[str, str] = {}
        self._left_until: dict[str, float] = {}
        self._troubles: dict[str, PairmarkError] = {}
        self._bodies: dict[str, str] = {}
        self._stopping = False
        self._interrupted = False
        self._renewed_at = self._look_at = float("-inf")
        self._found = False
        self._owned = OwnedConnection(database, "judging")
        self._pool = ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="pairmark-judge")
        self._calls = Calls(database, clock, self._token)
        canaries = Canaries(database, self._calls, clock, self._token, self.gone)
        self._jobs = Jobs(self, database, verdicts, clock, self._token)
        self._flight = Flight(self, self._calls, verdicts, canaries, self._jobs, clock, self._token)

    def step(self) -> int:
        """Ask what is open; returns how many questions were dealt with."""
        if self._stopping and not self._flight.busy and not self._jobs.busy:
            return 0
        try:
            return self._work()
        except Busy as busy:
            self._interrupted = True
            raise self._owned.lost(busy) from busy

    def _work(self) -> int:
        self._owned.try_own(_lock_name(self._token))
        if self._interrupted:  # what was in hand then is open again, not leased to nobody until the lease runs out
            self._flight.begin_anew()
            with self._database.transaction("judging") as tx:
                release(tx, [self._token], self._flight.in_hand())
            self._calls.lose([self._token], self._flight.known_calls())
        self._interrupted = False
        done = 0 if self._stopping else self._take_up()
        done += self._jobs.turn(begin=not self._stopping, patience=0.0)
        while self._flight.busy or self._jobs.busy:
            done += self._flight.turn(begin=not self._stopping)
            done += self._jobs.turn(begin=not self._stopping, patience=0.0 if self._flight.busy else LOOK_SECONDS)
            if not self._stopping and (time.monotonic() >= self._look_at or (self._found and self._flight.hungry)):
                done += self._take_up()
        return done

    def _take_up(self) -> int:
        """Lease chunks: questions to language models are taken up, all others put at once; returns how many were dealt with."""
        self._look_at = time.monotonic() + LOOK_SECONDS  # a nudge that comes during the look asks for another
        with self._database.transaction("judging") as tx:
            chunks = lease(tx, self._token, self._clock.now(), CHUNKS_PER_STEP, self._left_to_others())
            ids = sorted({chunk.batch_id for chunk in chunks})
            judges = execute(tx, JUDGES, [ids]) if chunks else []
            others = [] if chunks or self._flight.busy else other_askers(tx, self._token)
        self._found = bool(chunks)
        if not self._flight.busy:
            self._renewed_at = self._clock.monotonic()
            if not chunks:
                return self._release_dead(others)
        return sum(
            self._ask([chunk for chunk in chunks if chunk.batch_id == batch], name, digest)
            for batch, name, digest in judges
        )

    def trouble(self, batch_id: str) -> Busy | None:
        """Why this process cannot go on with the batch, if that is so: its judge cannot be had here, or may spend no more."""
        error = self._troubles.get(batch_id)
        if error is None or isinstance(error, SpendLimitReached):
            return error
        if isinstance(error, JudgeUnable):
            remedy = error.remedy or "It is tried again; the batch goes on where it was."
            return JudgeUnable(error.message, remedy=remedy, retry_after=error.retry_after)
        return Busy(
            f"The judge of this batch cannot be had here: {error.message}",
            remedy=error.remedy or "Run the same command where it can; the batch goes on where it was.",
        )

    def allow(self, batch_id: str, limit: float) -> None:
        """Let judges of this batch cost at most so many US dollars in all; a lower limit stops new calls only."""
        self._calls.allow(batch_id, limit)
        self.goes_on(batch_id)

    def purse(self, batch_id: str) -> Purse:
        """What the batch may spend, has spent, and has reserved for calls in flight."""
        return self._calls.purse(batch_id)

    def leave(self, batch_id: str, why: PairmarkError | None, seconds: float) -> None:
        """Do not take the batch up for so long; `why` is told to whoever waits for it."""
        self._left_until[batch_id] = self._clock.monotonic() + seconds
        if why is not None:
            self._troubles[batch_id] = why

    @property
    def more_to_come(self) -> bool:
        """Whether the last look for open chunks found some."""
        return self._found

    def batching(self, batch_id: str, member: str) -> BatchRoad:
        """The batch API of a member of the batch's judge."""
        with self._database.transaction("judging") as tx:
            _, name, digest = execute(tx, JUDGES, [[batch_id]])[0]
        return batching(self._judge(name, digest), member)

    def goes_on(self, batch_id: str) -> None:
        """Nothing is in the way of the batch any more."""
        self._left_until.pop(batch_id, None)
        self._troubles.pop(batch_id, None)

    def offer(self, name: str, digest: str) -> None:
        """Where the judge of this digest is found now, whatever place a batch was begun with."""
        self._offered[digest] = name

    def go_on(self) -> None:
        """Put questions again after a `stop`."""
        self._interrupted = self._interrupted or self._stopping
        self._stopping = False

    def stop(self) -> None:
        """Put no further question until told to go on; those in flight are waited for and recorded."""
        self._stopping = True

    def close(self) -> None:
        """End the thread pool and give leases back. A question still out is nobody's any more; it is asked again."""
        self._stopping = True
        self._pool.shutdown(wait=False, cancel_futures=True)
        try:
            self._jobs.close()
            self._flight.close()
            with self._database.transaction("judging") as tx:
                release(tx, [self._token])
            self._owned.close()
        finally:
            self._let_go(0)

    def nudge(self) -> None:
        """There may be more to ask: look at once, even while calls are out. Safe on any thread."""
        self._look_at = float("-inf")
        self._flight.nudge()

    def _left_to_others(self) -> list[str]:
        """Batches that could not go on here lately, and those of which enough is in hand."""
        now = self._clock.monotonic()
        return [batch for batch, until in list(self._left_until.items()) if until > now] + self._flight.supplied()

    def _release_dead(self, tokens: Sequence[UUID]) -> int:
        """Leases of askers whose process is gone are free at once: their session lock is. Their calls in flight are lost."""
        dead = [token for token in tokens if self.gone(token)]
        if dead:
            with self._database.transaction("judging") as tx:
                release(tx, dead)
        gone = [token for token in self._calls.other_askers() if self.gone(token)]
        if gone:
            self._calls.lose(gone)
        return len(dead) + len(gone)

    def gone(self, token: UUID) -> bool:
        """Whether the process of another asker has ended."""
        name = _lock_name(token)  # not kept: who has only lost its connection takes it again
        return bool(self._owned.free({name: name}))

    def _ask(self, chunks: Sequence[Chunk], name: str, digest: str) -> int:
        """Put the open questions of one batch to its judge; returns how many were dealt with."""
        batch_id = chunks[0].batch_id
        try:
            judge = self._judge(name, digest)
        except PairmarkError as error:
            if isinstance(error, Busy) and not isinstance(error, JudgeUnable):
                raise
            self.leave(batch_id, error, UNABLE_SECONDS)
            self.hand_back(chunks)
            return 0
        known = [
            Answered(chunk, question, chunk.known[question.request_id])
            for chunk in chunks
            for question in chunk.questions
            if question.request_id in chunk.known
        ]
        work = [(c, question) for c in chunks for question in c.questions if question.request_id not in c.known]
        wanted = {chunk.id for chunk, _ in work}
        done = [chunk for chunk in chunks if chunk.id not in wanted] if _is_model(judge) or not work else []
        if known or done:
            self._verdicts.record(known, self._token, done)
        if work and _is_model(judge):
            self.fetch(text for _, one in work for text in (one.first_text, one.second_text))
            self._flight.add(batch_id, judge, work)
            return len(known)
        self.goes_on(batch_id)
        if work:
            self._put([work] if judge.in_sets else [[item] for item in work], judge, chunks)
        return len(known) + len(work)

    def _put(self, sets: Sequence[Work], judge: Judge, chunks: Sequence[Chunk]) -> None:
        """Keep `CONCURRENCY` sets in flight; stop asking when told to, or when the batch is over."""
        bodies = self.fetch(text for work in sets for _, one in work for text in (one.first_text, one.second_text))
        ask = partial(_ask_with_texts, judge, bodies)
        futures: dict[Future[list[Answer]], Work] = {}
        waiting, wanted = list(reversed(sets)), True
        while futures or (waiting and wanted and not self._stopping):
            while waiting and wanted and len(futures) < CONCURRENCY and not self._stopping:
                work = waiting.pop()
                futures[self._pool.submit(ask, work)] = work
            done, _ = wait(futures, timeout=RENEW_SECONDS, return_when=FIRST_COMPLETED)
            self.keep_leases()
            answered = [item for future in done for item in _answered(future, futures.pop(future))]
            if answered:
                finished = () if futures or waiting else chunks
                wanted = self._verdicts.record(answered, self._token, finished)
        if waiting:
            self.hand_back(chunks)

    def keep_leases(self) -> None:
        """Whatever is in hand stays ours while a slow judge thinks; what askers had whose process is gone is free."""
        if self._clock.monotonic() - self._renewed_at >= RENEW_SECONDS:
            if self._flight.busy:
                self._owned.prove()
            with self._database.transaction("judging") as tx:
                renew(tx, self._token)
                others = other_askers(tx, self._token)
            self._renewed_at = self._clock.monotonic()
            self._release_dead(others)

    def hand_back(self, chunks: Sequence[Chunk]) -> None:
        """Give chunks back as they are, for anyone to take."""
        with self._database.transaction("judging") as tx:
            hand_back(tx, chunks, self._token)

    def _judge(self, name: str, digest: str) -> Judge:
        """The judge, kept ready for the next time."""
        key = (name, digest)
        judge = self._judges.pop(key, None) or self._judge_factory(self._offered.get(digest, name), digest)
        self._judges[key] = judge
        if not self._flight.busy and not self._jobs.busy:
            self._let_go(JUDGES_KEPT)
        return judge

    def _let_go(self, kept: int) -> None:
        """Close judges that were not asked longest, as far as they can be closed."""
        for key in list(self._judges)[: max(len(self._judges) - kept, 0)]:
            close: Callable[[], None] | None = getattr(self._judges.pop(key), "close", None)
            if close is not None:
                close()

    def with_texts(self, chunk: Chunk, question: Question, tries: int) -> Asked | None:
        """The question with its texts; None if the store has lost one."""
        bodies = self.fetch([question.first_text, question.second_text])
        there = question.first_text in bodies and question.second_text in bodies
        return _asked(chunk, question, bodies, tries) if there else None

    def fetch(self, storage_ids: Iterable[str]) -> Mapping[str, str]:
        """These texts by their ids, as far as the store has them, and perhaps others."""
        wanted = set(storage_ids)
        missing = wanted - self._bodies.keys()
        if missing:
            if len(self._bodies) + len(missing) > TEXTS_KEPT:
                self._bodies, missing = {}, wanted  # those that were there are let go as well
            self._bodies.update(self._texts.fetch(missing))
        return self._bodies


def _lock_name(token: UUID) -> str:
    return f"asker:{token}"


def _ask_with_texts(judge: Judge, bodies: Mapping[str, str], work: Work) -> list[Answer]:
    """What the judge says of the questions whose texts are there; the others are no questions, so no verdict comes of them."""
    there = [one for one in work if one[1].first_text in bodies and one[1].second_text in bodies]
    without = [
        _failed(one, NO_TEXT, kind="unavailable")
        for _, one in work
        if one.first_text not in bodies or one.second_text not in bodies
    ]
    return without + (judge.ask([_asked(chunk, one, bodies, chunk.tries) for chunk, one in there]) if there else [])


def _is_model(judge: Judge) -> TypeGuard[ModelJudge]:
    """Whether answers of this judge are calls that belong into the book."""
    return hasattr(judge, "forecast") and not judge.in_sets


def _asked(chunk: Chunk, question: Question, bodies: Mapping[str, str], tries: int) -> Asked:
    return Asked(
        request_id=str(question.request_id),
        first_id=question.first_id,
        second_id=question.second_id,
        first_text=bodies[question.first_text],
        second_text=bodies[question.second_text],
        repeat=question.repeat,
        attempt=(chunk.attempt - 1) * 100 + tries + 1,
    )


def _answered(future: Future[list[Answer]], work: Work) -> list[Answered]:
    """What the judge said to each question of a set; a judge that raised or kept silent gave no answer."""
    error = future.exception()
    given = {} if error is not None else {answer.request_id: answer for answer in future.result()}
    why = f"{type(error).__name__}: {error}"[:500] if error is not None else "the judge gave no answer"
    return [
        Answered(chunk, question, given.get(str(question.request_id)) or _failed(question, why))
        for chunk, question in work
    ]


def _failed(question: Question, detail: str, *, kind: Literal["failed", "unavailable"] = "failed") -> Answer:
    return Answer(
        request_id=str(question.request_id), kind=kind, winner=None, swapped=False, judge="", provider="", model="",
        detail=detail,
    )  # fmt: skip
