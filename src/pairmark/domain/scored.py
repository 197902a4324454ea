"""What `pairmark score` says about judgements collected elsewhere: the one model from which all its reports are rendered.

Rendering never computes: every number shown anywhere stands here.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

from pairmark.domain.length import LengthDependence
from pairmark.domain.result import WaveProgress


@dataclass(frozen=True)
class Misfit:
    """How surprising decisions were: infit and outfit, 1 being what the model expects.

    The bands hold 95 % of simulated values for the same pairs, `infit_p` and `outfit_p` the share of simulations at least as
    large; None where nothing was simulated. `above`: infit or outfit lies above its band, and above 1.
    """

    infit: float
    outfit: float
    infit_low: float | None = None
    infit_high: float | None = None
    infit_p: float | None = None
    outfit_low: float | None = None
    outfit_high: float | None = None
    outfit_p: float | None = None
    above: bool = False


@dataclass(frozen=True)
class OddComparison:
    """A comparison of the essay `essay_id`, which does not fit, that the scale did not expect.

    `chance`: how likely the scale held this outcome, which `times` judgements had, those of `judges` where the file names them.
    A tie has its texts in the order of their ids.
    """

    essay_id: str
    winner: str
    loser: str
    tie: bool
    times: int
    judges: list[str]
    chance: float


@dataclass(frozen=True)
class SplitHalf:
    """Correlation of the scores of two random halves: median and middle 95 % of `splits` splits."""

    over: str
    median: float
    low: float
    high: float
    splits: int


@dataclass(frozen=True)
class Course:
    """How the scale settled. `by`: "wave", or equal shares of the judgements in the order of their "time" or of the "file"."""

    by: str
    steps: list[WaveProgress]


@dataclass(frozen=True)
class ScoredEssay:
    """One essay's place on the scale; theta and errors in logits. Grades are None without anchors.

    From `rank_low` to `rank_high` lie 95 % of the ranks that fit the data. `grade` is the most probable one,
    `grade_probabilities` has one number per grade of the scale, lowest first; `review` marks an interval that crosses a
    boundary; `anchor_grade` is the known grade of an anchor.
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
    rank_low: int | None = None
    rank_high: int | None = None
    misfit: Misfit | None = None


@dataclass(frozen=True)
class JudgeWork:
    """What one judge did; None where there is nothing to tell from.

    `agreement`: share of decisions that went to the text the other judges score higher, `expected_agreement` what a judge like
    them would have reached on the same pairs. `first_seat_share` and `flip_rate` (how often two judgements of a pair, one in
    each order, name different winners; over `both_orders` pairs) need to know which text stood first. `finding` of the
    screening: consensus, random, dissenting or one seat; `finding_p`: how often a judge like the others looks as unlike them.
    """

    judge: str
    comparisons: int
    ties: int
    agreement: float | None
    first_seat_share: float | None
    median_seconds: float | None
    expected_agreement: float | None = None
    both_orders: int = 0
    flip_rate: float | None = None
    finding: str | None = None
    finding_p: float | None = None
    misfit: Misfit | None = None


@dataclass(frozen=True)
class Boundary:
    """A boundary between two neighbouring grades: its place among the scores in logits, and the 95 % interval of its true place.

    `low` and `high` are None where the judgements do not tell the size of the scale.
    """

    below: str
    above: str
    theta: float
    low: float | None
    high: float | None
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
    split_half: SplitHalf | None = None
    convergence: Course | None = None
    odd: list[OddComparison] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The result as plain JSON types, in the order of `results.json`."""
        return asdict(self)
