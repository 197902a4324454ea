"""How often judges name the same winner for the same pair, whichever text was shown first.

Agreement says that judges see the same, not that they see what is there. Intervals treat pairs as independent of each other;
ties say nothing here and are left out.
"""

from dataclasses import dataclass

import numpy as np

from pairmark.stats.arrays import Flags, Floats, Ints, counted, summed
from pairmark.stats.comparisons import Comparisons
from pairmark.stats.shares import Share, decided, pair_codes, share


@dataclass(frozen=True)
class _Votes:
    """Per pair, codes ascending: how many decisions, and how many of them for the text of the lower number."""

    code: Ints
    count: Ints
    lower: Floats


def agreement(data: Comparisons, some: Flags, others: Flags) -> Share | None:
    """Chance that a decision of `some` and one of `others` about the same pair name the same winner.

    Every pair that both decided counts alike, however often; `some` and `others` say which comparisons are whose. None where they
    have no pair in common.

    Examples
    --------
    >>> import numpy as np
    >>> from pairmark.stats import comparisons
    >>> votes = [("anna", "bela", 1), ("bela", "cleo", 1), ("bela", "anna", 0), ("bela", "cleo", 0)]
    >>> mine = np.array([True, True, False, False])
    >>> agreement(comparisons(votes), mine, ~mine).value
    0.5
    """
    one, other = _votes(data, some), _votes(data, others)
    code, here, there = np.intersect1d(one.code, other.code, assume_unique=True, return_indices=True)
    p, q = one.lower[here] / one.count[here], other.lower[there] / other.count[there]
    return share(p * q + (1 - p) * (1 - q), code)


def agreement_within(data: Comparisons, among: Flags) -> Share | None:
    """Chance that two decisions `among` these about the same pair name the same winner, over pairs with two or more.

    It is how far anybody could agree with them who judges as one of them would.

    Examples
    --------
    >>> import numpy as np
    >>> from pairmark.stats import comparisons
    >>> votes = comparisons([("anna", "bela", 1), ("bela", "anna", 0), ("anna", "bela", 0)])
    >>> round(agreement_within(votes, np.ones(3, dtype=bool)).value, 3)
    0.333
    """
    seen = _votes(data, among)
    several = seen.count > 1
    n, k = seen.count[several], seen.lower[several]
    return share((k * (k - 1) + (n - k) * (n - k - 1)) / (n * (n - 1)), seen.code[several])


def _votes(data: Comparisons, among: Flags) -> _Votes:
    chosen = among & decided(data)
    lower_won = np.where(data.first < data.second, data.outcome, 1 - data.outcome)[chosen]
    code, place = np.unique(pair_codes(data)[chosen], return_inverse=True)
    return _Votes(code, counted(place, len(code)), summed(place, lower_won, len(code)))
