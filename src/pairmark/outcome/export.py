"""Every judgement of a batch as rows for other programs, with what its call was and cost, a portion at a time."""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from pairmark.bootstrap import System
from pairmark.outcome.judgement import speaking
from pairmark.services.assessment import judgements
from pairmark.services.assessment.judgements import Judged
from pairmark.services.judging.queries import RecordedCall

COLUMNS = (
    "id", "comparison", "wave", "first", "second", "winner", "judge", "provider", "model", "kind", "counted", "reused",
    "recorded_at", "response_time_ms", "reason", "evidence_first", "evidence_second", "instructions_found", "calls",
    "call_id", "provider_request_id", "prompt_hash", "finish", "input_tokens", "cached_tokens", "output_tokens",
    "reasoning_tokens", "cost", "price", "answer",
)  # fmt: skip
"""`first` and `second` are the essays in the order shown, `winner` the essay that won (or tie), `cost` in US dollars."""


def rows(system: System, batch_id: UUID) -> Iterator[dict[str, Any]]:
    """One row per answer, in the order of the comparisons; what is not known is None."""
    for portion in judgements.every(system.database, batch_id):
        answered = [judged for judged in portion if judged.kind is not None]
        calls: dict[UUID, list[RecordedCall]] = {}
        for call in system.judging.calls(sorted({judged.id for judged in answered if not judged.reused})):
            calls.setdefault(call.request_id, []).append(call)
        for judged in answered:
            yield _row(judged, calls.get(judged.id, []))


def _row(judged: Judged, calls: Sequence[RecordedCall]) -> dict[str, Any]:
    call = speaking(calls)
    first, second = judged.shown
    told = {
        "id": str(judged.id), "comparison": judged.comparison, "wave": judged.wave, "first": first, "second": second,
        "winner": judged.won, "judge": judged.judge, "provider": judged.provider, "model": judged.model,
        "kind": judged.kind, "counted": judged.counted, "reused": judged.reused,
        "recorded_at": judged.recorded_at.isoformat() if judged.recorded_at else None,
        "response_time_ms": judged.response_time_ms or None, "reason": judged.justification, "calls": len(calls),
    }  # fmt: skip
    of_call = {} if call is None else {
        "evidence_first": call.evidence_1, "evidence_second": call.evidence_2,
        "instructions_found": call.instructions_found, "call_id": str(call.id),
        "provider_request_id": call.provider_request_id, "prompt_hash": call.prompt_hash, "finish": call.finish,
        "input_tokens": call.input_tokens, "cached_tokens": call.cached_tokens, "output_tokens": call.output_tokens,
        "reasoning_tokens": call.reasoning_tokens, "cost": call.cost, "price": call.price, "answer": call.answer,
    }  # fmt: skip
    return {column: (told | of_call).get(column) for column in COLUMNS}
