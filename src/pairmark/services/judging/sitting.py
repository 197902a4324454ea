"""A batch before its language model: questions that wait, calls that are out, answers not recorded yet, and why it stops.

Plain bookkeeping of one process: no database, no thread, no clock.
"""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from pairmark.errors import PairmarkError
from pairmark.events.catalogue import Question
from pairmark.judges.question import Answer, AnswerKind, Forecast, JudgeUnable, ModelJudge
from pairmark.judges.question import Question as Asked
from pairmark.services.judging.calls import Entry
from pairmark.services.judging.queue import Chunk
from pairmark.services.judging.verdicts import Answered


@dataclass(slots=True)
class Item:
    """A question that wants an answer. `tries` counts the calls made for it in vain; the rest is of its next call."""

    chunk: Chunk
    question: Question
    tries: int
    state: Literal["waits", "out", "gathered", "answered"] = "waits"
    asked: Asked | None = None
    forecast: Forecast | None = None
    entry: Entry | None = None


@dataclass(slots=True)
class Sitting:
    """One batch. `left` counts the answers each chunk still wants, `unable` and `suspended` are members by digest.

    `gathered` are questions for the next job; chunks `in_jobs` have some in jobs, out of hand here. `pinched`: what is reserved for
    calls in flight leaves no money for another. `halted`: why nothing more is begun (None: for no reason that people must
    know), and for how many seconds.
    """

    batch_id: str
    judge: ModelJudge
    waiting: deque[Item] = field(default_factory=deque)
    gathered: list[Item] = field(default_factory=list)
    landed: list[Answered] = field(default_factory=list)
    chunks: dict[UUID, Chunk] = field(default_factory=dict)
    left: Counter[UUID] = field(default_factory=Counter)
    out: int = 0
    cleared: set[str] = field(default_factory=set)
    suspended: dict[str, str] = field(default_factory=dict)
    unable: dict[str, tuple[float, JudgeUnable]] = field(default_factory=dict)
    pinched: bool = False
    halted: tuple[PairmarkError | None, float] | None = None
    over: bool = False
    in_jobs: set[UUID] = field(default_factory=set)

    @property
    def stopped(self) -> bool:
        """Whether nothing more is begun."""
        return self.over or self.halted is not None

    def add(self, item: Item) -> None:
        """Take a question up."""
        self.chunks[item.chunk.id] = item.chunk
        self.left[item.chunk.id] += 1
        self.waiting.append(item)

    def halt(self, why: PairmarkError | None, seconds: float) -> None:
        """Begin nothing more; the first reason counts."""
        self.halted = self.halted or (why, seconds)

    def answer(self, item: Item, answer: Answer, *, earlier: UUID | None = None) -> None:
        """An answer to be recorded."""
        item.state = "answered"
        self.landed.append(Answered(item.chunk, item.question, answer, item.entry, earlier, item.tries))

    def without_verdict(self, item: Item, kind: AnswerKind, detail: str) -> None:
        """No answer, and why."""
        judge = item.forecast.judge if item.forecast else ""
        self.answer(item, Answer(str(item.question.request_id), kind, None, False, judge, "", "", detail=detail[:500]))

    def gather(self, item: Item) -> None:
        """A question for the next job."""
        item.state = "gathered"
        self.gathered.append(item)

    def out_of_hand(self, items: Sequence[Item]) -> None:
        """A job has these questions now; their chunks are taken up again when it has ended."""
        for item in items:
            self.in_jobs.add(item.chunk.id)
            self._leave_out(item)

    def wait_again(self, item: Item) -> None:
        """The question was not asked after all."""
        item.state, item.asked, item.forecast, item.entry = "waits", None, None, None
        self.waiting.appendleft(item)

    def finished(self) -> list[Chunk]:
        """Chunks that have all their answers with those that are to be recorded."""
        landed = Counter(item.chunk.id for item in self.landed)
        whole = [identity for identity, number in landed.items() if self.left[identity] == number]
        return [self.chunks[identity] for identity in whole if identity not in self.in_jobs]

    def recorded(self) -> int:
        """What landed is recorded; returns how much it was."""
        done = len(self.landed)
        for item in self.landed:
            self._leave_out(item)
        self.landed = []
        return done

    def _leave_out(self, item: Item | Answered) -> None:
        """One answer less is wanted here for the chunk."""
        identity = item.chunk.id
        self.left[identity] -= 1
        if not self.left[identity]:
            del self.left[identity], self.chunks[identity]

    def unfinished(self) -> list[Chunk]:
        """Chunks that still want answers."""
        return [self.chunks[identity] for identity in self.left]
