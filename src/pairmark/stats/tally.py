"""Counts of comparisons per pair and per item, in an order that does not depend on the order of rows.

Checking rows is done before, in `comparisons`.
"""

from dataclasses import dataclass

import numpy as np

from pairmark.stats.arrays import Floats, Ints, summed


@dataclass(frozen=True)
class Tally:
    """Counts per pair of items in canonical order, shape (n_pairs,) each.

    `weight` is the total weight of comparisons of (`first`, `second`), `won` the part of it that `first` won, ties as
    half, and `tied` the part that was a tie. Pairs of weight 0 are left out.
    """

    first: Ints
    second: Ints
    won: Floats
    weight: Floats
    tied: Floats


def tally(n_items: int, first: Ints, second: Ints, outcome: Floats, weight: Floats) -> Tally:
    """Sum per ordered pair. Rows are sorted by every column first, so that equal rows in any order give equal sums."""
    order = np.lexsort((weight, outcome, second, first))
    order = order[weight[order] > 0]
    code = first[order] * n_items + second[order]
    pair, place = np.unique(code, return_inverse=True)
    total = summed(place, weight[order], len(pair))
    won = summed(place, (weight * outcome)[order], len(pair))
    tied = summed(place, np.where(outcome == 0.5, weight, 0.0)[order], len(pair))
    return Tally(pair // n_items, pair % n_items, won, total, tied)


def unordered(n_items: int, first: Ints, second: Ints, outcome: Floats, weight: Floats) -> Tally:
    """Sum per unordered pair, with first < second as indices."""
    low, high = np.minimum(first, second), np.maximum(first, second)
    return tally(n_items, low, high, np.where(first > second, 1 - outcome, outcome), weight)


def per_item(n_items: int, counts: Tally, first_part: Floats, second_part: Floats) -> Floats:
    """Sum of `first_part` over the pairs an item is first in, plus `second_part` where it is second."""
    ends = np.concatenate([counts.first, counts.second])
    return summed(ends, np.concatenate([first_part, second_part]), n_items)
