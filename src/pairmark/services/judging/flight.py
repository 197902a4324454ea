"""Calls of language models on their way: written down, made, landed, recorded; many in flight, over the ends of leases.

A crash loses what was in flight: the book then says which calls those were. Which chunks are taken up is decided in `asker`.
"""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Protocol
from uuid import UUID, uuid4

from pairmark.clock import Clock
from pairmark.errors import Busy, PairmarkError
from pairmark.events.catalogue import Question
from pairmark.judges.question import Answer, Forecast, JudgeUnable, ModelJudge
from pairmark.judges.question import Question as Asked
from pairmark.services.judging.calls import STOPPED, Calls, Entry
from pairmark.services.judging.canaries import Canaries
from pairmark.services.judging.jobs import MOST_REQUESTS, Jobs, jobs_of
from pairmark.services.judging.queue import Chunk
from pairmark.services.judging.routing import UNABLE_SECONDS, Routing
from pairmark.services.judging.sitting import Item, Sitting
from pairmark.services.judging.verdicts import MAX_TRIES, Verdicts
from pairmark.storage import faults

AHEAD = 4
"""Beyond those in flight, one call for every so many is written down, to be made the moment another ends."""
TOGETHER = 8
"""Calls are begun in sets of at least one for every so many in flight."""
GROUP_SECONDS = 0.025
"""What lands within this time is recorded in one transaction."""
LOST_TOO_OFTEN = "too many processes ended while they asked this"
LAND_SECONDS = 5.0
"""How long to wait for anything to land before leases are looked after."""
NO_TEXT = "the text store no longer has both texts"


class Host(Protocol):
    """What a flight needs of the asker it works for."""

    def with_texts(self, chunk: Chunk, question: Question, tries: int) -> Asked | None:
        """The question with its texts; None if the store has lost one."""
        ...

    def keep_leases(self) -> None:
        """Prolong what is in hand, when it is time."""
        ...

    def hand_back(self, chunks: Sequence[Chunk]) -> None:
        """Give chunks back as they are."""
        ...

    def leave(self, batch_id: str, why: PairmarkError | None, seconds: float) -> None:
        """Do not take the batch up for so long; `why` is told to whoever waits for it."""
        ...

    def goes_on(self, batch_id: str) -> None:
        """Nothing is in the way of the batch any more."""
        ...

    @property
    def more_to_come(self) -> bool:
        """Whether further chunks may be there at once."""
        ...


class Flight:
    """All calls of one asker. `add` hands work in; `turn` begins, waits and records; what stops is handed back."""

    def __init__(
        self, host: Host, calls: Calls, verdicts: Verdicts, canaries: Canaries, jobs: Jobs, clock: Clock, token: UUID
    ) -> None:
        self._host = host
        self._calls = calls
        self._verdicts = verdicts
        self._jobs = jobs
        self._clock = clock
        self._token = token
        self._sittings: dict[str, Sitting] = {}
        self._pools: dict[int, ThreadPoolExecutor] = {}
        self._flying: dict[Future[list[Answer]], tuple[Sitting, Item]] = {}
        self._landing: SimpleQueue[Future[list[Answer]] | None] = SimpleQueue()
        self._nudged = False
        self._not_made: list[UUID] = []
        self._closed = False
        self._routing = Routing(calls, canaries, clock, self._pool, self._meanwhile)

    @property
    def busy(self) -> bool:
        """Whether anything is in hand."""
        return bool(self._sittings)

    @property
    def hungry(self) -> bool:
        """Whether some batch has less waiting here than it can have in flight."""
        return len(self.supplied()) < len(self._sittings)

    def supplied(self) -> list[str]:
        """Batches of which enough waits here, so that no more of them should be taken up; those that stop among them."""
        sittings = self._sittings.values()
        return [one.batch_id for one in sittings if one.stopped or len(one.waiting) >= one.judge.concurrency]

    def in_hand(self) -> list[UUID]:
        """Chunks that are worked on here."""
        return [chunk for sitting in self._sittings.values() for chunk in sitting.left]

    def known_calls(self) -> list[UUID]:
        """Calls of the book whose outcome is known here, or comes."""
        out = [item.entry for _, item in self._flying.values()]
        landed = [item.call for sitting in self._sittings.values() for item in sitting.landed]
        return [entry.id for entry in out + landed if entry is not None] + self._not_made

    def add(self, batch_id: str, judge: ModelJudge, work: Sequence[tuple[Chunk, Question]]) -> None:
        """Take questions up; calls made in vain for them before count as tries."""
        tried = self._calls.tried([question.request_id for _, question in work])
        sitting = self._sittings.setdefault(batch_id, Sitting(batch_id, judge))
        for chunk, question in work:
            sitting.add(Item(chunk, question, tried.get((question.request_id, chunk.attempt), 0)))

    def nudge(self) -> None:
        """Wait for nothing to land in the turn at work: there may be more to begin. Safe on any thread.

        Many nudges are one, and one that comes while nothing flies waits for the first that does.
        """
        if not self._nudged:
            self._nudged = True
            self._landing.put(None)

    def begin_anew(self) -> None:
        """After trouble with the database: record what is out, hand back what waits. Others may have taken it up since."""
        for sitting in self._sittings.values():
            sitting.halt(None, 0.0)

    def turn(self, *, begin: bool = True) -> int:
        """Begin what there is room for unless told not to, wait for something to land, record; returns how many answers."""
        for sitting in list(self._sittings.values()) if begin else ():
            if not sitting.stopped and not sitting.pinched:
                self._begin(sitting)
        self._host.keep_leases()
        self._land()
        done = self._record()
        for sitting in self._sittings.values() if begin else ():
            if sitting.gathered and not sitting.stopped:
                self._hand_in(sitting)
        self._leave(stopping=not begin)
        return done

    def close(self) -> None:
        """Make no further call. What is still out has no outcome any more, whatever comes of it."""
        self._closed = True
        flying = [(future, item.entry) for future, (_, item) in list(self._flying.items())]
        self._not_made += [entry.id for future, entry in flying if future.cancel() and entry is not None]
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        if flying or self._not_made:
            self._calls.never_made(self._not_made)
            self._calls.lose([self._token], why=STOPPED)

    def _begin(self, sitting: Sitting) -> None:
        """Begin as many calls of one batch as there is room for."""
        out = sum(other.out for other in self._sittings.values() if other.judge is sitting.judge)
        most = sitting.judge.concurrency
        room = most + most // AHEAD - out
        if not sitting.waiting or room < max(most // TOGETHER if out else 1, 1):
            return
        # Next time it is the turn of the others.
        self._sittings[sitting.batch_id] = self._sittings.pop(sitting.batch_id)
        items = [sitting.waiting.popleft() for _ in range(min(room, len(sitting.waiting)))]
        try:
            self._take_off(sitting, [item for item in items if self._routed(sitting, item)])
        finally:
            for item in reversed(items):
                if item.state == "waits":
                    sitting.wait_again(item)

    def _routed(self, sitting: Sitting, item: Item) -> bool:
        """Find out who is asked, and what that may cost; False if the question is answered already, or the batch stops."""
        if sitting.stopped or sitting.pinched:
            return False
        if item.tries >= MAX_TRIES:
            sitting.without_verdict(item, "failed", LOST_TOO_OFTEN)
            return False
        asked = self._host.with_texts(item.chunk, item.question, item.tries)
        if asked is None:
            sitting.without_verdict(item, "unavailable", NO_TEXT)
            return False
        forecast = self._routing.forecast(sitting, item, asked)
        if forecast is not None:
            item.asked, item.forecast = replace(asked, member=forecast.digest), forecast
        return forecast is not None

    def _meanwhile(self) -> None:
        self._refuse_if_closed()
        self._host.keep_leases()

    def _take_off(self, sitting: Sitting, items: Sequence[Item]) -> None:
        """Answers that are known are reused; the other calls are written down, and made."""
        ready = [(item, item.forecast) for item in items if item.forecast is not None]
        to_models = [(forecast, item.question.repeat) for item, forecast in ready if forecast.prompt_hash]
        kept = self._calls.kept(to_models) if to_models else {}
        fresh = []
        for item, forecast in ready:
            item.entry = _entry(item, forecast)
            known = kept.get((forecast.digest, forecast.prompt_hash, item.question.repeat))
            if known is None and forecast.in_jobs:
                item.forecast = replace(forecast, cost=forecast.cost_in_job)
                item.entry = replace(item.entry, forecast=item.forecast)
                sitting.gather(item)
            elif known is None:
                fresh.append((item, item.entry))
            else:
                answer = replace(known[1], request_id=str(item.question.request_id))
                sitting.answer(item, answer, earlier=known[0])
        if fresh and not sitting.stopped:
            self._make(sitting, fresh)

    def _make(self, sitting: Sitting, fresh: Sequence[tuple[Item, Entry]]) -> None:
        ids = [entry.id for _, entry in fresh]
        self._not_made += ids  # should the outcome of this commit not be known, they were not made
        paid = self._calls.begin(sitting.batch_id, [entry for _, entry in fresh])
        self._not_made = [one for one in self._not_made if one not in set(ids)]
        faults.reach("judging.calls_begun")
        pool = self._pool(sitting.judge)
        for item, entry in fresh:
            if entry.id in paid and item.asked is not None:
                self._refuse_if_closed()
                future = pool.submit(sitting.judge.ask, [replace(item.asked, call_id=str(entry.id))])
                self._flying[future] = (sitting, item)
                item.state, sitting.out = "out", sitting.out + 1
                future.add_done_callback(self._landing.put)
        if paid:
            self._host.goes_on(sitting.batch_id)
        refused = [entry.forecast for _, entry in fresh if entry.id not in paid]
        if refused:
            self._routing.no_money(sitting, refused[0].judge, refused[0].cost)

    def _hand_in(self, sitting: Sitting) -> None:
        """What was gathered becomes jobs, when no more is to come or there is enough for one."""
        if (sitting.waiting or self._host.more_to_come) and len(sitting.gathered) < MOST_REQUESTS:
            return
        gathered, sitting.gathered = sitting.gathered, []
        for items in jobs_of(gathered):
            paid = [] if sitting.stopped else self._jobs.write(sitting.batch_id, items)
            made = {id(item) for item in paid}
            sitting.out_of_hand(paid)
            rest = [item for item in items if id(item) not in made]
            for item in reversed(rest):
                forecast = item.forecast
                sitting.wait_again(item)
                if forecast is not None and not sitting.stopped:
                    self._routing.no_money(sitting, forecast.judge, forecast.cost, UNABLE_SECONDS)

    def _land(self) -> None:
        """Wait until a call has landed, and a moment for others that land with it."""
        if not self._flying:
            return
        waits = not any(sitting.landed for sitting in self._sittings.values())
        until = time.monotonic() + (LAND_SECONDS if waits else GROUP_SECONDS)
        while (left := until - time.monotonic()) > 0 and self._flying:
            try:
                future = self._landing.get(timeout=left)
            except Empty:
                return
            if future is not None:
                self._landed(future)
            else:
                self._nudged = False
                if waits:
                    return
            if waits:
                waits, until = False, time.monotonic() + GROUP_SECONDS

    def _landed(self, future: Future[list[Answer]]) -> None:
        sitting, item = self._flying.pop(future)
        sitting.out, sitting.pinched = sitting.out - 1, False
        error = None if future.cancelled() else future.exception()
        if future.cancelled() or isinstance(error, JudgeUnable):
            if item.entry is not None:
                self._not_made.append(item.entry.id)
            if isinstance(error, JudgeUnable) and item.forecast is not None:
                self._routing.unable(sitting, item.forecast.digest, error)
            sitting.wait_again(item)
            return
        wanted = str(item.question.request_id)
        answer = None if error else next((one for one in future.result() if one.request_id == wanted), None)
        if answer is None:
            said = f"{type(error).__name__}: {error}" if error else "the judge gave no answer"
            sitting.without_verdict(item, "failed", said)
        elif answer.winner == "tie" and item.forecast is not None and item.forecast.prompt_hash:
            sitting.without_verdict(item, "invalid", "a language model must choose")
        else:
            sitting.answer(item, answer)

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise Busy("Calls of language models were given up; they are made again.")

    def _record(self) -> int:
        """Record what landed, one transaction for each batch."""
        done = 0
        self._refuse_if_closed()
        if any(sitting.landed for sitting in self._sittings.values()):
            faults.reach("judging.calls_landed")
        for sitting in self._sittings.values():
            if sitting.landed:
                wanted = self._verdicts.record(sitting.landed, self._token, sitting.finished())
                done += sitting.recorded()
                sitting.over = sitting.over or not wanted
        if self._not_made:
            self._calls.never_made(self._not_made)
            self._not_made = []
        return done

    def _leave(self, *, stopping: bool) -> None:
        """Give back what is done, or goes no further."""
        for sitting in list(self._sittings.values()):
            if (
                sitting.out
                or sitting.landed
                or ((sitting.waiting or sitting.gathered) and not sitting.stopped and not stopping)
            ):
                continue
            if sitting.left:
                self._host.hand_back(sitting.unfinished())
            if sitting.halted is not None:
                self._host.leave(sitting.batch_id, *sitting.halted)
            del self._sittings[sitting.batch_id]
            if not any(other.judge is sitting.judge for other in self._sittings.values()):
                pool = self._pools.pop(id(sitting.judge), None)
                if pool is not None:
                    pool.shutdown(wait=False)

    def _pool(self, judge: ModelJudge) -> ThreadPoolExecutor:
        if id(judge) not in self._pools:
            self._pools[id(judge)] = ThreadPoolExecutor(judge.concurrency, thread_name_prefix="pairmark-call")
        return self._pools[id(judge)]


def _entry(item: Item, forecast: Forecast) -> Entry:
    question = item.question
    return Entry(
        uuid4(), item.chunk.batch_id, question.request_id, item.chunk.attempt, item.tries + 1, forecast, question.repeat,
        question.first_id, question.second_id,
    )  # fmt: skip
