"""What an assessment says when it is over: the one model from which JSON, CSV, HTML and the terminal are rendered.

Rendering never computes: every number shown anywhere stands here.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

from pairmark.domain.judged import Cost, HumanAgreement, JudgeSummary, Surface
from pairmark.domain.length import LengthDependence

__all__ = ["Agreement", "AssessmentResult", "EssayScore", "HeldText", "JudgeSummary", "WaveProgress"]


@dataclass(frozen=True)
class EssayScore:
    """One essay's place on the scale; theta and errors in logits, theta centred on 0."""

    essay_id: str
    rank: int
    theta: float
    standard_error: float
    ci_low: float
    ci_high: float
    comparisons: int
    normalized_score: float
    wins: float
    words: int


@dataclass(frozen=True)
class WaveProgress:
    """State of the scale after a wave; `largest_change` is the largest move of any theta, in logits."""

    wave: int
    comparisons: int
    reliability: float | None
    largest_change: float | None


@dataclass(frozen=True)
class Agreement:
    """Rank agreement with a score column that came with the texts; positive means the same order."""

    column: str
    spearman: float
    smaller_is_better: bool


@dataclass(frozen=True)
class HeldText:
    """A place in a text that a person should look at. `end` None: somewhere in the text. `ranked`: people's verdicts ranked it."""

    essay_id: str
    source: str
    kind: str
    start: int
    end: int | None
    excerpt: str
    reason: str
    ranked: bool
    cleared_by: str | None


@dataclass(frozen=True)
class AssessmentResult:
    """Everything Pairmark can say about one batch. `essays` is empty unless `status` is a COMPLETE_* one."""

    batch_id: str
    entity_id: str
    name: str
    status: str
    stop_reason: str
    error: str | None
    essays: list[EssayScore]
    reliability: dict[str, Any]
    ssr: float | None
    comparisons: int
    waves: int
    comparisons_per_essay: float
    convergence: list[WaveProgress]
    judges: list[JudgeSummary]
    services: dict[str, Any]
    events: dict[str, int]
    credits: dict[str, Any]
    self_check: dict[str, Any]
    provenance: dict[str, Any]
    identical_texts: list[list[str]] = field(default_factory=list)
    agreement: Agreement | None = None
    warnings: list[str] = field(default_factory=list)
    baseline: bool = False
    length: LengthDependence | None = None
    held: list[HeldText] = field(default_factory=list)
    cost: Cost | None = None
    humans: HumanAgreement | None = None
    surface: Surface | None = None

    def as_dict(self) -> dict[str, Any]:
        """The result as plain JSON types, in the order of `results.json`."""
        return asdict(self)
