"""Shares of decisions with intervals that know that decisions about one pair go together.

Two answers about the same two texts are alike for a reason that no further answer would change, so they tell less than two
about different pairs. What the shares are of is in `agreement` and `seats`.
"""

import math
from dataclasses import dataclass

import numpy as np

from pairmark.stats.arrays import Flags, Floats, Ints, counted, summed
from pairmark.stats.comparisons import Comparisons

Z95 = 1.959963984540054


@dataclass(frozen=True)
class Share:
    """A share with its 95 % interval: of how many decisions (or pairs) in how many clusters."""

    value: float
    low: float
    high: float
    decisions: int
    clusters: int


def share(values: Floats, cluster: Ints) -> Share | None:
    """Mean of values from 0 to 1 with Wilson's interval (1927), for as many decisions as the clusters are worth.

    That number is p (1 - p) over the variance between clusters (Korn & Graubard 1998), from the number of clusters up to that
    of decisions where all clusters agree or differ less than chance would have it. None without values.

    Examples
    --------
    >>> import numpy as np
    >>> found = share(np.array([1.0, 1.0, 1.0, 0.0]), np.array([0, 1, 2, 3]))
    >>> found.value, round(found.low, 3), round(found.high, 3)
    (0.75, 0.301, 0.954)
    """
    total = len(values)
    if total == 0:
        return None
    p, place = float(np.mean(values)), np.unique(cluster, return_inverse=True)[1]
    clusters = int(place.max()) + 1
    worth = _worth(values, place, p, clusters)
    spread = Z95**2 / worth
    middle = (p + spread / 2) / (1 + spread)
    reach = math.sqrt(p * (1 - p) * spread + spread**2 / 4) / (1 + spread)
    return Share(p, max(0.0, middle - reach), min(1.0, middle + reach), total, clusters)


def pair_codes(data: Comparisons) -> Ints:
    """A number for each comparison that is the same for the same two texts, whichever was shown first."""
    return np.asarray(np.minimum(data.first, data.second) * len(data.items) + np.maximum(data.first, data.second))


def decided(data: Comparisons) -> Flags:
    """Which comparisons count and were no ties."""
    return np.asarray((data.outcome != 0.5) & (data.weight > 0))


def _worth(values: Floats, place: Ints, p: float, clusters: int) -> float:
    """How many independent decisions would tell as much."""
    beyond = summed(place, values, clusters) - p * counted(place, clusters)
    variance = float(beyond @ beyond) / len(values) ** 2
    if variance == 0:
        return float(clusters)
    return min(max(p * (1 - p) / variance, 1.0), float(len(values)))
