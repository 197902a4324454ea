"""Counts of comparisons per pair and per item, in an order that does not depend on the order of rows.

Checking rows is done before, in `comparisons`.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairmark.stats.arrays import Floats, Ints, run_begins
from pairmark.stats.incidence import Incidence

Cells = NDArray[np.signedinteger[Any]]  # a pair (and group) with an outcome, as one number

SMALL_CELLS = 2**29  # pairs (and groups) whose cells fit into 32 bits
EXACT_UP_TO = 2.0**50  # sums of whole numbers below are exact in floating point, whatever their order


@dataclass(frozen=True)
class Tally:
    """Counts per pair of items in canonical order, shape (n_rows,) each.

    `weight` is the total weight of comparisons of (`first`, `second`) in the group `group`, `won` the part of it that
    `first` won, ties as half, and `tied` the part that was tied. Pairs of weight 0 are left out. A group is a judge
    where order effects are estimated per judge; elsewhere every row has group 0 and a pair has one row.
    """

    n_items: int
    first: Ints
    second: Ints
    won: Floats
    weight: Floats
    tied: Floats
    group: Ints

    @cached_property
    def incidence(self) -> Incidence:
        """Which items the rows compare."""
        return Incidence(self.n_items, self.first, self.second)

    @cached_property
    def excess(self) -> Floats:
        """Wins of `first` beyond one half of the weight."""
        return self.won - self.weight / 2


def tally(
    n_items: int,
    first: Cells,
    second: Cells,
    outcome: Floats,
    weight: Floats,
    group: Ints | None = None,
    n_groups: int = 1,
) -> Tally:
    """Sum per ordered pair (and group). Equal rows in any order give equal sums, to the last bit.

    Whole-number weights sum exactly. Others are sorted by every column first.
    """
    first, second = _short(n_items**2 * n_groups, first), _short(n_items**2 * n_groups, second)
    pair = first * n_items + second
    if group is not None:
        pair = pair * n_groups + group.astype(pair.dtype)
    cell: Cells = 4 * pair + (2 * outcome).astype(pair.dtype)  # the outcome in the last two bits: 2 won, 1 tied, 0 lost
    pair, won, total, tied = _summed_units(cell) if (weight == 1).all() else _summed(cell, weight)
    if group is None:
        both, grouped = pair, np.zeros(len(pair), dtype=np.int64)
    else:
        both, grouped = np.divmod(pair, n_groups)
    upper = both // n_items
    return Tally(n_items, upper, both - upper * n_items, won, total, tied, grouped)


def unordered(n_items: int, first: Ints, second: Ints, outcome: Floats, weight: Floats) -> Tally:
    """Sum per unordered pair, with first < second as indices."""
    first, second = _short(n_items**2, first), _short(n_items**2, second)
    low, high = np.minimum(first, second), np.maximum(first, second)
    return tally(n_items, low, high, np.abs(outcome - (first > second)), weight)


def _short(n_cells: int, index: Cells) -> Cells:
    """The same in 32 bits, where the cells fit: short numbers are reckoned with and sorted faster."""
    return index.astype(np.int32, copy=False) if n_cells <= SMALL_CELLS else index


def _summed_units(cell: Cells) -> tuple[Ints, Floats, Floats, Floats]:
    """Each pair (and group), ascending, with what it won, how often it met and how often it tied; every row counts 1."""
    cell = np.sort(cell)
    pair, result = cell >> 2, cell & 3
    begins = run_begins(pair)
    ends = np.append(begins[1:], len(cell)) - 1
    halves = np.diff(np.cumsum(result)[ends], prepend=0)
    tied = np.diff(np.cumsum(result & 1)[ends], prepend=0) if (result == 1).any() else np.zeros(len(begins))
    total = np.diff(ends, prepend=-1)
    return pair[begins].astype(np.int64), halves / 2, total.astype(np.float64), tied.astype(np.float64)


def _summed(cell: Cells, weight: Floats) -> tuple[Ints, Floats, Floats, Floats]:
    """The same with a weight for each row; pairs without weight are left out."""
    present = weight > 0
    cell, weight = cell[present], weight[present]
    if not len(cell):
        return np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0), np.zeros(0)
    whole = bool((weight == np.floor(weight)).all()) and float(weight.sum()) < EXACT_UP_TO
    order = np.argsort(cell, kind="stable") if whole else np.lexsort((weight, cell))
    cell = cell[order]
    begins = run_begins(cell)
    cell, total = cell[begins], np.add.reduceat(weight[order], begins)
    pair, result = cell >> 2, cell & 3
    begins = run_begins(pair)
    won, tied = (np.add.reduceat(total * share, begins) for share in (result / 2, result == 1))
    return pair[begins].astype(np.int64), won, np.add.reduceat(total, begins), tied
