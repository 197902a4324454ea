"""Every event that Pairmark sends or receives: one class each, with its topic and the fields of the wire contract.

Unknown fields are ignored on reading, so that other services may add theirs. `design` and `request_metadata` carry our additions.
What comes from others may hold null wherever the contract does not need a value. The contract itself stands in `contract/`.
"""

from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

import msgspec

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]
"""An id of somebody else's making: the database can hold it and look it up."""
Text = Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*$")]
"""Text that the database can hold."""
Number = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Money = Annotated[float, msgspec.Meta(gt=0, le=1_000_000)]
"""US dollars."""


class Event(msgspec.Struct, kw_only=True, frozen=True):
    """Fields every event has. `timestamp` is when the fact became true."""

    topic: ClassVar[str] = ""
    aggregate_type: ClassVar[str] = "cj_batch"

    event_name: str = ""
    entity_id: str = ""
    entity_type: str = "batch"
    parent_id: str | None = None
    timestamp: datetime | None = None


class SystemMetadata(msgspec.Struct, kw_only=True, frozen=True):
    """Who, when, at which stage, on which event, and what went wrong."""

    entity_id: str = ""
    entity_type: str = "batch"
    parent_id: str | None = None
    timestamp: datetime | None = None
    processing_stage: str | None = None
    event: str | None = None
    error_info: dict[str, Any] = {}


class EssayRef(msgspec.Struct, kw_only=True, frozen=True):
    """A text by its storage id, or with the text itself (our extension), which is then used whatever the storage id says."""

    essay_id: Id
    text_storage_id: Id | None = None
    text: Text | None = None
    spellcheck_metrics: dict[str, Any] | None = None


class Design(msgspec.Struct, kw_only=True, frozen=True):
    """Our own part of a request: how the batch is to be judged. Defaults stand for requests of other services.

    `budget` is the most comparisons that may be sent; 0 means `comparisons_per_essay` times half the essays. `both_orders`
    concerns language models only. `spend_limit` is the most that judges may cost, in US dollars; it can be raised later, so it is
    no part of what makes a batch the same.
    """

    name: str = ""
    judge: str = ""
    judge_digest: str = ""
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 1
    budget: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)] = 0
    comparisons_per_essay: Number = 20
    target_reliability: Share | None = None
    stability_threshold: Annotated[float, msgspec.Meta(ge=0)] = 0.025
    pair_limit: Number = 4
    success_rate: Share = 0.8
    completion_threshold: Share = 1.0
    deadline_seconds: Annotated[float, msgspec.Meta(ge=1, le=31_622_400)] = 14_400.0
    baseline: bool = False
    both_orders: bool = True
    generation: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1
    spend_limit: Money | None = None


class AssessmentRequested(Event, kw_only=True, frozen=True):
    """Somebody wants a batch of texts ranked."""

    topic: ClassVar[str] = "huleedu.els.cj_assessment.requested.v1"

    system_metadata: SystemMetadata | None = SystemMetadata()
    essays_for_cj: list[EssayRef]
    language: str | None = "en"
    course_code: str | None = ""
    user_id: str | None = None
    org_id: str | None = None
    student_prompt_ref: dict[str, Any] | None = None
    llm_config_overrides: dict[str, Any] | None = None
    assignment_id: str | None = None
    design: Design = Design()


class Question(msgspec.Struct, array_like=True, frozen=True):
    """One comparison put to a judge: `first` is shown first. `repeat` counts earlier askings of this pair."""

    request_id: UUID
    first_id: str
    second_id: str
    first_text: str
    second_text: str
    repeat: int


class JudgingRequested(Event, kw_only=True, frozen=True):
    """At most 50 comparisons of one wave that want a verdict."""

    topic: ClassVar[str] = "pairmark.judging.requested.v1"

    cj_batch_id: str
    judge: str
    judge_digest: str = ""
    wave: int
    attempt: int
    questions: list[Question]
    spend_limit: Money | None = None


class ComparisonResult(Event, kw_only=True, frozen=True):
    """A judge's answer, as callback. Exactly one of `winner` and `error_detail` is set.

    `winner` is "Essay A", "Essay B" or, from judges who may tie, "Tie" (our extension). `request_metadata` echoes the request.
    """

    topic: ClassVar[str] = "huleedu.llm_provider.comparison_result.v1"

    request_id: str
    correlation_id: str | None = None
    winner: str | None = None
    error_detail: dict[str, Any] | str | None = None
    justification: str | None = None
    confidence: float | None = None
    provider: str | None = ""
    model: str | None = ""
    response_time_ms: int | None = 0
    token_usage: dict[str, Any] | None = {}
    cost_estimate: float | None = 0.0
    requested_at: datetime | None = None
    completed_at: datetime | None = None
    trace_id: str | None = None
    request_metadata: dict[str, Any] | None = {}


class ReserveRequested(Event, kw_only=True, frozen=True):
    """Credits for at most `quantity` comparisons are wanted before work starts."""

    topic: ClassVar[str] = "pairmark.credits.reserve.requested.v1"

    cj_assessment_job_id: str
    user_id: str
    org_id: str | None = None
    resource_type: str = "cj_comparison"
    quantity: int


class ReserveGranted(Event, kw_only=True, frozen=True):
    """The credits are set aside."""

    topic: ClassVar[str] = "pairmark.credits.reserve.granted.v1"

    cj_assessment_job_id: str
    quantity: int
    account_id: str


class ReserveRefused(Event, kw_only=True, frozen=True):
    """The credits are not there; `reason` is for people."""

    topic: ClassVar[str] = "pairmark.credits.reserve.refused.v1"

    cj_assessment_job_id: str
    quantity: int
    reason: str


class ProcessingSummary(msgspec.Struct, kw_only=True, frozen=True):
    """How many essays came through."""

    total_essays: int
    successful: int
    failed: int
    successful_essay_ids: list[str]
    failed_essay_ids: list[str]
    processing_time_seconds: float
    single_essay_batch: bool = False


class AssessmentCompleted(Event, kw_only=True, frozen=True):
    """The batch is ranked (thin event, to lifecycle)."""

    topic: ClassVar[str] = "huleedu.cj_assessment.completed.v1"

    status: str
    system_metadata: SystemMetadata
    cj_assessment_job_id: str
    processing_summary: ProcessingSummary


class AssessmentFailed(Event, kw_only=True, frozen=True):
    """The batch ended without a result; `status` says how."""

    topic: ClassVar[str] = "huleedu.cj_assessment.failed.v1"

    status: str
    system_metadata: SystemMetadata
    cj_assessment_job_id: str


class EssayResult(msgspec.Struct, kw_only=True, frozen=True):
    """One essay in the rich result; `letter_grade` is null without a grade scale."""

    essay_id: str
    normalized_score: float
    letter_grade: str | None
    confidence_score: float
    confidence_label: str
    bt_score: float
    rank: int
    is_anchor: bool = False
    feedback_uri: str | None = None
    metrics_uri: str | None = None
    display_name: str | None = None


class ResultPublished(Event, kw_only=True, frozen=True):
    """The ranking itself (rich event, to results)."""

    topic: ClassVar[str] = "huleedu.assessment.result.published.v1"

    batch_id: str
    cj_assessment_job_id: str
    assignment_id: str | None = None
    assessment_method: str = "cj_assessment"
    model_used: str = ""
    model_provider: str = ""
    model_version: str | None = None
    essay_results: list[EssayResult]
    assessment_metadata: dict[str, Any]
    assessed_at: datetime


class ResourceConsumed(Event, kw_only=True, frozen=True):
    """What the batch used, for billing; the quantity is the comparisons counted in the result."""

    topic: ClassVar[str] = "huleedu.resource.consumption.v1"

    user_id: str
    org_id: str | None = None
    resource_type: str = "cj_comparison"
    quantity: int
    service_name: str = "assessment"
    processing_id: str
    consumed_at: datetime


class PhaseOutcome(Event, kw_only=True, frozen=True):
    """Where lifecycle sees the batch now."""

    topic: ClassVar[str] = "huleedu.els.batch.phase.outcome.v1"
    aggregate_type: ClassVar[str] = "els_batch"

    batch_id: str
    phase_name: str = "cj_assessment"
    phase_status: str
    processed_essay_ids: list[str]
    failed_essay_ids: list[str]


EVENTS: tuple[type[Event], ...] = (
    AssessmentRequested,
    JudgingRequested,
    ComparisonResult,
    ReserveRequested,
    ReserveGranted,
    ReserveRefused,
    AssessmentCompleted,
    AssessmentFailed,
    ResultPublished,
    ResourceConsumed,
    PhaseOutcome,
)
BY_TOPIC: dict[str, type[Event]] = {kind.topic: kind for kind in EVENTS}
TERMINAL_COMPLETE = (AssessmentCompleted.topic, ResultPublished.topic, ResourceConsumed.topic)
TERMINAL_FAILED = (AssessmentFailed.topic,)
