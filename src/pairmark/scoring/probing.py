"""One pair put to one judge, to see whether it can be had and answers as it should; nothing is stored."""

from dataclasses import asdict, dataclass
from typing import Any
from uuid import uuid4

from pairmark.judges.question import Answer, Judge, Question
from pairmark.judges.spec import JudgeSpec, build_judge

BETTER = """\
Our school should open its library on Saturdays. Many pupils share a room at home and have nowhere quiet to read. Last spring \
the library was open for four Saturdays as a trial, and on each of them more than thirty pupils came. It would cost a little: \
someone must be paid to look after it. But the town already heats the building at weekends for the choir, so the largest cost \
is there anyway. A quiet place to work is worth more to us than the small sum it takes."""
WORSE = """\
Library is good. It should be open more because it is good and books are good. I think it is important. Many people think \
so to. In conclusion the library is good and should be open more because it is good."""
"""Two texts of our own on one subject; every reader prefers the first."""


@dataclass(frozen=True)
class Probe:
    """What came of the pair. `works`: there was a valid verdict; `sensible`: it named the text that every reader prefers."""

    judge: str
    works: bool
    sensible: bool
    kind: str
    detail: str
    model: str
    provider: str
    reason: str
    seconds: float | None
    input_tokens: int | None
    output_tokens: int | None
    cost: float | None
    price: str
    requests: int | None
    instructions_found: bool | None
    evidence: tuple[str, str]

    def as_dict(self) -> dict[str, Any]:
        """The probe as plain JSON types."""
        return asdict(self)


def probe(spec: JudgeSpec) -> Probe:
    """Ask. Raises `BadRequest` for a name, an address or a key that cannot be right, and `JudgeUnable` where nobody answers."""
    judge: Judge = build_judge(spec)
    judge.check(["better", "worse"])
    getattr(judge, "check_access", lambda: None)()
    question = Question("1", "better", "worse", BETTER, WORSE, repeat=0, attempt=1, call_id=str(uuid4()))
    try:
        return _told(spec, judge.ask([question])[0])
    finally:
        getattr(judge, "close", lambda: None)()


def _told(spec: JudgeSpec, answer: Answer) -> Probe:
    call = answer.call
    return Probe(
        judge=spec.label,
        works=answer.kind == "verdict",
        sensible=answer.winner == "first",
        kind=answer.kind,
        detail=answer.detail,
        model=answer.model,
        provider=answer.provider,
        reason=answer.justification,
        seconds=answer.response_time_ms / 1000 if answer.response_time_ms else None,
        input_tokens=call.input_tokens if call else None,
        output_tokens=call.output_tokens if call else None,
        cost=call.cost if call else 0.0,
        price=call.price if call else "",
        requests=call.attempts if call else None,
        instructions_found=answer.instructions_found,
        evidence=answer.evidence,
    )
