"""Counts of comparisons per pair and per item, in an order that does not depend on the order of rows.

Checking rows is done before, in `comparisons`.
"""

from dataclasses import dataclass

import numpy as np

from pairmark.stats.arrays import Floats, Ints, summed

EXACT_UP_TO = 2.0**50  # sums of whole numbers below are exact in floating point, whatever their order


@dataclass(frozen=True)
class Tally:
    """Counts per pair of items in canonical order, shape (n_rows,) each.

    `weight` is the total weight of comparisons of (`first`, `second`) in the group `group`, `won` the part of it that
    `first` won, ties as half, and `tied` the part that was tied. Pairs of weight 0 are left out. A group is a judge
    where order effects are estimated per judge; elsewhere every row has group 0 and a pair has one row.
    """

    first: Ints
    second: Ints
    won: Floats
    weight: Floats
    tied: Floats
    group: Ints


def tally(
    n_items: int,
    first: Ints,
    second: Ints,
    outcome: Floats,
    weight: Floats,
    group: Ints | None = None,
    n_groups: int = 1,
) -> Tally:
    """Sum per ordered pair (and group). Equal rows in any order give equal sums, to the last bit.

    Whole-number weights sum exactly. Others are sorted by every column first.
    """
    pair = first * n_items + second
    if group is not None:
        pair = pair * n_groups + group
    cell = pair * 3 + (2 * outcome).astype(np.int64)
    cell, total = _summed_cells(cell, weight)
    pair, result = cell // 3, cell % 3
    begins = _begins(pair)
    pair = pair[begins]
    both, grouped = np.divmod(pair, n_groups)
    return Tally(
        both // n_items,
        both % n_items,
        np.add.reduceat(total * (result / 2), begins),
        np.add.reduceat(total, begins),
        np.add.reduceat(total * (result == 1), begins),
        grouped,
    )


def unordered(n_items: int, first: Ints, second: Ints, outcome: Floats, weight: Floats) -> Tally:
    """Sum per unordered pair, with first < second as indices."""
    low, high = np.minimum(first, second), np.maximum(first, second)
    return tally(n_items, low, high, np.where(first > second, 1 - outcome, outcome), weight)


def per_item(n_items: int, counts: Tally, first_part: Floats, second_part: Floats) -> Floats:
    """Sum of `first_part` over the rows an item is first in, plus `second_part` where it is second."""
    return summed(counts.first, first_part, n_items) + summed(counts.second, second_part, n_items)


def _summed_cells(cell: Ints, weight: Floats) -> tuple[Ints, Floats]:
    """Each cell that has weight, ascending, and its total weight."""
    if (weight == 1).all():
        cell = np.sort(cell)
        begins = _begins(cell)
        return cell[begins], np.diff(begins, append=len(cell)).astype(np.float64)
    present = weight > 0
    cell, weight = cell[present], weight[present]
    whole = bool((weight == np.floor(weight)).all()) and float(weight.sum()) < EXACT_UP_TO
    order = np.argsort(cell, kind="stable") if whole else np.lexsort((weight, cell))
    cell = cell[order]
    begins = _begins(cell)
    return cell[begins], np.add.reduceat(weight[order], begins) if len(cell) else np.zeros(0)


def _begins(ascending: Ints) -> Ints:
    """Where each run of equal values begins."""
    if len(ascending) == 0:
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero(np.concatenate([[True], ascending[1:] != ascending[:-1]]))
