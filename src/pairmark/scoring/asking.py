"""Putting the same questions to several judges at once, within a spend limit, without a database.

Every call is kept with its answer; nothing is asked a second time. What the answers say is computed in `comparing`.
"""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from pairmark.judges.question import Answer, Judge, JudgeUnable, Question
from pairmark.scoring.spending import Allowance, at_most

MOST_IN_FLIGHT = 64
OF_CALL = (
    "provider_request_id", "prompt_hash", "finish", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens",
    "cost", "price", "attempts", "answer",
)  # fmt: skip
AT_ONCE = 16
"""Questions in flight for a judge that does not say how many it takes."""


@dataclass(frozen=True)
class Asked:
    """A question that was put to a judge, by its place among the judges, and the answer."""

    judge: int
    question: Question
    answer: Answer


@dataclass
class Answers:
    """What came back; `unable` says of judges, by their place, why they could not be asked any more."""

    asked: list[Asked] = field(default_factory=list)
    unable: dict[int, str] = field(default_factory=dict)


def ask(
    judges: Sequence[Judge],
    questions: Sequence[Question],
    allowance: Allowance,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Answers:
    """Put every question to every judge. `tell` hears how many of how many were answered.

    Each judge that is called over a network gets its first question before any gets a second, so that a wrong key costs
    nothing but itself. Raises `JudgeUnable` when a judge cannot answer even that.
    """
    answers, total = Answers(), len(judges) * len(questions)
    called = [place for place, judge in enumerate(judges) if not judge.in_sets]
    for place, judge in enumerate(judges):
        if judge.in_sets:
            answers.asked += [
                Asked(place, question, answer) for question, answer in zip(questions, judge.ask(questions), strict=True)
            ]
    for place in called if questions else ():
        most = at_most(judges[place], questions[0]) or 0.0
        if not allowance.set_aside(most):
            allowance.reached = True
            break
        answers.asked.append(Asked(place, questions[0], _put(judges[place], questions[0], allowance, most)))
    tell(len(answers.asked), total)
    if not allowance.reached:
        _ask_the_rest(judges, called, questions[1:], allowance, answers, lambda: tell(len(answers.asked), total))
    return answers


def _ask_the_rest(
    judges: Sequence[Judge],
    called: Sequence[int],
    questions: Sequence[Question],
    allowance: Allowance,
    answers: Answers,
    tell: Callable[[], None],
) -> None:
    """Keep as many questions in flight as each judge takes and the limit allows, until nothing more can be asked."""
    waiting = {place: deque(questions) for place in called}
    room = {place: min(getattr(judges[place], "concurrency", AT_ONCE), MOST_IN_FLIGHT) for place in called}
    flying: dict[Future[Answer], tuple[int, Question]] = {}
    with ThreadPoolExecutor(max(1, sum(room.values())), thread_name_prefix="pairmark-compare") as pool:
        while True:
            for place, left in waiting.items():
                while left and room[place] > 0:
                    most = at_most(judges[place], left[0]) or 0.0
                    if not allowance.set_aside(most):
                        break
                    question = left.popleft()
                    room[place] -= 1
                    flying[pool.submit(_put, judges[place], question, allowance, most)] = place, question
            if not flying:
                allowance.reached = any(waiting.values())
                return
            done, _ = wait(flying, return_when=FIRST_COMPLETED)
            for future in done:
                place, question = flying.pop(future)
                room[place] += 1
                if not _taken(future, place, question, answers):
                    waiting[place].clear()
            tell()


def _taken(future: "Future[Answer]", place: int, question: Question, answers: Answers) -> bool:
    """Keep an answer; False where the judge cannot be asked any more."""
    try:
        answers.asked.append(Asked(place, question, future.result()))
    except JudgeUnable as unable:
        answers.unable.setdefault(place, str(unable))
        return False
    return True


def _put(judge: Judge, question: Question, allowance: Allowance, most: float) -> Answer:
    """The answer to a question for which `most` was set aside."""
    cost: float | None = 0.0
    try:
        answer = judge.ask([replace(question, call_id=str(uuid4()))])[0]
        cost = answer.call.cost if answer.call is not None else answer.cost
    finally:
        allowance.settle(most, cost)
    return answer


def row_of(one: Asked) -> dict[str, Any]:
    """A question with its answer and its call, as a plain row; what is not known is None."""
    answer, call = one.answer, one.answer.call
    won = {"first": one.question.first_id, "second": one.question.second_id, "tie": "tie"}.get(answer.winner or "")
    return {
        "question": one.question.request_id, "first": one.question.first_id, "second": one.question.second_id,
        "kind": answer.kind, "winner": won, "swapped": answer.swapped, "detail": answer.detail,
        "provider": answer.provider, "model": answer.model, "reason": answer.justification,
        "evidence_first": answer.evidence[0], "evidence_second": answer.evidence[1],
        "instructions_found": answer.instructions_found, "response_time_ms": answer.response_time_ms or None,
    } | {name: getattr(call, name) if call else None for name in OF_CALL}  # fmt: skip
