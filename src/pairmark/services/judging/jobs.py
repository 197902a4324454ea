"""Jobs of the batch APIs: written down, handed in, looked at and collected, by whichever process is there in the day they take.

Handing in is at-least-once, recording exactly-once: a call has one outcome, whatever a provider answers, how often, and when.
What becomes of rows is in `job_rows`; nothing here waits for a provider, that is done on threads.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, Protocol
from uuid import UUID

from pairmark.clock import Clock
from pairmark.errors import BrokenData, PairmarkError
from pairmark.events.catalogue import Question
from pairmark.judges.question import Answer, AnswerKind, BatchRoad, Call, JobFailed, JobUnsure, JudgeUnable
from pairmark.judges.question import Question as Asked
from pairmark.services.judging import job_rows
from pairmark.services.judging.job_rows import Held, Job
from pairmark.services.judging.queue import Chunk
from pairmark.services.judging.sitting import Item
from pairmark.services.judging.verdicts import Answered, Verdicts
from pairmark.storage import faults
from pairmark.storage.connection import Database

MOST_REQUESTS = 10_000
"""In one job. Providers take more, but a job is also what is handed in again when nobody knows whether it was."""
MOST_BYTES = 50_000_000
"""Of the prompts of one job; providers take 200 MB, all else included."""
LONGEST = timedelta(hours=25)
"""Providers end a job within a day; one that has not ended then is given up."""
MOST_SUBMISSIONS = 5
MOST_FAILURES = 20
"""Times in a row that nobody can be asked about a job; one that ended while no process was there gets as many."""
RECORDED_TOGETHER = 500
LOOK_SECONDS = 0.5
WIRES = 4
UNABLE_SECONDS = 60.0

GIVEN_UP = "the job had not ended after 25 hours and was given up"
NO_TEXT = "the text store no longer has both texts"


class Host(Protocol):
    """What jobs need of the asker they work for."""

    def with_texts(self, chunk: Chunk, question: Question, tries: int) -> Asked | None:
        """The question with its texts; None if the store has lost one."""
        ...

    def fetch(self, storage_ids: Iterable[str]) -> object:
        """Have these texts ready."""
        ...

    def batching(self, batch_id: str, member: str) -> BatchRoad:
        """The batch API of a member of the batch's judge; raises `PairmarkError` when it cannot be had here."""
        ...

    def leave(self, batch_id: str, why: PairmarkError | None, seconds: float) -> None:
        """Do not take the batch up for so long; `why` is told to whoever waits for it."""
        ...

    def goes_on(self, batch_id: str) -> None:
        """Nothing is in the way of the batch any more."""
        ...

    def gone(self, token: UUID) -> bool:
        """Whether the process of another asker has ended."""
        ...


@dataclass(frozen=True, slots=True)
class Errand:
    """Something that is asked of a provider about a job, and what to do with the answer."""

    job: Job
    then: Callable[[Job, Any], int]


class Jobs:
    """The jobs that one asker looks after. `write` notes a new one; `turn` does what is due."""

    def __init__(self, host: Host, database: Database, verdicts: Verdicts, clock: Clock, token: UUID) -> None:
        self._host = host
        self._database = database
        self._verdicts = verdicts
        self._clock = clock
        self._token = token
        self._errands: dict[Future[Any], Errand] = {}
        self._look_at = float("-inf")
        self._pool = ThreadPoolExecutor(WIRES, thread_name_prefix="pairmark-jobs")

    @property
    def busy(self) -> bool:
        """Whether a provider is being asked about a job now; a job that is only waited for keeps nobody busy."""
        return bool(self._errands)

    def write(self, batch_id: str, items: Sequence[Item]) -> list[Item]:
        """Write down a job of questions to one member, before it is handed in; returns the questions the purse pays for."""
        with self._database.transaction("judging") as tx:
            paid = job_rows.write(tx, batch_id, items, self._token, self._clock.now())
        faults.reach("judging.job_written")
        self._look_at = float("-inf")
        return [item for item in items if item.entry is not None and item.entry.id in paid]

    def turn(self, *, begin: bool, patience: float) -> int:
        """Take up what is due unless told not to, wait a little for providers, record; returns how much was done."""
        if begin and self._clock.monotonic() >= self._look_at:
            self._look_at = self._clock.monotonic() + LOOK_SECONDS
            self._take_up()
        if not self._errands:
            return 0
        done, _ = wait(self._errands, timeout=patience, return_when=FIRST_COMPLETED)
        return sum(self._settle(future) for future in done)

    def close(self) -> None:
        """Ask nobody any more. A job that is being handed in is looked for by whoever comes next."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _take_up(self) -> None:
        now = self._clock.now()
        with self._database.transaction("judging") as tx:
            due = job_rows.due(tx, now, [errand.job.id for errand in self._errands.values()])
        free = [job for job in due if job.state == "sent" or job.asker == self._token or self._host.gone(job.asker)]
        if not free:
            return
        with self._database.transaction("judging") as tx:
            taken = job_rows.take(tx, free, self._token, now)
        for job in taken:
            try:
                self._go_on(job, self._host.batching(job.batch_id, job.digest))
            except JudgeUnable as unable:
                self._trouble(job, unable)
            except PairmarkError as error:
                self._host.leave(job.batch_id, error, UNABLE_SECONDS)

    def _go_on(self, job: Job, road: BatchRoad) -> None:
        """The next step with a job that is ours for now."""
        if job.state == "sent":
            stop = self._old(job) or (job.closed and not job.cancelled)
            self._send(job, partial(_look, road, job.handle, stop=stop), self._looked)
            return
        questions = [asked for _, asked in self._questions(job) if asked]
        if job.submissions > 1 and questions:  # it may have been handed in before, by us or by one that died then
            with self._database.transaction("judging") as tx:
                known = job_rows.known(tx, job)
            self._send(job, partial(road.find, questions, job.begun_at, known), self._found)
        else:
            self._submit(job, road)

    def _submit(self, job: Job, road: BatchRoad) -> None:
        asked = self._questions(job)
        lost = [held for held, question in asked if question is None]
        if lost:
            self._record([(held, _none(held, "unavailable", NO_TEXT, sent=False)) for held in lost])
        questions = [question for _, question in asked if question is not None]
        if questions:
            self._send(job, partial(road.submit, questions), self._submitted)
        else:
            self._end(job, "refused", NO_TEXT if lost else "no call of it is open")

    def _send(self, job: Job, work: Callable[[], Any], then: Callable[[Job, Any], int]) -> None:
        self._errands[self._pool.submit(work)] = Errand(job, then)

    def _settle(self, future: Future[Any]) -> int:
        errand = self._errands.pop(future)
        try:
            told = future.result()
        except JudgeUnable as unable:
            if errand.then == self._submitted and errand.job.submissions == 1:
                return self._refused(errand.job, unable)
            return self._kept_off(errand.job, unable)
        except JobUnsure:
            return self._kept_off(errand.job, None)
        except JobFailed as failed:
            return self._disowned(errand.job, str(failed))
        return errand.then(errand.job, told)

    def _submitted(self, job: Job, handle: str) -> int:
        faults.reach("judging.job_submitted")
        return self._note(job, handle)

    def _found(self, job: Job, handle: str | None) -> int:
        if handle is not None:
            return self._note(job, handle)
        if job.submissions > MOST_SUBMISSIONS:
            return self._give_up(job)
        self._submit(job, self._host.batching(job.batch_id, job.digest))
        return 0

    def _note(self, job: Job, handle: str) -> int:
        """The job is at the provider: from now on any process can look at it."""
        identity = self._host.batching(job.batch_id, job.digest).identity(handle)
        with self._database.transaction("judging") as tx:
            job_rows.note(tx, job, identity, handle, self._clock.now())
        self._host.goes_on(job.batch_id)
        return 1

    def _looked(self, job: Job, told: tuple[str, bool]) -> int:
        handle, ended = told
        with self._database.transaction("judging") as tx:
            job_rows.looked(tx, job, handle, self._clock.now())
        self._host.goes_on(job.batch_id)
        if ended:
            asked = self._questions(job)
            questions = [question for _, question in asked if question is not None]
            road, took = self._host.batching(job.batch_id, job.digest), self._clock.now() - job.begun_at
            self._send(job, partial(_collect, road, handle, questions, took), partial(self._collected, held=asked))
        elif self._old(job):
            return self._give_up(job)
        return 0

    def _collected(self, job: Job, answers: dict[str, Answer], *, held: Sequence[tuple[Held, Asked | None]]) -> int:
        """Record what the job brought; parts of it, so that a crash loses nothing that is written already."""
        faults.reach("judging.job_collected")
        told = [(one, answers.get(str(one.entry.id)) or _none(one, "unavailable", NO_TEXT)) for one, _ in held]
        self._record(told)
        self._end(job, "ended", "")
        return len(told) + 1

    def _record(self, told: Sequence[tuple[Held, Answer]]) -> None:
        for start in range(0, len(told), RECORDED_TOGETHER):
            part = told[start : start + RECORDED_TOGETHER]
            self._verdicts.record(
                [
                    Answered(one.chunk, one.question, answer, one.entry, None, one.entry.number - 1)
                    for one, answer in part
                ],
                self._token,
            )
            faults.reach("judging.job_partly_recorded")

    def _refused(self, job: Job, unable: JudgeUnable) -> int:
        """Surely no job was made: no call of it was either, and no try is spent."""
        with self._database.transaction("judging") as tx:
            job_rows.refuse(tx, job, unable.message, self._clock.now())
        seconds = UNABLE_SECONDS if unable.retry_after is None else unable.retry_after
        self._host.leave(job.batch_id, unable, seconds)
        return 1

    def _kept_off(self, job: Job, unable: JudgeUnable | None) -> int:
        """A provider could not be asked; the job goes on without us, but not for ever."""
        if unable is not None:
            self._trouble(job, unable)
        tired = (
            job.submissions > MOST_FAILURES if job.state == "written" else job.looks > MOST_FAILURES and self._old(job)
        )
        return self._give_up(job) if tired else 0

    def _trouble(self, job: Job, unable: JudgeUnable) -> None:
        seconds = UNABLE_SECONDS if unable.retry_after is None else unable.retry_after
        self._host.leave(job.batch_id, unable, seconds)

    def _disowned(self, job: Job, why: str) -> int:
        """What was taken for this job is not it, or is gone: hand it in once more."""
        if job.submissions >= MOST_SUBMISSIONS:
            return self._give_up(job)
        with self._database.transaction("judging") as tx:
            job_rows.disown(tx, job, why, self._clock.now())
        self._look_at = float("-inf")
        return 1

    def _give_up(self, job: Job) -> int:
        with self._database.transaction("judging") as tx:
            held = job_rows.held(tx, job)
        self._record([(one, _none(one, "timed_out", GIVEN_UP)) for one in held])
        return self._end(job, "given_up", GIVEN_UP)

    def _end(self, job: Job, state: str, detail: str) -> int:
        with self._database.transaction("judging") as tx:
            job_rows.end(tx, job, state, detail, self._clock.now())
        return 1

    def _questions(self, job: Job) -> list[tuple[Held, Asked | None]]:
        """The calls of a job that are open, with their questions as they are put; None for one that cannot be put any more."""
        with self._database.transaction("judging") as tx:
            held = job_rows.held(tx, job)
        self._host.fetch(text for one in held for text in (one.question.first_text, one.question.second_text))
        told = []
        for one in held:
            asked = self._host.with_texts(one.chunk, one.question, one.entry.number - 1)
            member = one.entry.forecast.digest
            told.append((one, asked and replace(asked, call_id=str(one.entry.id), member=member)))
        return told

    def _old(self, job: Job) -> bool:
        return self._clock.now() - job.sent_at > LONGEST


def jobs_of(items: Sequence[Item]) -> Iterator[list[Item]]:
    """The questions of each job: all to one model, and within bounds."""
    members: dict[str, list[Item]] = {}
    for item in items:
        members.setdefault(item.forecast.digest if item.forecast else "", []).append(item)
    for asked in members.values():
        job: list[Item] = []
        size = 0
        for item in asked:
            more = item.forecast.size if item.forecast else 0
            if job and (len(job) >= MOST_REQUESTS or size + more > MOST_BYTES):
                yield job
                job, size = [], 0
            job.append(item)
            size += more
        yield job


def batching(judge: Any, member: str) -> BatchRoad:
    """The batch API of a member of this judge; raises `BrokenData` when it has none."""
    road: BatchRoad | None = judge.batching(member) if hasattr(judge, "batching") else None
    if road is None:
        raise BrokenData(f"The judge {judge.name} has no batch API, and a job of it is open.")
    return road


def _look(road: BatchRoad, handle: str, *, stop: bool) -> tuple[str, bool]:
    """The job as it stands, stopped if it is not wanted any more."""
    told = road.look(handle)
    if stop and not told[1]:
        with suppress(JudgeUnable, JobUnsure, JobFailed):  # it ends by itself within its day
            road.cancel(handle)
    return told


def _collect(road: BatchRoad, handle: str, questions: Sequence[Asked], took: timedelta) -> dict[str, Answer]:
    return road.collect(handle, questions, took) if questions else {}


def _none(one: Held, kind: AnswerKind, detail: str, *, sent: bool = True) -> Answer:
    """No answer; what it cost is unknown, or nothing if it was never sent."""
    entry = one.entry
    call = Call("", "", entry.forecast.prompt_hash, "", None, None, None, None, None if sent else 0.0, "", 0, 1, "")
    return Answer(str(entry.request_id), kind, None, False, entry.forecast.judge, "", "", detail=detail, call=call)
