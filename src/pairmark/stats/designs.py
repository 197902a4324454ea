"""What a design needs before anyone spends it: comparisons, judges, hours and money, over simulated sessions.

One simulated session after the other is in `sessions`; asking and printing belong to the callers.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pairmark.stats.arrays import Floats
from pairmark.stats.errors import StatsError
from pairmark.stats.reliability import empirical_bayes
from pairmark.stats.rules import rule as rule_of
from pairmark.stats.sessions import run, simulated_judges
from pairmark.stats.simulation import true_scores
from pairmark.stats.threads import one_blas_thread

PER_WAVE = 2  # appearances of an essay per wave, as the service plans them
LEVEL = 0.90  # share of simulated sessions inside an interval


@dataclass(frozen=True)
class Design:
    """What is planned and what is assumed.

    `true_sd` of the essays in logits; `judge_noise`, 1 being what the model assumes; `random_share` of decisions that are coin
    tosses; `seconds` and `cost` of one comparison; `comparisons_per_judge`, the most one judge is asked; `most_per_essay`,
    where a session is given up.
    """

    essays: int
    target: float
    true_sd: float = 1.5
    judge_noise: float = 1.0
    random_share: float = 0.0
    seconds: float = 60.0
    cost: float = 0.0
    comparisons_per_judge: int = 100
    most_per_essay: int = 60

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated, with one sentence."""
        self._whole("essays", self.essays, 3, 1_000)
        self._within("target reliability", self.target, 0.05, 0.99)
        self._within("true SD", self.true_sd, 0.0, 10.0)
        self._within("judge noise", self.judge_noise, 0.1, 10.0)
        self._within("random share", self.random_share, 0.0, 0.9)
        self._within("seconds per comparison", self.seconds, 0.001, 86_400.0)
        self._within("cost per comparison", self.cost, 0.0, 1e6)
        self._whole("comparisons per judge", self.comparisons_per_judge, 1, 1_000_000)
        self._whole("most comparisons per essay", self.most_per_essay, 2, 200)

    def _within(self, what: str, value: float, low: float, high: float) -> None:
        if not (math.isfinite(value) and low <= value <= high):
            raise StatsError(f"The {what} must lie between {low:g} and {high:g}, not {value:g}.")

    def _whole(self, what: str, value: int, low: int, high: int) -> None:
        if not low <= value <= high:
            raise StatsError(f"The number of {what} must lie between {low:,} and {high:,}, not {value:,}.")


@dataclass(frozen=True)
class Range:
    """Median over the simulated sessions, and the ends between which `LEVEL` of them lie."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Need:
    """What a design needs under one pairing rule; the ranges are over the `reached` of `sessions` simulated sessions.

    `reliability` is the headline when the session stopped, `true_reliability` the squared correlation of scores with true
    scores there. Ranges are None if no session reached the target.
    """

    rule: str
    sessions: int
    reached: int
    comparisons: Range | None
    comparisons_per_essay: Range | None
    judges: Range | None
    hours: Range | None
    cost: Range | None
    reliability: Range | None
    true_reliability: Range | None


@dataclass(frozen=True)
class _Stop:
    comparisons: float
    reliability: float
    true_reliability: float


def need(design: Design, rule: str, seeds: Sequence[int], told: Callable[[int], None] | None = None) -> Need:
    """Simulate one session per seed until the headline reliability reaches the target.

    The number of comparisons is read off between the last wave below the target and the first one at it, on a straight
    line, so that it does not depend on the size of waves. `told` hears after each session how many are done.

    Examples
    --------
    >>> found = need(Design(essays=12, target=0.7), "adaptive", seeds=range(3))
    >>> found.reached, found.comparisons.low <= found.comparisons.median
    (3, True)
    """
    stops: list[_Stop] = []
    with one_blas_thread():
        for done, seed in enumerate(seeds, start=1):
            stop = _simulated(design, rule, seed)
            stops += [] if stop is None else [stop]
            if told is not None:
                told(done)
    if not stops:
        return Need(rule, len(seeds), 0, None, None, None, None, None, None, None)
    comparisons = np.ceil([stop.comparisons for stop in stops])
    return Need(
        rule=rule,
        sessions=len(seeds),
        reached=len(stops),
        comparisons=_range(comparisons),
        comparisons_per_essay=_range(2 * comparisons / design.essays),
        judges=_range(np.ceil(comparisons / design.comparisons_per_judge)),
        hours=_range(comparisons * design.seconds / 3600),
        cost=_range(comparisons * design.cost),
        reliability=_range(np.array([stop.reliability for stop in stops])),
        true_reliability=_range(np.array([stop.true_reliability for stop in stops])),
    )


def _simulated(design: Design, rule: str, seed: int) -> _Stop | None:
    """Where this session reaches the target; None if it does not within the limit or before all pairs are used up."""
    truth = true_scores(design.essays, design.true_sd, seed)
    items = [f"{k:04}" for k in range(design.essays)]
    answer = simulated_judges(truth, seed, judge_noise=design.judge_noise, random_share=design.random_share)
    sizes = [design.essays * PER_WAVE // 2] * (design.most_per_essay // PER_WAVE)
    asked, reliability = 0.0, 0.0
    for standing in run(items, rule_of(rule), answer, sizes=sizes, seed=seed):
        before, below = asked, reliability
        asked = float(len(standing.comparisons))
        if standing.fit is None:
            continue
        reliability = empirical_bayes(standing.fit)
        if reliability >= design.target:
            share = (design.target - below) / (reliability - below)
            return _Stop(before + share * (asked - before), reliability, _agreement(standing.fit.theta, truth))
    return None


def _agreement(theta: Floats, truth: Floats) -> float:
    """Squared correlation; 0 where either does not vary."""
    if np.ptp(theta) == 0 or np.ptp(truth) == 0:
        return 0.0
    return float(np.corrcoef(theta, truth)[0, 1] ** 2)


def _range(values: Floats) -> Range:
    low, median, high = np.quantile(values, [0.5 - LEVEL / 2, 0.5, 0.5 + LEVEL / 2])
    return Range(float(median), float(low), float(high))
