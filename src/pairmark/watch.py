"""Following one batch to its end: every part runs here, or another process does the work and this one watches.

Tells how the batch stands and what is in the way, and gives up, with nothing lost, when trouble does not pass.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pairmark.bootstrap import System
from pairmark.domain.judged import JobsOut, Money
from pairmark.errors import BrokenData, Busy, PairmarkError
from pairmark.judges.question import JudgeUnable
from pairmark.messaging.loop import Loop
from pairmark.outcome import Obstacle, in_the_way, settled
from pairmark.services.assessment.batches import Batch
from pairmark.services.judging.routing import SpendLimitReached
from pairmark.services.lifecycle.front_desk import Ticket

POLL_SECONDS = 0.02
WATCHING_AFTER = 1.0
"""Seconds without owning the work before another process is said to do it: a loop needs a moment to take it up."""
LOOK_FOR_TROUBLE_EVERY = 1.0
ASK_FOR_MONEY_EVERY = 1.0
PATIENCE = 20.0
"""Seconds for which the same batch may stand still while the database, or a part, says that it cannot work."""
LIMIT_PATIENCE = 2.0
"""Seconds for which it may stand still at its spend limit: long enough for what was answered to be counted."""

SETTLING = 10.0
"""Seconds to wait for messages that are still on their way when the work is done."""

Found = Literal["new", "unfinished", "stored"]


@dataclass(frozen=True)
class Progress:
    """What to show while it runs: the batch as it stands, whether another process does the work, and what is in the way.

    `found` tells whether this call opened the batch, took an unfinished one up, or came to one that had ended. `money` is there
    where calls of the batch cost any, `jobs` while some are with a provider's batch API.
    """

    batch: Batch | None
    watching: bool
    trouble: str | None
    found: Found = "new"
    money: Money | None = None
    jobs: JobsOut | None = None


OnProgress = Callable[[Progress], None]


def run(system: System, ticket: Ticket, on_progress: OnProgress | None = None) -> None:
    """Work (or watch another process work) until the batch has ended and every service has heard of it.

    Raises `Busy` when the batch has stood still for `PATIENCE` seconds because something it needs cannot be had.
    """
    watch = _Watch(system, ticket, on_progress or (lambda _: None))
    if not ticket.opened and watch.look([]):
        return
    with system.running() as loops:
        while not watch.look(loops):
            time.sleep(POLL_SECONDS)  # the batch is moved by other threads or processes
    _deliver_the_rest(system, ticket)


def _deliver_the_rest(system: System, ticket: Ticket) -> None:
    """Answers that were in flight when a batch was cancelled are recorded as the parts stop: deliver what they tell."""
    until = time.monotonic() + SETTLING
    while time.monotonic() < until:
        batch = system.assessment.batch(ticket.job_id)
        if batch is not None and settled(system, batch):
            return
        if not system.deliver():
            time.sleep(POLL_SECONDS)  # another process delivers


class _Watch:
    """Looks at one batch again and again, and remembers since when it has not moved."""

    def __init__(self, system: System, ticket: Ticket, tell: OnProgress) -> None:
        self._system = system
        self._ticket = ticket
        self._tell = tell
        self._found: Found = "new" if ticket.opened else "unfinished"
        self._standing: tuple[int, int] | None = None
        self._since = self._owned_at = self._now()
        self._stuck: Obstacle | None = None
        self._stuck_asked_at = self._money_asked_at = float("-inf")
        self._money: Money | None = None
        self._jobs: JobsOut | None = None

    def look(self, loops: list[Loop]) -> bool:
        """Whether the batch has ended everywhere; raises the failure of a loop, and `Busy` when patience is at its end."""
        failed = next((loop.failure for loop in loops if loop.failure is not None), None)
        if failed is not None:
            raise failed
        batch: Batch | None = None
        busy: PairmarkError | None = None
        done, stuck = False, None
        try:
            batch = self._system.assessment.batch(self._ticket.job_id)
            done = batch is not None and batch.status.is_terminal and settled(self._system, batch)
            stuck = self._look_for_stuck()
            self._look_at_judging(batch, at_once=done)
            busy = next((loop.trouble for loop in loops if loop.trouble and self._concerns_us(loop)), None)
            busy = busy or self._system.asker.trouble(str(self._ticket.job_id))
        except Busy as error:
            self._system.heal()
            busy = error
        if stuck is not None and stuck.lasting:
            busy = busy or BrokenData(stuck.sentence)
        self._judge_patience(batch, None if done else busy)
        if done:
            self._tell(Progress(batch, False, None, self._found if loops else "stored", self._money))
        else:
            trouble = str(busy) if busy else stuck.sentence if stuck else None
            self._tell(Progress(batch, self._watching(), trouble, self._found, self._money, self._jobs))
        return done

    def _watching(self) -> bool:
        if self._system.owner:
            self._owned_at = self._now()
        return self._now() - self._owned_at >= WATCHING_AFTER

    def _look_for_stuck(self) -> Obstacle | None:
        if self._now() - self._stuck_asked_at >= LOOK_FOR_TROUBLE_EVERY:
            self._stuck_asked_at = self._now()
            self._stuck = in_the_way(self._system, str(self._ticket.job_id), self._ticket.entity_id)
        return self._stuck

    def _look_at_judging(self, batch: Batch | None, *, at_once: bool) -> None:
        if at_once or self._now() - self._money_asked_at >= ASK_FOR_MONEY_EVERY:
            self._money_asked_at = self._now()
            self._money = self._system.judging.money(str(self._ticket.job_id))
            in_jobs = batch is not None and batch.in_jobs
            self._jobs = self._system.judging.jobs_out(str(self._ticket.job_id)) if in_jobs else None

    def _concerns_us(self, loop: Loop) -> bool:
        """Another batch that cannot be moved on is no trouble of ours."""
        return loop.name != "pairmark-continuation" or str(self._ticket.job_id) in str(loop.trouble)

    def _judge_patience(self, batch: Batch | None, busy: PairmarkError | None) -> None:
        standing = (batch.version, batch.answered) if batch is not None else self._standing
        if busy is None or standing != self._standing:
            self._standing, self._since = standing, self._now()
        elif self._now() - self._since >= _patience(busy):
            raise busy

    def _now(self) -> float:
        return time.monotonic()


def _patience(busy: PairmarkError) -> float:
    """Seconds to stand still for this reason: a judge that says when it can answer again is waited for."""
    if isinstance(busy, SpendLimitReached):
        return LIMIT_PATIENCE
    told = busy.retry_after if isinstance(busy, JudgeUnable) else None
    return PATIENCE + (told or 0.0)
