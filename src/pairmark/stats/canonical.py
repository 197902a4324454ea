"""Items and rows in an order of their own, so that sums never depend on the order in which they were told.

Counts per pair are made in `tally`; here single comparisons keep their identity.
"""

from dataclasses import replace

import numpy as np

from pairmark.stats.arrays import Floats, Ints
from pairmark.stats.comparisons import Comparisons
from pairmark.stats.tally import Tally


def sorted_items(items: tuple[str, ...]) -> tuple[Ints | None, Ints]:
    """Order of the items that sorts them (None if they are sorted), and the place of each item in it."""
    if list(items) == sorted(items):
        return None, np.arange(len(items))
    order = np.array(sorted(range(len(items)), key=items.__getitem__), dtype=np.int64)
    return order, np.argsort(order)


def with_sorted_items(data: Comparisons, order: Ints, place: Ints) -> Comparisons:
    """The data with items in sorted order: sums then never depend on the order of the items."""
    items = tuple(data.items[k] for k in order)
    return replace(data, items=items, first=place[data.first], second=place[data.second])


def with_sorted_rows(data: Comparisons) -> Comparisons:
    """The data with items and rows sorted, by every column that estimates look at; rows of weight 0 are left out."""
    order, place = sorted_items(data.items)
    if order is not None:
        data = with_sorted_items(data, order, place)
    judge = np.zeros(len(data), dtype=np.int64) if data.judge is None else data.judge
    rows = np.lexsort((data.weight, data.outcome, judge, data.second, data.first))
    return data.only(rows[data.weight[rows] > 0])


def rows_as_tally(data: Comparisons, weight: Floats, *, by_judge: bool) -> Tally:
    """Every row as a tally of its own, with these weights."""
    group = data.judge if by_judge and data.judge is not None else np.zeros(len(data), dtype=np.int64)
    tied = weight * (data.outcome == 0.5)
    return Tally(len(data.items), data.first, data.second, weight * data.outcome, weight, tied, group)
