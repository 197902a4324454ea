"""What a fit says: a frozen result that answers later questions without computing the fit again.

How the numbers are estimated is in `bradley_terry`; reliability is in `reliability`, the fit of judges and essays in
`misfit`, judges in `judges`.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pairmark.stats.arrays import Floats, Ints
from pairmark.stats.canonical import sorted_items, with_sorted_items
from pairmark.stats.comparisons import Comparisons
from pairmark.stats.davidson import chances
from pairmark.stats.errors import StatsError, check_count
from pairmark.stats.solution import Solution
from pairmark.stats.spread import FULL_UP_TO

if TYPE_CHECKING:
    from pairmark.stats.judges import JudgeSummary
    from pairmark.stats.misfit import Misfit
    from pairmark.stats.next_pairs import NextPairs
    from pairmark.stats.reliability import Reliability
    from pairmark.stats.screening import Screening
    from pairmark.stats.split_half import SplitHalf
    from pairmark.stats.surprises import Surprises

Method = Literal["map", "ml", "sirt"]
TieRule = Literal["davidson", "half"]

SAME_SCORE = 1e-9  # logits; scores this close differ by rounding only
RANK_DRAWS = 2000
RANK_SEED = 4242


@dataclass(frozen=True)
class Estimated:
    """A number with its standard error and the ends of its interval."""

    value: float
    standard_error: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Fit:
    """Scores of a batch in logits, centred on 0, in the order of `items`.

    `prior_sd` is the SD of the normal prior (None without one). `comparisons` are the data. `solution` holds model and
    mode with items in sorted order, `place` the number of each item there; what needs the covariance is computed when it
    is asked for, once. Where an item is asked for, its number in `items` or its id will do.
    """

    items: tuple[str, ...]
    theta: Floats
    prior_sd: float | None
    method: Method
    comparisons: Comparisons
    solution: Solution
    place: Ints

    @property
    def log_likelihood(self) -> float:
        """Log likelihood of the scores, without prior."""
        return self.solution.log_likelihood

    @cached_property
    def wins(self) -> Floats:
        """Weighted wins of each item, ties as half."""
        return _read_only(self._sorted.wins[self.place])

    @cached_property
    def appearances(self) -> Floats:
        """Weighted comparisons of each item ("comparisons per essay" means these)."""
        return _read_only(self._sorted.appearances[self.place])

    @cached_property
    def _sorted(self) -> Comparisons:
        """The comparisons with their items sorted, so that sums have the same bits for items in any order."""
        order, place = sorted_items(self.items)
        return self.comparisons if order is None else with_sorted_items(self.comparisons, order, place)

    @cached_property
    def standard_error(self) -> Floats:
        """Standard error of each score from the full covariance, in logits; never 0. Shape (n_items,).

        Above `spread.FULL_UP_TO` items they come from draws, usually within 1 % (see `spread.Drawn`).
        """
        return _read_only(self.solution.errors[self.place])

    @cached_property
    def covariance(self) -> Floats:
        """Covariance of the scores under the sum-to-zero constraint, so rows sum to 0; shape (n_items, n_items).

        Method "sirt": only the item-by-item variances on its diagonal. Refused above `spread.FULL_UP_TO` items.
        """
        full = self.solution.matrix()
        in_order = np.array_equal(self.place, np.arange(len(self.place)))
        return _read_only(full if in_order else full[np.ix_(self.place, self.place)])

    @cached_property
    def mode_covariance(self) -> Floats:
        """Inverse of the information at the mode, prior included, under the sum-to-zero constraint; for those who take it
        apart again. `covariance` says how far scores may be off: under the method "map" it is larger.
        """
        return _read_only(self.solution.mode_matrix()[np.ix_(self.place, self.place)])

    def covariance_times(self, vector: Floats) -> Floats:
        """`covariance` times a vector of shape (n_items,), exact at any size."""
        in_order = np.empty(len(self.items))
        in_order[self.place] = vector
        return np.asarray(self.solution.times(in_order)[self.place])

    @property
    def mean_offset(self) -> Floats:
        """Posterior mean of each score minus the score: what the mode is drawn in by. Zeros without a prior."""
        return np.asarray(self.solution.offset[self.place])

    @property
    def order_effect(self) -> float | None:
        """Advantage in logits of the text shown first, over all judges alike; None if not asked for."""
        orders = self.order_effects
        return None if orders is None else float(orders.mean())

    @property
    def order_effect_se(self) -> float | None:
        """Standard error of `order_effect`."""
        return self.solution.mean_order_error() if self.solution.model.n_orders else None

    @property
    def order_effects(self) -> Floats | None:
        """The order effect of each judge, in the order of `comparisons.judges`; a single one if it is for all."""
        orders = self.solution.model.n_orders
        return _read_only(self.solution.extra[:orders]) if orders else None

    @property
    def order_effects_se(self) -> Floats | None:
        """Standard errors of `order_effects`."""
        n, orders = len(self.items), self.solution.model.n_orders
        return self.solution.errors[n : n + orders] if orders else None

    @property
    def tie_parameter(self) -> float | None:
        """Davidson's nu: two equal texts tie with chance nu / (2 + nu). None where ties are not modelled."""
        return math.exp(self.solution.extra[-1]) if self.solution.model.ties else None

    @property
    def log_tie_parameter_se(self) -> float | None:
        """Standard error of the logarithm of `tie_parameter`."""
        return float(self.solution.errors[-1]) if self.solution.model.ties else None

    def interval(self, level: float = 0.95) -> tuple[Floats, Floats]:
        """Lower and upper ends of the normal interval of each score that covers `level`."""
        reach = _reach(level) * self.standard_error
        return self.theta - reach, self.theta + reach

    def ranks(self) -> Ints:
        """Rank of each item, 1 = best. Scores equal up to rounding share the better rank (1, 2, 2, 4)."""
        order = np.argsort(-self.theta, kind="stable")
        falls = -np.diff(self.theta[order], prepend=self.theta[order[0]]) > SAME_SCORE
        falls[0] = True
        place = np.arange(1, len(order) + 1)
        ranks = np.empty(len(order), dtype=np.int64)
        ranks[order] = np.maximum.accumulate(np.where(falls, place, 0))
        return ranks

    def draws(self, count: int, seed: int = RANK_SEED) -> Floats:
        """Joint draws of all scores from their posterior, shape (count, n_items); the same for a seed.

        With up to 300 parameters they are a mixture of normal distributions over the SDs that the prior may have.
        """
        check_count(count, 0, "draws")
        return np.asarray(self.theta + self.solution.draws(count, seed)[: len(self.items), :].T[:, self.place])

    def rank_interval(self, level: float = 0.95, draws: int = RANK_DRAWS) -> tuple[Ints, Ints]:
        """Best and worst rank of each item that `level` of joint draws lie between; ranks as in `ranks`."""
        _reach(level)
        check_count(draws, 1, "draws")
        order = np.argsort(-self.draws(draws), axis=1)
        ranks = np.empty(order.shape, dtype=np.int64)
        np.put_along_axis(ranks, order, np.broadcast_to(np.arange(1, order.shape[1] + 1), order.shape), axis=1)
        tails = [(1 - level) / 2, (1 + level) / 2]
        best = np.quantile(ranks, tails[0], axis=0, method="lower")
        worst = np.quantile(ranks, tails[1], axis=0, method="higher")
        return best.astype(np.int64), worst.astype(np.int64)

    def index(self, item: int | str) -> int:
        """The number of an item in `items`, from its id or its number."""
        if isinstance(item, str):
            if item not in self._numbers:
                raise StatsError(f"{item!r} is not one of the {len(self.items)} items.")
            return self._numbers[item]
        if not isinstance(item, int | np.integer) or not 0 <= item < len(self.items):
            raise StatsError(f"There is no item number {item}; they count from 0 to {len(self.items) - 1}.")
        return int(item)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {item: number for number, item in enumerate(self.items)}

    def probability(self, first: int | str, second: int | str) -> float:
        """Probability that item `first` beats item `second`, if one of them wins; order effect aside."""
        first, second = self.index(first), self.index(second)
        return float(1 / (1 + np.exp(self.theta[second] - self.theta[first])))

    def difference_se(self, first: int | str, second: int | str) -> float:
        """Standard error of theta of item `first` minus theta of item `second`, exact at any size."""
        return self.solution.difference_error(int(self.place[self.index(first)]), int(self.place[self.index(second)]))

    def win_probability(self, first: int | str, second: int | str, level: float = 0.95) -> Estimated:
        """`probability` with its standard error (delta method) and interval (ends of the interval of the difference)."""
        reach = _reach(level)
        first, second = self.index(first), self.index(second)
        difference, error = float(self.theta[first] - self.theta[second]), self.difference_se(first, second)
        value, low, high = (1 / (1 + np.exp(-difference - k * error)) for k in (0.0, -reach, reach))
        return Estimated(float(value), float(value * (1 - value) * error), float(low), float(high))

    def outcome_chances(self, first: int | str, second: int | str) -> tuple[float, float, float]:
        """Chance that `first` wins, of a tie (0 where ties are not modelled), and that `second` wins; order aside."""
        first, second = self.index(first), self.index(second)
        log_nu = float(self.solution.extra[-1]) if self.solution.model.ties else None
        at = chances(np.array([self.theta[first] - self.theta[second]]), log_nu)
        return float(at.first[0]), 0.0 if at.tie is None else float(at.tie[0]), float(at.second[0])

    # What follows answers by modules that import this one, so each is imported when it is asked.

    def reliability(self) -> "Reliability":
        """The headline, both figures called SSR, and a warning if pairing looks adaptive."""
        from pairmark.stats.reliability import all_figures  # noqa: PLC0415

        return all_figures(self)

    def split_half(self, over: Literal["judges", "comparisons"], **options: Any) -> "SplitHalf":
        """How alike the scores of two random halves are; options as in `stats.split_half`."""
        from pairmark.stats.split_half import split_half  # noqa: PLC0415

        return split_half(self, over, **options)

    def essay_misfit(self, **options: Any) -> "Misfit":
        """Infit and outfit of each essay with simulated bands; options as in `stats.essay_misfit`."""
        from pairmark.stats.misfit import essay_misfit  # noqa: PLC0415

        return essay_misfit(self, **options)

    def judge_misfit(self, **options: Any) -> "Misfit":
        """Infit and outfit of each judge with simulated bands; options as in `stats.judge_misfit`."""
        from pairmark.stats.misfit import judge_misfit  # noqa: PLC0415

        return judge_misfit(self, **options)

    def surprises(self, count: int = 10, item: int | str | None = None) -> "Surprises":
        """The comparisons that the scale expected least, of all items or of one."""
        from pairmark.stats.surprises import surprises  # noqa: PLC0415

        return surprises(self, count, item)

    def judge_summary(self) -> "JudgeSummary":
        """What each judge did: agreement with the others, seats, flips, time."""
        from pairmark.stats.judges import judge_summary  # noqa: PLC0415

        return judge_summary(self)

    def screen(self, **options: Any) -> "Screening":
        """Judges who should be looked at; options as in `stats.screen`."""
        from pairmark.stats.screening import screen  # noqa: PLC0415

        return screen(self, **options)

    def next_pairs(self, size: int, **options: Any) -> "NextPairs":
        """The next wave, and who judges what; options as in `stats.next_pairs`."""
        from pairmark.stats.next_pairs import next_pairs  # noqa: PLC0415

        return next_pairs(self, size, **options)

    def to_dict(self, *, level: float = 0.95, rank_intervals: bool = False) -> dict[str, list[Any]]:
        """Plain columns, one entry per item in the order of `items`, as data frames of any library take them."""
        from pairmark.stats.display import plain  # noqa: PLC0415

        low, high = self.interval(level)
        columns: dict[str, Any] = {"item": self.items, "rank": self.ranks(), "theta": self.theta}
        columns |= {"standard_error": self.standard_error, "low": low, "high": high}
        columns |= {"comparisons": self.appearances, "wins": self.wins}
        if rank_intervals:
            columns["rank_low"], columns["rank_high"] = self.rank_interval(level)
        return {name: plain(column) for name, column in columns.items()}

    def __repr__(self) -> str:
        return f"<Fit of {self._told()}>"

    def _repr_html_(self) -> str:
        from pairmark.stats.display import html_table  # noqa: PLC0415

        if len(self.items) > FULL_UP_TO:  # errors would take their time
            columns = {"item": list(self.items), "rank": self.ranks().tolist(), "theta": self.theta.tolist()}
        else:
            columns = self.to_dict()
        best_first = np.argsort(-self.theta, kind="stable")
        return html_table({name: [column[k] for k in best_first] for name, column in columns.items()}, self._told())

    def _told(self) -> str:
        by = f" by {len(self.comparisons.judges):,} judges" if self.comparisons.judges else ""
        told = f"{len(self.items):,} items from {len(self.comparisons):,} comparisons{by}"
        spread = "" if self.prior_sd is None else f", prior SD {self.prior_sd:.2f}"
        return f"{told}, method {self.method}{spread}"


def _reach(level: float) -> float:
    """How many standard errors a normal interval that covers `level` reaches to each side."""
    if not 0 < level < 1:
        raise StatsError(f"The level of an interval lies between 0 and 1, not {level}.")
    return NormalDist().inv_cdf(0.5 + level / 2)


def _read_only(array: Floats) -> Floats:
    array.flags.writeable = False
    return array
