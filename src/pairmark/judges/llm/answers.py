"""From what a model said, or failed to say, to the answer that services record; the same for single calls and jobs."""

from pairmark.judges.llm.config import LlmConfig
from pairmark.judges.llm.sending import NoAnswer
from pairmark.judges.llm.verdict import Verdict
from pairmark.judges.question import Answer, Call, Question


def answer_to(question: Question, config: LlmConfig, told: Verdict | NoAnswer, call: Call | None) -> Answer:
    """The answer to a question by the model of this configuration."""
    verdict = told if isinstance(told, Verdict) else None
    return Answer(
        request_id=question.request_id,
        kind=told.kind if isinstance(told, NoAnswer) else "verdict",
        winner=None if verdict is None else "first" if verdict.better == 1 else "second",
        swapped=False,
        judge=config.name,
        provider=config.provider,
        model=call.model if call else config.model,
        justification=verdict.reason if verdict else "",
        response_time_ms=call.latency_ms if call else 0,
        token_usage=_usage(call),
        cost=(call.cost or 0.0) if call else 0.0,
        detail=told.detail if isinstance(told, NoAnswer) else "",
        call=call,
        evidence=verdict.evidence if verdict else ("", ""),
        instructions_found=verdict.instructions_found if verdict else None,
    )


def _usage(call: Call | None) -> dict[str, int]:
    """The counts that are known, under the names of the callback contract."""
    if call is None:
        return {}
    counts = {
        "input": call.input_tokens,
        "cached": call.cached_tokens,
        "output": call.output_tokens,
        "reasoning": call.reasoning_tokens,
    }
    return {name: count for name, count in counts.items() if count is not None}
