"""One judgement with everything that led to it, put together from what assessment and judging have recorded."""

from collections.abc import Sequence
from uuid import UUID

from pairmark.bootstrap import System
from pairmark.domain.looked_up import CallTried, LookedUp, Prompted
from pairmark.errors import BadRequest
from pairmark.judges.llm.config import LlmConfig
from pairmark.judges.question import Question
from pairmark.judges.spec import parse_judge
from pairmark.services.assessment import judgements
from pairmark.services.assessment.batches import Batch
from pairmark.services.assessment.judgements import Judged
from pairmark.services.judging.queries import RecordedCall

OTHER_VERSION = "it was asked by another version of Pairmark, whose prompt this one does not know"
TEXT_GONE = "the text store no longer has both texts"


def look_up(system: System, text: str) -> LookedUp:
    """The judgement of this id (or its beginning), or `BATCH/NUMBER` as in judgements.csv; raises `BadRequest` for none."""
    found = _found(system, text.strip())
    if not found:
        raise BadRequest(
            f"There is no judgement {text!r}.",
            remedy="Give the id of a comparison, or BATCH/NUMBER with a number from judgements.csv.",
        )
    if len({one.id for one in found}) > 1:
        named = ", ".join(sorted({str(one.id) for one in found})[:5])
        raise BadRequest(f"{text!r} fits several judgements: {named}.", remedy="Give more of the id.")
    batch = system.assessment.batch(found[0].batch_id)
    assert batch is not None
    return _put_together(system, batch, found[0], system.judging.calls([found[0].id]))


def _found(system: System, text: str) -> list[Judged]:
    name, slash, number = text.rpartition("/")
    if not slash:
        return judgements.look_up(system.database, text)
    if not number.isdecimal() or len(number) > 9:
        return []
    batches = system.assessment.find(name)
    if len(batches) > 1:
        raise BadRequest(f"{name!r} fits {len(batches)} batches.", remedy="Give more of the id.")
    return judgements.numbered(system.database, batches[0].id, int(number)) if batches else []


def _put_together(system: System, batch: Batch, judged: Judged, calls: Sequence[RecordedCall]) -> LookedUp:
    spoken = speaking(calls)
    prompt, why = _prompt(system, batch, judged, spoken) if spoken is not None else (None, "")
    first, second = judged.shown
    return LookedUp(
        id=str(judged.id),
        batch_id=str(judged.batch_id),
        batch_name=batch.name,
        comparison=judged.comparison,
        wave=judged.wave,
        first=first,
        second=second,
        kind=judged.kind,
        winner=judged.won,
        counted=judged.counted,
        judge=judged.judge,
        provider=judged.provider,
        model=judged.model,
        reason=judged.justification,
        evidence_first=spoken.evidence_1 if spoken else "",
        evidence_second=spoken.evidence_2 if spoken else "",
        instructions_found=spoken.instructions_found if spoken else None,
        recorded_at=judged.recorded_at.isoformat() if judged.recorded_at else "",
        seconds=judged.response_time_ms / 1000 if judged.response_time_ms else None,
        cost=spoken.cost if spoken else judged.cost,
        prompt=prompt,
        why_no_prompt=why,
        answer=spoken.answer if spoken else "",
        calls=[_tried(call) for call in calls],
    )


def speaking(calls: Sequence[RecordedCall]) -> RecordedCall | None:
    """The call whose answer was recorded, else the last one."""
    return next((call for call in calls if call.recorded), calls[-1] if calls else None)


def _prompt(system: System, batch: Batch, judged: Judged, call: RecordedCall) -> tuple[Prompted | None, str]:
    """The prompt built anew, and why there is none."""
    from pairmark.judges.llm.prompt import Prompts  # noqa: PLC0415 - only for models

    config = _config(batch, call)
    if config is None:
        return None, OTHER_VERSION
    keys = {judged.first: judged.first_text, judged.second: judged.second_text}
    bodies = system.texts.fetch(keys.values())
    first, second = (bodies.get(keys.get(essay, "")) for essay in (call.first_id, call.second_id))
    if first is None or second is None:
        return None, TEXT_GONE
    made = Prompts(config).of(Question("", call.first_id, call.second_id, first, second, repeat=0, attempt=1))
    return Prompted(made.system, made.first + made.second, made.hash, made.hash == call.prompt_hash), ""


def _config(batch: Batch, call: RecordedCall) -> LlmConfig | None:
    try:
        models = parse_judge(batch.design.judge).models
    except BadRequest:
        return None
    return next((config for config in models if config.digest == call.judge_digest), None)


def _tried(call: RecordedCall) -> CallTried:
    reused: UUID | None = call.cached_from
    return CallTried(
        call_id=str(call.id),
        judge=call.judge,
        model=call.model,
        provider_request_id=call.provider_request_id,
        kind=call.kind,
        detail=call.detail,
        begun_at=call.begun_at.isoformat(),
        seconds=call.latency_ms / 1000 if call.latency_ms is not None else None,
        wire_requests=call.wire_requests,
        input_tokens=call.input_tokens,
        cached_tokens=call.cached_tokens,
        output_tokens=call.output_tokens,
        reasoning_tokens=call.reasoning_tokens,
        cost=call.cost,
        price=call.price,
        finish=call.finish,
        prompt_hash=call.prompt_hash,
        recorded=call.recorded,
        reused_from=str(reused) if reused is not None else None,
    )
