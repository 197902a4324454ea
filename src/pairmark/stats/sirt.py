"""Scores as R's `sirt::btm` publishes them: epsilon-adjusted wins and item-by-item standard errors.

For reproducing published numbers only: the standard errors ignore how errors of essays hang together and are too small
where pairs form chains. Written from the documented formulas and from published output, not from the program.

Source: Bertoli-Barsotti, Lando & Punzo (2014), "Estimating a Rasch model via fuzzy empirical probability functions":
an item with S wins in M comparisons counts as having won EPSILON + (1 - 2 EPSILON / M) S of them.
"""

import numpy as np

from pairmark.stats.arrays import Floats, summed
from pairmark.stats.comparisons import Comparisons
from pairmark.stats.errors import NotConvergedError

EPSILON = 0.3
PUBLISHED_TOLERANCE = 1e-4  # logits; where sirt itself stops by default
TOLERANCE = 1e-10
MAX_STEPS = 10_000
LARGEST_STEP = 2.0  # logits; keeps the first steps from a far start within reach


def iterate(data: Comparisons, start: Floats, tolerance: float = TOLERANCE) -> tuple[Floats, Floats]:
    """Theta (centred) and its standard error, each of shape (n_items,), in logits.

    Each round moves every item by (adjusted wins - expected wins) / information of the item alone and centres again,
    until no item moves more than `tolerance`. The standard errors are 1 / sqrt(information) at the last point but one,
    as in the published numbers. At `tolerance` = `PUBLISHED_TOLERANCE` results depend on `start` in the fifth decimal.
    """
    appearances = data.appearances
    wins = EPSILON + (1 - 2 * EPSILON / appearances) * data.wins
    theta = start - start.mean()
    for _ in range(MAX_STEPS):
        expected, information = _expected(data, theta)
        step = np.clip((wins - expected) / information, -LARGEST_STEP, LARGEST_STEP)
        moved = theta + step
        moved -= moved.mean()
        change = float(np.abs(moved - theta).max())
        theta = moved
        if change < tolerance:
            return theta, 1 / np.sqrt(information)
    raise NotConvergedError(f"The sirt-compatible scores did not settle within {MAX_STEPS} rounds.")


def _expected(data: Comparisons, theta: Floats) -> tuple[Floats, Floats]:
    """Expected wins and information of each item."""
    pairs, n = data.pairs, len(theta)
    probability = 1 / (1 + np.exp(theta[pairs.second] - theta[pairs.first]))
    information = pairs.weight * probability * (1 - probability)
    expected = summed(pairs.first, pairs.weight * probability, n)
    expected += summed(pairs.second, pairs.weight * (1 - probability), n)
    return expected, summed(pairs.first, information, n) + summed(pairs.second, information, n)
