"""The scores of one batch as they are stored and published: computed once from the verdicts before the cut-off.

Deterministic: the same verdicts and the same program give the same numbers, to the last bit on one platform (G14).
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import numpy as np

import pairmark
from pairmark.events.catalogue import EssayResult
from pairmark.services.assessment.batches import Batch
from pairmark.services.assessment.evidence import Evidence
from pairmark.storage.connection import Tx, execute

if TYPE_CHECKING:
    from pairmark.stats.bradley_terry import Fit

INSERT_RESULT = """
INSERT INTO result (batch_id, reliability, ssr, prior_sd, input_digest, metadata) VALUES (%s, %s, %s, %s, %s, %s::jsonb)
"""
INSERT_SCORES = """
INSERT INTO score (batch_id, ordinal, rank, theta, standard_error, normalized_score, comparisons, wins)
SELECT %s, o, r, t, s, n, c, w FROM unnest(%s::int[], %s::int[], %s::float8[], %s::float8[], %s::float8[], %s::int[], %s::float8[])
    AS x (o, r, t, s, n, c, w)
"""


@dataclass(frozen=True)
class Scores:
    """Columns in the order of the essays' ordinals, and the figures of the whole scale."""

    ordinals: list[int]
    essay_ids: list[str]
    rank: list[int]
    theta: list[float]
    standard_error: list[float]
    normalized: list[float]
    comparisons: list[int]
    wins: list[float]
    reliability: float | None
    ssr: float | None
    prior_sd: float | None
    input_digest: str
    metadata: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of_single(cls, essay_ids: list[str]) -> "Scores":
        """Nothing to compare: the essays are named, not scored."""
        return cls([], essay_ids, [], [], [], [], [], [], None, None, None, "", {"note": "fewer than two essays"})

    def store(self, tx: Tx, batch_id: UUID) -> None:
        """Write result and scores, once."""
        metadata = msgspec.json.encode(self.metadata).decode()
        execute(tx, INSERT_RESULT, [batch_id, self.reliability, self.ssr, self.prior_sd, self.input_digest, metadata])
        columns = [
            self.ordinals,
            self.rank,
            self.theta,
            self.standard_error,
            self.normalized,
            self.comparisons,
            self.wins,
        ]
        execute(tx, INSERT_SCORES, [batch_id, *columns])

    def essay_results(self) -> list[EssayResult]:
        """Rows of the rich result, best first; no letter grades without a scale."""
        rows = zip(self.essay_ids, self.rank, self.theta, self.standard_error, self.normalized, strict=False)
        prior = self.prior_sd or 1.0
        return [
            EssayResult(
                essay_id=essay_id,
                normalized_score=normalized,
                letter_grade=None,
                confidence_score=_confidence(error, prior),
                confidence_label=_label(_confidence(error, prior)),
                bt_score=theta,
                rank=rank,
            )
            for essay_id, rank, theta, error, normalized in sorted(rows, key=lambda row: row[1])
        ]


def score(batch: Batch, evidence: Evidence) -> Scores:
    """Fit the verdicts. Raises `StatsError` (a `ValueError`) when they cannot carry one scale."""
    from pairmark.stats.reliability import empirical_bayes, ssr  # noqa: PLC0415 - start-up time

    result = evidence.fitted
    theta = result.theta
    span = float(theta.max() - theta.min())
    normalized = (theta - theta.min()) / span if span > 0 else np.full(len(theta), 0.5)
    reliability = empirical_bayes(result)
    return Scores(
        ordinals=evidence.ordinals.tolist(),
        essay_ids=evidence.essay_ids,
        rank=[int(rank) for rank in result.ranks()],
        theta=theta.tolist(),
        standard_error=result.standard_error.tolist(),
        normalized=np.clip(normalized, 0.0, 1.0).tolist(),
        comparisons=[int(count) for count in result.appearances],
        wins=[float(wins) for wins in result.wins],
        reliability=reliability,
        ssr=ssr(theta, result.standard_error),
        prior_sd=result.prior_sd,
        input_digest=evidence.digest,
        metadata={
            "reliability": reliability,
            "reliability_method": "empirical-bayes",
            "seed": batch.design.seed,
            "input_digest": evidence.digest,
            "pairmark": pairmark.__version__,
        }
        | _order_effects(result),
    )


def _order_effects(result: "Fit") -> dict[str, Any]:
    """How far each judge is swayed by the order, in logits for the text shown first, with its standard error."""
    effects, errors = result.order_effects, result.order_effects_se
    if effects is None or errors is None:
        return {}
    told = zip(result.comparisons.judges, effects.tolist(), errors.tolist(), strict=True)
    return {"order_effects": {judge: [effect, error] for judge, effect, error in told}}


def _confidence(standard_error: float, prior_sd: float) -> float:
    """Share of the spread that is not error, per essay: 1 is certain, 0 knows nothing."""
    return float(min(max(1.0 - (standard_error / prior_sd) ** 2, 0.0), 1.0)) if prior_sd > 0 else 0.0


def _label(confidence: float) -> str:
    return "HIGH" if confidence >= 0.8 else "MID" if confidence >= 0.6 else "LOW"
