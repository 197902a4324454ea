"""A model judge without a network: simulated verdicts that cost money, and whatever a test wants to go wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from threading import Lock
from typing import Any

from pairmark.bootstrap import System, judge_for
from pairmark.judges.question import Answer, AnswerKind, Call, Forecast, Judge, Question
from pairmark.services.judging.asker import Asker
from pairmark.services.judging.verdicts import Verdicts
from support.system import JUDGE

MOST = 0.004
"""US dollars that a call is said to cost at most."""
COST = 0.001
"""What it costs then."""

Play = Callable[[Question, int], "AnswerKind | Answer | None"]


class Metered:
    """Every call costs `COST`. `play` gets the question and the number of the call and may say how it ends, or raise."""

    name, may_grade, in_sets = "metered", True, False

    def __init__(self, play: Play = lambda question, number: None, *, concurrency: int = 8, most: float | None = MOST,
                 member: str = "metered:a") -> None:  # fmt: skip
        self.concurrency = concurrency
        self.asked: list[Question] = []
        self.most = most
        self.member = member
        self._play = play
        self._lock = Lock()
        self._inner: Judge = judge_for(JUDGE, "")

    @property
    def comparisons(self) -> list[Question]:
        """What was asked beside canaries."""
        return [one for one in self.asked if not is_canary(one)]

    def check(self, essay_ids: Sequence[str]) -> None:
        """Any essays will do."""

    def forecast(self, question: Question, without: frozenset[str] = frozenset()) -> Forecast | None:
        if self.member in without:
            return None
        prompt = sha256(f"{question.first_text}\0{question.second_text}".encode()).hexdigest()
        return Forecast(self.member, self.member, prompt, self.most)

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        return [self._ask(question) for question in questions]

    def _ask(self, question: Question) -> Answer:
        with self._lock:
            self.asked.append(question)
            number = len(self.asked)
        played = self._play(question, number)
        if isinstance(played, Answer):
            return played
        answer = answered(question, self.member, played or "verdict")
        if played is None:
            told = sound(question, self._inner)
            return replace(
                answer, winner=told, evidence=("a quote", ""), instructions_found=False, justification="Why."
            )
        return answer


def is_canary(question: Question) -> bool:
    """Whether a question has a known answer."""
    return question.first_id.startswith(("canary ", "beside "))


def sound(question: Question, inner: Judge) -> Any:
    """Who wins; a canary never does."""
    if is_canary(question):
        return "second" if question.first_id.startswith("canary ") else "first"
    return inner.ask([question])[0].winner


def answered(question: Question, member: str, kind: AnswerKind, cost: float | None = COST) -> Answer:
    """An answer of this kind, with a call behind it."""
    call = Call(
        "model-1", f"provider-{question.call_id}", "hash", "stop", 100, 0, 20, 0, cost, "a price", 5, 1, "the text"
    )
    winner = "first" if kind == "verdict" else None
    detail = "" if kind == "verdict" else f"it was {kind}"
    return Answer(question.request_id, kind, winner, False, member, "metered", "model-1", detail=detail, call=call,
                  cost=cost or 0.0)  # fmt: skip


def asker_of(system: System, clock: Any, judge: Any) -> Asker:
    """Another asker over the same database, whose judge this is."""
    return Asker(system.database, system.texts, lambda name, digest: judge, Verdicts(system.database, clock), clock)


def put(system: System, judge: Any) -> None:
    """Let the system's own asker have this judge, whatever a batch names."""
    system.asker._judge_factory = lambda name, digest: judge
