"""What a fit says: a frozen result that answers later questions without computing the fit again.

How the numbers are estimated is in `bradley_terry`; reliability is in `reliability`.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np

from pairmark.stats.arrays import Floats, Ints
from pairmark.stats.comparisons import Comparisons
from pairmark.stats.errors import StatsError

Method = Literal["map", "ml", "sirt"]
TieRule = Literal["davidson", "half"]

SAME_SCORE = 1e-9  # logits; scores this close differ by rounding only


@dataclass(frozen=True, eq=False)
class Fit:
    """Scores of a batch in logits, centred on 0, in the order of `items`.

    `covariance` has shape (n_items, n_items): under the sum-to-zero constraint, so its rows sum to 0 (method "sirt": only
    the item-by-item variances on its diagonal). `standard_error` is the root of its diagonal. `prior_sd` is the SD of the normal
    prior (None without one). `order_effect` is the advantage in logits of the text shown first (None if not asked for).
    `tie_parameter` is Davidson's nu: two equal texts tie with chance nu / (2 + nu) (None where the data have no ties or ties
    were counted as half wins); the error is that of its logarithm. `log_likelihood` is without prior. `comparisons` are the data.
    """

    items: tuple[str, ...]
    theta: Floats
    covariance: Floats
    standard_error: Floats
    prior_sd: float | None
    order_effect: float | None
    order_effect_se: float | None
    log_likelihood: float
    method: Method
    comparisons: Comparisons
    tie_parameter: float | None = None
    log_tie_parameter_se: float | None = None

    @property
    def wins(self) -> Floats:
        """Weighted wins of each item, ties as half."""
        return self.comparisons.wins

    @property
    def appearances(self) -> Floats:
        """Weighted comparisons of each item ("comparisons per essay" means these)."""
        return self.comparisons.appearances

    def interval(self, level: float = 0.95) -> tuple[Floats, Floats]:
        """Lower and upper ends of the normal interval of each score that covers `level`."""
        if not 0 < level < 1:
            raise StatsError(f"The level of an interval lies between 0 and 1, not {level}.")
        reach = NormalDist().inv_cdf(0.5 + level / 2) * self.standard_error
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

    def probability(self, first: int, second: int) -> float:
        """Probability that item number `first` beats item number `second`, if it is no tie; order effect left aside."""
        return float(1 / (1 + np.exp(self.theta[second] - self.theta[first])))
