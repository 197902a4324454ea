"""Batch statuses, which moves between them are legal, and what each way to end is called.

The same table stands in the database as a trigger; a test compares the two.
"""

from enum import StrEnum


class Status(StrEnum):
    """Where a batch stands."""

    PENDING = "PENDING"
    FETCHING_CONTENT = "FETCHING_CONTENT"
    PERFORMING_COMPARISONS = "PERFORMING_COMPARISONS"
    SCORING = "SCORING"
    COMPLETE_STABLE = "COMPLETE_STABLE"
    COMPLETE_MAX_COMPARISONS = "COMPLETE_MAX_COMPARISONS"
    COMPLETE_FORCED_RECOVERY = "COMPLETE_FORCED_RECOVERY"
    COMPLETE_INSUFFICIENT_ESSAYS = "COMPLETE_INSUFFICIENT_ESSAYS"
    ERROR_PROCESSING = "ERROR_PROCESSING"
    ERROR_ESSAY_PROCESSING = "ERROR_ESSAY_PROCESSING"
    CANCELLED = "CANCELLED"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing may ever change any more."""
        return self in TERMINAL

    @property
    def is_complete(self) -> bool:
        """Whether the batch ended with a result (and is charged)."""
        return self in COMPLETE


class StopReason(StrEnum):
    """Why no more comparisons are asked; tells apart the ends that share a status."""

    RELIABILITY_REACHED = "reliability_reached"
    SCORES_STABLE = "scores_stable"
    BUDGET_SPENT = "budget_spent"
    NOTHING_LEFT_TO_ASK = "nothing_left_to_ask"
    FORCED_RECOVERY = "forced_recovery"
    INSUFFICIENT_ESSAYS = "insufficient_essays"
    INVALID_REQUEST = "invalid_request"
    CREDITS_REFUSED = "credits_refused"
    TEXTS_UNUSABLE = "texts_unusable"
    SUCCESS_RATE_BELOW_LIMIT = "success_rate_below_limit"
    DEADLINE_PASSED = "deadline_passed"
    SCORING_FAILED = "scoring_failed"
    CANCELLED = "cancelled"


COMPLETE = frozenset(
    {
        Status.COMPLETE_STABLE,
        Status.COMPLETE_MAX_COMPARISONS,
        Status.COMPLETE_FORCED_RECOVERY,
        Status.COMPLETE_INSUFFICIENT_ESSAYS,
    }
)
FAILED = frozenset({Status.ERROR_PROCESSING, Status.ERROR_ESSAY_PROCESSING, Status.CANCELLED})
TERMINAL = COMPLETE | FAILED

LEGAL_MOVES: dict[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.FETCHING_CONTENT, Status.ERROR_PROCESSING, Status.CANCELLED}),
    Status.FETCHING_CONTENT: frozenset(
        {
            Status.PERFORMING_COMPARISONS,
            Status.COMPLETE_INSUFFICIENT_ESSAYS,
            Status.ERROR_PROCESSING,
            Status.ERROR_ESSAY_PROCESSING,
            Status.CANCELLED,
        }
    ),
    Status.PERFORMING_COMPARISONS: frozenset({Status.SCORING, Status.ERROR_PROCESSING, Status.CANCELLED}),
    Status.SCORING: frozenset(
        {
            Status.COMPLETE_STABLE,
            Status.COMPLETE_MAX_COMPARISONS,
            Status.COMPLETE_FORCED_RECOVERY,
            Status.ERROR_PROCESSING,
            Status.CANCELLED,
        }
    ),
} | {status: frozenset() for status in TERMINAL}

STATUS_OF_STOP: dict[StopReason, Status] = {
    StopReason.RELIABILITY_REACHED: Status.COMPLETE_STABLE,
    StopReason.SCORES_STABLE: Status.COMPLETE_STABLE,
    StopReason.BUDGET_SPENT: Status.COMPLETE_MAX_COMPARISONS,
    StopReason.NOTHING_LEFT_TO_ASK: Status.COMPLETE_MAX_COMPARISONS,
    StopReason.FORCED_RECOVERY: Status.COMPLETE_FORCED_RECOVERY,
    StopReason.INSUFFICIENT_ESSAYS: Status.COMPLETE_INSUFFICIENT_ESSAYS,
    StopReason.INVALID_REQUEST: Status.ERROR_PROCESSING,
    StopReason.CREDITS_REFUSED: Status.ERROR_PROCESSING,
    StopReason.TEXTS_UNUSABLE: Status.ERROR_ESSAY_PROCESSING,
    StopReason.SUCCESS_RATE_BELOW_LIMIT: Status.ERROR_PROCESSING,
    StopReason.DEADLINE_PASSED: Status.ERROR_PROCESSING,
    StopReason.SCORING_FAILED: Status.ERROR_PROCESSING,
    StopReason.CANCELLED: Status.CANCELLED,
}
