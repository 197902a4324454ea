"""The first wave of a batch that does not exist: the pairs that would be asked first, without any database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import numpy as np

from pairmark.domain.statuses import Status
from pairmark.events.catalogue import Design
from pairmark.judges.hostile import scan
from pairmark.services.assessment import waves
from pairmark.services.assessment.batches import Batch
from pairmark.services.assessment.intake import budget_of

NOBODY = UUID(int=0)


@dataclass(frozen=True)
class FirstWave:
    """How many comparisons would be sent at most, the first of them as first and second essay by ordinal and the repeat, and which
    essays would be held for review.
    """

    comparisons: int
    pairs: list[tuple[int, int, int]]
    held: list[int]


def first_wave(design: Design, texts: Sequence[str]) -> FirstWave:
    """The first pairs of the texts, which are in the order of their essays' ids; those that would be held are left out."""
    batch = _unborn(design, len(texts), budget_of(design, len(texts)))
    held = [ordinal for ordinal, text in enumerate(texts) if batch.asks_models and scan(text)]
    ranked = np.setdiff1d(np.arange(len(texts)), held)
    nothing = np.zeros(0, dtype=np.int64)
    plan = waves.plan(batch, (nothing, nothing), [], None, ranked) if len(ranked) > 1 else None
    rows = zip(plan.pairs.tolist(), plan.repeats.tolist(), strict=True) if plan is not None else ()
    return FirstWave(batch.budget, [(first, second, repeat) for (first, second), repeat in rows], held)


def _unborn(design: Design, essays: int, budget: int) -> Batch:
    """The batch as it would stand before its first wave."""
    return Batch(
        id=NOBODY, entity_id="", parent_id=None, generation=1, name=design.name, user_id="", org_id=None, assignment_id=None,
        correlation_id=NOBODY, design=design, status=Status.FETCHING_CONTENT, version=0, stop_reason=None, error=None,
        essays=essays, budget=budget, reused=0, sent=0, answered=0, counted=0, wave=0, reasks=0, due=False, deadline=None,
        created_at=datetime.min.replace(tzinfo=UTC), finished_at=None, overlap=0,
    )  # fmt: skip
