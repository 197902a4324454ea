"""What `pairmark score` says about judgements collected elsewhere: the one model from which all its reports are rendered.

Rendering never computes: every number shown anywhere stands here.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

from pairmark.domain.length import LengthDependence


@dataclass(frozen=True)
class ScoredEssay:
    """One essay's place on the scale; theta and errors in logits. Grades are None without anchors.

    `grade` is the most probable one, `grade_probabilities` has one number per grade of the scale, lowest first; `review`
    marks an interval that crosses a boundary; `anchor_grade` is the known grade of an anchor.
    """

    essay_id: str
    rank: int
    theta: float
    standard_error: float
    ci_low: float
    ci_high: float
    comparisons: float
    wins: float
    words: int | None = None
    grade: str | None = None
    grade_probability: float | None = None
    review: bool | None = None
    anchor_grade: str | None = None
    grade_probabilities: list[float] | None = None


@dataclass(frozen=True)
class JudgeWork:
    """What one judge did; `first_seat_share` is None where nobody knows which text stood first."""

    judge: str
    comparisons: int
    ties: int
    agreement: float | None
    first_seat_share: float | None
    median_seconds: float | None


@dataclass(frozen=True)
class Boundary:
    """A boundary between two neighbouring grades in logits, with its 95 % interval."""

    below: str
    above: str
    theta: float
    low: float
    high: float
    interpolated: bool


@dataclass(frozen=True)
class AnchorCheck:
    """An anchor against the others: `low` and `high` bound its band as the others alone would have it (None: open)."""

    essay_id: str
    grade: str
    theta: float
    low: float | None
    high: float | None
    distance: float
    p_value: float
    displaced: bool


@dataclass(frozen=True)
class GradeShare:
    """How many essays have a grade as the most probable one, and how many are expected to deserve it."""

    grade: str
    essays: int
    expected: float


@dataclass(frozen=True)
class Grades:
    """All about grades: the scale, its boundaries, the anchors, and the distribution over essays that are no anchors."""

    scale: str
    grades: list[str]
    boundaries: list[Boundary]
    anchors: list[AnchorCheck]
    distribution: list[GradeShare]
    review: int
    expected_accuracy: float | None


@dataclass(frozen=True)
class Link:
    """How this scale was moved onto an earlier one by the essays that both have."""

    earlier: str
    common: int
    shift: float
    standard_error: float
    drift_sd: float
    moved: list[str]


@dataclass(frozen=True)
class ScoreResult:
    """Everything that can be said about judgements collected elsewhere."""

    name: str
    source: dict[str, Any]
    method: str
    essays: list[ScoredEssay]
    reliability: dict[str, Any]
    ssr: float
    ssr_observed: float
    comparisons: int
    comparisons_per_essay: float
    ties: int
    order_effect: float | None
    order_effect_se: float | None
    judges: list[JudgeWork]
    provenance: dict[str, Any]
    grades: Grades | None = None
    length: LengthDependence | None = None
    link: Link | None = None
    warnings: list[str] = field(default_factory=list)
    baseline: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The result as plain JSON types, in the order of `results.json`."""
        return asdict(self)
