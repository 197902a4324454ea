"""One judgement looked at closely: who judged what, when, on which prompt, with which answer and at what cost."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Prompted:
    """What a model was sent, built anew from the texts; `verified`: it has the hash that was written down before the call."""

    system: str
    texts: str
    hash: str
    verified: bool


@dataclass(frozen=True)
class CallTried:
    """One call that was made for a comparison. `kind` says how it ended: None is in flight, "lost" has no recorded end.

    `cost` in US dollars and token counts are None where nobody knows; `reused_from` names the earlier call whose answer was taken.
    """

    call_id: str
    judge: str
    model: str
    provider_request_id: str
    kind: str | None
    detail: str
    begun_at: str
    seconds: float | None
    wire_requests: int | None
    input_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    cost: float | None
    price: str
    finish: str
    prompt_hash: str
    recorded: bool
    reused_from: str | None = None


@dataclass(frozen=True)
class LookedUp:
    """A comparison and what came of it. `first` and `second` are the essays in the order shown; `winner` is an essay, or "tie".

    `prompt` and `answer` are there for language models; `why_no_prompt` says why there is no prompt where one is expected.
    """

    id: str
    batch_id: str
    batch_name: str
    comparison: int
    wave: int
    first: str
    second: str
    kind: str | None
    winner: str | None
    counted: bool
    judge: str
    provider: str
    model: str
    reason: str
    evidence_first: str
    evidence_second: str
    instructions_found: bool | None
    recorded_at: str
    seconds: float | None
    cost: float | None
    prompt: Prompted | None = None
    why_no_prompt: str = ""
    answer: str = ""
    calls: list[CallTried] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The judgement as plain JSON types."""
        return asdict(self)
