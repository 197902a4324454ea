"""From a provider's response to an answer: whether it is a verdict, and what the call was and cost.

How the response was got is in `judge` and `sending`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pairmark.judges.llm.prices import Prices, Tokens
from pairmark.judges.llm.prompt import Prompt
from pairmark.judges.llm.provider import scrub
from pairmark.judges.llm.sending import NoAnswer
from pairmark.judges.llm.verdict import LONGEST_ANSWER, Invalid, Verdict, read_verdict, storable
from pairmark.judges.question import Call

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelResponse

LONGEST_NAME = 200
LONGEST_MILLISECONDS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Wire:
    """How a call went on the wire: requests, and milliseconds of the last one."""

    attempts: int
    latency_ms: int


def read_response(response: "ModelResponse", prompt: Prompt, *, strict: bool) -> Verdict | NoAnswer:
    """The verdict in a response, or why there is none; only an answer that ended by itself can hold one."""
    details = response.provider_details or {}
    finish = _finish(response)
    if details.get("refusal") or finish == "refusal":
        return NoAnswer("refused", f"the model refused: {_short(str(details.get('refusal') or 'without a reason'))}")
    if response.finish_reason == "length":
        return NoAnswer("truncated", f"the answer was cut off ({finish}); allow more output tokens")
    if response.finish_reason == "content_filter":
        return NoAnswer("blocked", f"the provider withheld the answer ({finish})")
    if response.finish_reason in ("error", "tool_call") or getattr(response, "state", "complete") != "complete":
        return NoAnswer("invalid", f"the answer did not end by itself ({finish})")
    verdict = read_verdict(answer_of(response), prompt.texts, strict=strict)
    return NoAnswer("invalid", verdict.why) if isinstance(verdict, Invalid) else verdict


def answer_of(response: "ModelResponse") -> str:
    """The text of the answer, without what the model thought before."""
    return "".join(part.content for part in response.parts if part.part_kind == "text")


def tokens_of(response: "ModelResponse") -> Tokens:
    """What the provider counted; no prompt has no tokens, so a count of 0 is none."""
    usage = response.usage
    if not usage.input_tokens:
        return Tokens()
    reasoning = usage.details.get("reasoning_tokens", usage.details.get("thoughts_tokens"))
    return Tokens(usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens, usage.output_tokens, reasoning)


def call_of(response: "ModelResponse", prompt: Prompt, wire: Wire, prices: Prices, *, share: float = 1.0) -> Call:
    """What the call was and cost; `share` of the full price."""
    tokens = tokens_of(response)
    return Call(
        model=_short(response.model_name or ""),
        provider_request_id=_short(response.provider_response_id or ""),
        prompt_hash=prompt.hash,
        finish=_short(_finish(response)),
        input_tokens=tokens.input,
        cached_tokens=tokens.cached,
        output_tokens=tokens.output,
        reasoning_tokens=tokens.reasoning,
        cost=prices.cost(tokens, share=share),
        price=prices.row,
        latency_ms=min(wire.latency_ms, LONGEST_MILLISECONDS),
        attempts=wire.attempts,
        answer=scrub(storable(answer_of(response)[:LONGEST_ANSWER])),
    )


def call_without_response(model: str, ended: NoAnswer, prompt: Prompt, wire: Wire, prices: Prices) -> Call:
    """A call that brought nothing: it cost nothing only where that is sure."""
    return Call(
        model=model,
        provider_request_id="",
        prompt_hash=prompt.hash,
        finish="",
        input_tokens=None,
        cached_tokens=None,
        output_tokens=None,
        reasoning_tokens=None,
        cost=0.0 if ended.charged is False else None,
        price=prices.row,
        latency_ms=min(wire.latency_ms, LONGEST_MILLISECONDS),
        attempts=wire.attempts,
        answer="",
    )


def _finish(response: "ModelResponse") -> str:
    """The provider's own word for why the answer ended."""
    details = response.provider_details or {}
    return str(details.get("finish_reason") or details.get("block_reason") or response.finish_reason or "not said")


def _short(text: str) -> str:
    return scrub(storable(text))[:LONGEST_NAME]
