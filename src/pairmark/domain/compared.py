"""Several judges over the same pairs: what each decided, failed at, used and cost, and how far they agree with each other."""

from dataclasses import asdict, dataclass, field
from typing import Any

from pairmark.domain.judged import Proportion


@dataclass(frozen=True)
class Canary:
    """A question with a known answer, and what the judge made of it."""

    kind: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True)
class ComparedJudge:
    """One judge. Shares are None where there is nothing to tell from.

    `flips`: pairs answered in both orders whose winner changed; `longer`: decisions that went to the longer text; `humans`:
    agreement with people. Tokens are of calls that told them; `cost` in US dollars of those whose cost is known, `unpriced` how
    many others there were. `unable` says why the judge was asked no more, if it was not. `control`: not a judge, but counting
    words, shown in grey.
    """

    judge: str
    model: bool
    decisions: int
    failures: dict[str, int]
    first_seat: Proportion | None
    flips: Proportion | None
    longer: Proportion | None
    humans: Proportion | None
    median_seconds: float | None
    calls: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    unpriced: int = 0
    price: str = ""
    canaries: list[Canary] = field(default_factory=list)
    unable: str = ""
    control: bool = False


@dataclass(frozen=True)
class Between:
    """Agreement of two judges over the pairs that both decided, whichever text was shown first."""

    one: str
    other: str
    agreement: Proportion | None


@dataclass(frozen=True)
class JudgeComparison:
    """Everything that a comparison of judges says. `spent` in US dollars; `stopped` says why not all pairs were asked."""

    texts: int
    pairs: int
    seed: int
    judges: list[ComparedJudge]
    between: list[Between]
    among_humans: Proportion | None
    human_source: str
    human_judgements: int
    spent: float
    unpriced: int
    spend_limit: float | None
    stopped: str
    warnings: list[str]
    provenance: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """The comparison as plain JSON types."""
        return asdict(self)
