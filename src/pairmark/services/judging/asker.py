"""Putting questions to judges: quick judges get whole sets, slow ones a thread pool; what is answered is recorded as it comes.

A crash loses at most answers that were not recorded yet; they are asked again, and recorded once.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any
from uuid import UUID, uuid4

from pairmark.clock import Clock
from pairmark.errors import Busy, PairmarkError
from pairmark.events.catalogue import Question
from pairmark.judges.question import Answer, Judge
from pairmark.judges.question import Question as Asked
from pairmark.messaging.ownership import OwnedConnection
from pairmark.services.judging.queue import Chunk, lease, other_askers, release
from pairmark.services.judging.verdicts import Answered, Verdicts
from pairmark.storage.connection import Database, execute
from pairmark.storage.texts import TextSource

CHUNKS_PER_STEP = 10
CONCURRENCY = 16
TEXTS_KEPT = 2_000

JUDGES = "SELECT batch_id, judge, judge_digest FROM batch WHERE batch_id = ANY(%s) ORDER BY batch_id"

JudgeFactory = Callable[[str, str], Judge]
"""Makes the judge of a batch from its name and digest; raises `PairmarkError` when it cannot be had here."""


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
        self._bodies: dict[str, str] = {}
        self._stopping = False
        self._interrupted = False
        self._owned = OwnedConnection(database, "judging")
        self._pool = ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="pairmark-judge")

    def step(self) -> int:
        """Ask what is open; returns how many questions were dealt with."""
        if self._stopping:
            return 0
        try:
            return self._work()
        except Busy as busy:
            self._interrupted = True
            raise self._owned.lost(busy) from busy

    def _work(self) -> int:
        self._owned.try_own(_lock_name(self._token))
        with self._database.transaction("judging") as tx:
            if self._interrupted:  # what was in hand then is open again, not leased to nobody until the lease runs out
                release(tx, [self._token])
            chunks = lease(tx, self._token, self._clock.now(), CHUNKS_PER_STEP)
            ids = sorted({chunk.batch_id for chunk in chunks})
            judges = execute(tx, JUDGES, [ids]) if chunks else []
            others = [] if chunks else other_askers(tx, self._token)
        self._interrupted = False
        if others:
            return self._release_dead(others)
        for batch, name, digest in judges:
            self._ask([chunk for chunk in chunks if chunk.batch_id == batch], name, digest)
        return sum(len(chunk.questions) for chunk in chunks)

    def stop(self) -> None:
        """Put no further question; those in flight are waited for and recorded."""
        self._stopping = True

    def close(self) -> None:
        """End the thread pool and give leases back."""
        self._stopping = True
        self._pool.shutdown(wait=True, cancel_futures=True)
        with self._database.transaction("judging") as tx:
            release(tx, [self._token])
        self._owned.close()

    def _release_dead(self, tokens: Sequence[UUID]) -> int:
        """Leases of askers whose process is gone are free at once: their session lock is."""
        dead = [token for token in tokens if self._owned.try_own(_lock_name(token))]
        if dead:
            with self._database.transaction("judging") as tx:
                release(tx, dead)
        return len(dead)

    def _ask(self, chunks: Sequence[Chunk], name: str, digest: str) -> None:
        known = [
            Answered(chunk, question, chunk.known[question.request_id])
            for chunk in chunks
            for question in chunk.questions
            if question.request_id in chunk.known
        ]
        work = [(c, question) for c in chunks for question in c.questions if question.request_id not in c.known]
        try:
            judge = self._judge(name, digest)
        except PairmarkError as error:
            failed = [Answered(chunk, question, _failed(question, str(error))) for chunk, question in work]
            self._verdicts.record([*known, *failed], self._token, chunks)
            return
        bodies = self._fetch(text for _, question in work for text in (question.first_text, question.second_text))
        if judge.in_sets or not work:
            answers = judge.ask([_asked(chunk, question, bodies) for chunk, question in work])
            self._verdicts.record([*known, *_join(work, answers)], self._token, chunks)
        else:
            self._ask_in_pool(judge, work, bodies, chunks, known)

    def _ask_in_pool(
        self,
        judge: Judge,
        work: Sequence[tuple[Chunk, Question]],
        bodies: Mapping[str, str],
        chunks: Sequence[Chunk],
        known: Sequence[Answered],
    ) -> None:
        """Keep `CONCURRENCY` questions in flight; stop asking when told to, or when the batch is over."""
        futures: dict[Future[list[Answer]], tuple[Chunk, Question]] = {}
        waiting, wanted = list(reversed(work)), True
        if known:
            self._verdicts.record(known, self._token)
        while futures or (waiting and wanted and not self._stopping):
            while waiting and wanted and len(futures) < CONCURRENCY and not self._stopping:
                chunk, question = waiting.pop()
                futures[self._pool.submit(judge.ask, [_asked(chunk, question, bodies)])] = (chunk, question)
            done, _ = wait(futures, return_when=FIRST_COMPLETED)
            items = [futures.pop(future) for future in done]
            answers = [_answer_of(future, item[1]) for future, item in zip(done, items, strict=True)]
            all_asked = not futures and not waiting
            wanted = self._verdicts.record(_join(items, answers), self._token, chunks if all_asked else ())

    def _judge(self, name: str, digest: str) -> Judge:
        key = (name, digest)
        if key not in self._judges:
            self._judges[key] = self._judge_factory(name, digest)
        return self._judges[key]

    def _fetch(self, storage_ids: Iterable[str]) -> Mapping[str, str]:
        missing = set(storage_ids) - self._bodies.keys()
        if missing:
            if len(self._bodies) + len(missing) > TEXTS_KEPT:
                self._bodies.clear()
            self._bodies.update(self._texts.fetch(missing))
        return self._bodies


def _lock_name(token: UUID) -> str:
    return f"asker:{token}"


def _asked(chunk: Chunk, question: Question, bodies: Mapping[str, str]) -> Asked:
    return Asked(
        request_id=str(question.request_id),
        first_id=question.first_id,
        second_id=question.second_id,
        first_text=bodies.get(question.first_text, ""),
        second_text=bodies.get(question.second_text, ""),
        repeat=question.repeat,
        attempt=(chunk.attempt - 1) * 100 + chunk.tries + 1,
    )


def _join(work: Sequence[tuple[Chunk, Question]], answers: Sequence[Answer]) -> list[Answered]:
    by_request = {UUID(answer.request_id): answer for answer in answers}
    return [
        Answered(chunk, question, by_request.get(question.request_id) or _failed(question, "the judge gave no answer"))
        for chunk, question in work
    ]


def _answer_of(future: Future[Any], question: Question) -> Answer:
    error = future.exception()
    if error is not None:
        return _failed(question, f"{type(error).__name__}: {error}"[:500])
    answers: list[Answer] = future.result()
    return answers[0]


def _failed(question: Question, detail: str) -> Answer:
    return Answer(
        request_id=str(question.request_id), kind="failed", winner=None, swapped=False, judge="", provider="", model="",
        detail=detail,
    )  # fmt: skip
