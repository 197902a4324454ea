"""Single comparisons that the scale did not expect: what an odd infit or outfit is made of.

Infit and outfit themselves are in `misfit`.
"""

from dataclasses import dataclass

import numpy as np

from pairmark.stats.arrays import Floats, Ints
from pairmark.stats.canonical import sorted_items, with_sorted_items
from pairmark.stats.davidson import chances
from pairmark.stats.display import Columns
from pairmark.stats.errors import check_count
from pairmark.stats.fitted import Fit
from pairmark.stats.misfit import row_model
from pairmark.stats.posterior import logits


@dataclass(frozen=True, eq=False, repr=False)
class Surprises(Columns):
    """Comparisons, the least expected first.

    `chance`: how likely the scale held this outcome, from 0 to 1. `outcome`: 1 the first won, .5 tie, 0 the second won.
    `row`: its place in `comparisons`, from 0. `judge`: who judged it, None where nobody was told.
    """

    first: tuple[str, ...]
    second: tuple[str, ...]
    outcome: Floats
    chance: Floats
    judge: tuple[str | None, ...]
    row: Ints


def chance_of_each(fit: Fit) -> Floats:
    """How likely each outcome was by the fit that has seen it, shape (n_comparisons,).

    A tie counts as fully expected where ties are not modelled.

    Examples
    --------
    >>> from pairmark.stats import comparisons, fit
    >>> votes = [("anna", "bela", 1)] * 9 + [("anna", "bela", 0)]
    >>> chance_of_each(fit(comparisons(votes))).round(2)[-2:]
    array([0.8, 0.2])
    """
    data = fit.comparisons
    order, place = sorted_items(data.items)
    rows = data if order is None else with_sorted_items(data, order, place)
    model, point = row_model(fit, rows), fit.solution.point
    at = chances(logits(model, point), point[-1] if model.ties else None)
    tie = np.ones(len(rows)) if at.tie is None else at.tie
    return np.asarray(np.select([rows.outcome == 1, rows.outcome == 0], [at.first, at.second], tie))


def surprises(fit: Fit, count: int = 10, item: int | str | None = None) -> Surprises:
    """The comparisons that the scale expected least, of all items or of one.

    Examples
    --------
    >>> from pairmark.stats import comparisons, fit
    >>> votes = [("anna", "bela", 1)] * 9 + [("anna", "bela", 0), ("bela", "cleo", 1)]
    >>> found = surprises(fit(comparisons(votes)), count=1)
    >>> found.first, found.second, found.outcome.tolist(), found.row.tolist()
    (('anna',), ('bela',), [0.0], [9])
    """
    check_count(count, 1, "comparisons to show")
    data, chance = fit.comparisons, chance_of_each(fit)
    rows = np.arange(len(data))
    if item is not None:
        index = fit.index(item)
        rows = np.flatnonzero((data.first == index) | (data.second == index))
    rows = rows[data.weight[rows] > 0]
    rows = rows[np.argsort(chance[rows], kind="stable")[:count]]
    judge = data.judge
    return Surprises(
        tuple(data.items[k] for k in data.first[rows]),
        tuple(data.items[k] for k in data.second[rows]),
        data.outcome[rows],
        chance[rows],
        tuple(None if judge is None else data.judges[judge[row]] for row in rows),
        rows,
    )
