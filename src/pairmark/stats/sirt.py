"""Scores as R's `sirt::btm` publishes them: epsilon-adjusted wins and item-by-item standard errors.

For reproducing published numbers only: the standard errors ignore how errors of essays hang together and are too small
where pairs form chains. Written from the documented formulas and from published output, not from the program: the steps and
where they begin were recovered by running them backwards from published scores (docs/decisions/0013).

Source: Bertoli-Barsotti, Lando & Punzo (2014), "Estimating a Rasch model via fuzzy empirical probability functions":
an item with S wins in M comparisons counts as having won EPSILON + (1 - 2 EPSILON / M) S of them.
"""

import numpy as np

from pairmark.stats.arrays import Floats, summed
from pairmark.stats.comparisons import Comparisons
from pairmark.stats.errors import NotConvergedError

EPSILON = 0.3
START_PADDING = 0.1  # added to the shares won and lost where the steps begin
TOLERANCE = 1e-4  # logits; where sirt stops by default (`conv`)
MAX_STEPS = 100  # and at the latest (`maxiter`)
LARGEST_STEP = 2.0  # logits; ours, so that nothing runs off. The largest step in published sessions is 0.75


def published(data: Comparisons) -> tuple[Floats, Floats]:
    """Theta (centred) and its standard error, each of shape (n_items,), in logits; a tie counts as half a win.

    From the logarithm of padded shares each round moves every item by (adjusted wins - expected wins) / information of the
    item alone, full steps and all items at once, and centres again, until no item moves more than `TOLERANCE`: some steps before
    the limit. The standard errors are 1 / sqrt(information) at the last point but one.

    Raises `NotConvergedError` where that is not reached, as in two items or in two sets that only meet each other.
    """
    wins = EPSILON + (1 - 2 * EPSILON / data.appearances) * data.wins
    share = wins / data.appearances
    theta = np.log((START_PADDING + share) / (START_PADDING + 1 - share))
    theta -= theta.mean()
    for _ in range(MAX_STEPS):
        expected, information = _expected(data, theta)
        step = np.clip((wins - expected) / information, -LARGEST_STEP, LARGEST_STEP)
        moved = theta + step
        moved -= moved.mean()
        change = float(np.abs(moved - theta).max())
        theta = moved
        if change < TOLERANCE:
            return theta, 1 / np.sqrt(information)
    raise NotConvergedError(
        f"The sirt-compatible scores did not settle within {MAX_STEPS} rounds, where sirt stops, too."
    )


def _expected(data: Comparisons, theta: Floats) -> tuple[Floats, Floats]:
    """Expected wins and information of each item."""
    pairs, n = data.pairs, len(theta)
    probability = 1 / (1 + np.exp(theta[pairs.second] - theta[pairs.first]))
    information = pairs.weight * probability * (1 - probability)
    expected = summed(pairs.first, pairs.weight * probability, n)
    expected += summed(pairs.second, pairs.weight * (1 - probability), n)
    return expected, summed(pairs.first, information, n) + summed(pairs.second, information, n)
