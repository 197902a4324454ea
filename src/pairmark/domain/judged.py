"""What a report says about judges: what they did and cost, how far they agree with people, and what counting words would do.

Numbers only; they are computed in `scoring`, and put into sentences in `report`.
"""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Proportion:
    """A share with its 95 % interval, over `decisions` (or pairs) in `pairs` clusters."""

    value: float
    low: float
    high: float
    decisions: int
    pairs: int


@dataclass(frozen=True)
class Correlation:
    """A rank correlation with its 95 % interval; 1 is the same order."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class CallsMade:
    """The calls a judge made that is asked over a network. `cost` in US dollars sums those whose cost is `known`.

    `failures`: calls without a verdict by the kind of their end; `lost`: calls without a recorded end, perhaps charged;
    `unpriced`: ended calls whose cost nobody knows; `reused`: verdicts taken from an earlier call with the same prompt, for
    nothing. `suspended` says why the judge is asked no more, if it is not.
    """

    calls: int
    verdicts: int
    failures: dict[str, int] = field(default_factory=dict)
    lost: int = 0
    unpriced: int = 0
    reused: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    canaries: int = 0
    canaries_failed: int = 0
    canaries_unanswered: int = 0
    suspended: str = ""


@dataclass(frozen=True)
class JudgeSummary:
    """What one judge did in this batch; None where there is nothing to tell from.

    `share` of all counted comparisons. `agreement`: share of decisions that went to the text the other judges score higher,
    `expected_agreement` what a judge like them would have reached. `flip_rate`: chance that two answers about one pair, one in
    each order, name different winners, over `both_orders` pairs. `order_effect`: advantage of the text shown first, in logits,
    as the fit has it. `model`: whether the judge is a language model; `human`: whether its verdicts are those of people.
    """

    judge: str
    comparisons: int
    first_seat_share: float
    ties: int
    median_seconds: float | None
    share: float | None = None
    agreement: float | None = None
    expected_agreement: float | None = None
    both_orders: int = 0
    flip_rate: float | None = None
    order_effect: float | None = None
    order_effect_se: float | None = None
    infit: float | None = None
    model: bool = False
    human: bool = False
    made: CallsMade | None = None


@dataclass(frozen=True)
class Surface:
    """What counting words would say: rank correlation of the scores with words and distinct words; the grey control.

    `longer_won`: share of the judges' decisions that went to the longer text.
    """

    words: Correlation | None
    distinct_words: Correlation | None
    longer_won: Proportion | None = None


@dataclass(frozen=True)
class HumanAgreement:
    """How far models agree with the judgements of people, taken from `source`, over the pairs that both decided.

    `models`: all models together; `by_judge`: each alone; `among_humans`: two people about one pair; `surface`: the longer
    text against people.
    """

    source: str
    judgements: int
    models: Proportion | None
    by_judge: dict[str, Proportion] = field(default_factory=dict)
    among_humans: Proportion | None = None
    surface: Proportion | None = None


@dataclass(frozen=True)
class Money:
    """What the calls of a batch have cost in US dollars, and may cost at most; `limit` None: there is none.

    `perhaps` is the most that ended calls may have cost of which nobody told the cost: timed out, cut off, or lost.
    """

    spent: float
    limit: float | None = None
    perhaps: float = 0.0


@dataclass(frozen=True)
class JobsOut:
    """What of a batch is with a provider's batch API: how many jobs, questions in them, and since when the oldest is there."""

    jobs: int
    questions: int
    since: datetime


@dataclass(frozen=True)
class Cost:
    """The money of a batch, and the calls it was for. `unpriced` ended calls and `lost` ones, which have no recorded end, may
    have cost something that nobody knows; `reused` verdicts were taken from earlier calls for nothing.
    """

    money: Money
    calls: int
    unpriced: int = 0
    lost: int = 0
    reused: int = 0
