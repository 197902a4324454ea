"""Putting questions to judges on a thread pool, quick judges whole sets at once; what is answered is recorded as it comes.

A crash loses at most answers that were not recorded yet; they are asked again, and recorded once. What is in hand stays leased
however slow a judge is. A batch whose judge cannot be had in this process is left to others.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Literal
from uuid import UUID, uuid4

from pairmark.clock import Clock
from pairmark.errors import Busy, PairmarkError
from pairmark.events.catalogue import Question
from pairmark.judges.question import Answer, Judge
from pairmark.judges.question import Question as Asked
from pairmark.messaging.ownership import OwnedConnection
from pairmark.services.judging.queue import LEASE_SECONDS, Chunk, hand_back, lease, other_askers, release, renew
from pairmark.services.judging.verdicts import Answered, Verdicts
from pairmark.storage.connection import Database, execute
from pairmark.storage.texts import TextSource

CHUNKS_PER_STEP = 10
CONCURRENCY = 16
TEXTS_KEPT = 2_000
RENEW_SECONDS = LEASE_SECONDS / 4
NO_TEXT = "the text store no longer has both texts"
UNABLE_SECONDS = 30.0
"""How long a judge that could not be had is not looked for again."""

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
        self._unable: dict[str, tuple[float, PairmarkError]] = {}
        self._bodies: dict[str, str] = {}
        self._stopping = False
        self._interrupted = False
        self._renewed_at = float("-inf")
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
            chunks = lease(tx, self._token, self._clock.now(), CHUNKS_PER_STEP, self._left_to_others())
            ids = sorted({chunk.batch_id for chunk in chunks})
            judges = execute(tx, JUDGES, [ids]) if chunks else []
            others = [] if chunks else other_askers(tx, self._token)
        self._interrupted = False
        self._renewed_at = self._clock.monotonic()
        if others:
            return self._release_dead(others)
        return sum(
            self._ask([chunk for chunk in chunks if chunk.batch_id == batch], name, digest)
            for batch, name, digest in judges
        )

    def trouble(self, batch_id: str) -> Busy | None:
        """Why this process cannot go on with the batch, if that is so: its judge cannot be had here."""
        if batch_id not in self._unable:
            return None
        error = self._unable[batch_id][1]
        return Busy(
            f"The judge of this batch cannot be had here: {error.message}",
            remedy="Run the same command where it can; the batch goes on where it was.",
        )

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
        with self._database.transaction("judging") as tx:
            release(tx, [self._token])
        self._owned.close()

    def _left_to_others(self) -> list[str]:
        """Batches whose judge could not be had here lately."""
        now = self._clock.monotonic()
        return [batch for batch, (since, _) in self._unable.items() if now - since < UNABLE_SECONDS]

    def _release_dead(self, tokens: Sequence[UUID]) -> int:
        """Leases of askers whose process is gone are free at once: their session lock is."""
        dead = [token for token in tokens if self._owned.try_own(_lock_name(token))]
        if dead:
            with self._database.transaction("judging") as tx:
                release(tx, dead)
        return len(dead)

    def _ask(self, chunks: Sequence[Chunk], name: str, digest: str) -> int:
        """Put the open questions of one batch to its judge; returns how many were dealt with."""
        try:
            judge = self._judge(name, digest)
        except Busy:
            raise
        except PairmarkError as error:
            self._unable[chunks[0].batch_id] = (self._clock.monotonic(), error)
            self._hand_back(chunks)
            return 0
        self._unable.pop(chunks[0].batch_id, None)
        known = [
            Answered(chunk, question, chunk.known[question.request_id])
            for chunk in chunks
            for question in chunk.questions
            if question.request_id in chunk.known
        ]
        work = [(c, question) for c in chunks for question in c.questions if question.request_id not in c.known]
        if known or not work:
            self._verdicts.record(known, self._token, () if work else chunks)
        if work:
            self._put([work] if judge.in_sets else [[item] for item in work], judge, chunks)
        return len(known) + len(work)

    def _put(self, sets: Sequence[Work], judge: Judge, chunks: Sequence[Chunk]) -> None:
        """Keep `CONCURRENCY` sets in flight; stop asking when told to, or when the batch is over."""
        bodies = self._fetch(text for work in sets for _, one in work for text in (one.first_text, one.second_text))
        ask = partial(_ask_with_texts, judge, bodies)
        futures: dict[Future[list[Answer]], Work] = {}
        waiting, wanted = list(reversed(sets)), True
        while futures or (waiting and wanted and not self._stopping):
            while waiting and wanted and len(futures) < CONCURRENCY and not self._stopping:
                work = waiting.pop()
                futures[self._pool.submit(ask, work)] = work
            done, _ = wait(futures, timeout=RENEW_SECONDS, return_when=FIRST_COMPLETED)
            self._keep_leases()
            answered = [item for future in done for item in _answered(future, futures.pop(future))]
            if answered:
                finished = () if futures or waiting else chunks
                wanted = self._verdicts.record(answered, self._token, finished)
        if waiting:
            self._hand_back(chunks)

    def _keep_leases(self) -> None:
        """Whatever is in hand stays ours while a slow judge thinks."""
        if self._clock.monotonic() - self._renewed_at >= RENEW_SECONDS:
            with self._database.transaction("judging") as tx:
                renew(tx, self._token)
            self._renewed_at = self._clock.monotonic()

    def _hand_back(self, chunks: Sequence[Chunk]) -> None:
        with self._database.transaction("judging") as tx:
            hand_back(tx, chunks, self._token)

    def _judge(self, name: str, digest: str) -> Judge:
        key = (name, digest)
        if key not in self._judges:
            self._judges[key] = self._judge_factory(self._offered.get(digest, name), digest)
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


def _ask_with_texts(judge: Judge, bodies: Mapping[str, str], work: Work) -> list[Answer]:
    """What the judge says of the questions whose texts are there; the others are no questions, so no verdict comes of them."""
    there = [one for one in work if one[1].first_text in bodies and one[1].second_text in bodies]
    without = [
        _failed(one, NO_TEXT, kind="unavailable")
        for _, one in work
        if one.first_text not in bodies or one.second_text not in bodies
    ]
    return without + (judge.ask([_asked(chunk, one, bodies) for chunk, one in there]) if there else [])


def _asked(chunk: Chunk, question: Question, bodies: Mapping[str, str]) -> Asked:
    return Asked(
        request_id=str(question.request_id),
        first_id=question.first_id,
        second_id=question.second_id,
        first_text=bodies[question.first_text],
        second_text=bodies[question.second_text],
        repeat=question.repeat,
        attempt=(chunk.attempt - 1) * 100 + chunk.tries + 1,
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
