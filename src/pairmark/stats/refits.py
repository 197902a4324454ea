"""Scores for many weightings of the same comparisons at once: halves, data without one judge.

Each is a fit with the prior, order effects and tie parameter of the fit at hand; only scores are estimated. What is made of
them is in `split_half` and `consensus`.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from pairmark.stats.arrays import Floats
from pairmark.stats.canonical import rows_as_tally
from pairmark.stats.comparisons import Comparisons
from pairmark.stats.errors import StatsError
from pairmark.stats.fitted import Fit
from pairmark.stats.newton import mode
from pairmark.stats.posterior import Model, evaluate, hessian
from pairmark.stats.spread import FULL_UP_TO

CELLS = 1_500_000  # rows times weightings done at once, which bounds the memory
ENOUGH = 1e-4  # logits; far below any standard error
MAX_STEPS = 200


def refits(fit: Fit, rows: Comparisons, shares: Floats, near: float) -> Floats:
    """Scores under each weighting, shape (n_items, n_weightings), items sorted as in `rows`.

    `rows` come from `canonical.with_sorted_rows`; `shares` (n_rows, n_weightings) multiply their weights. Newton's
    method with one fixed matrix for all: the curvature at the fit if every weight were multiplied by `near`. A column
    whose steps do not shrink takes shorter ones. Ties count as half a win unless the fit models them; then the tie
    parameter is that of the fit.
    """
    if fit.prior_sd is None:
        raise StatsError(f"Scores of parts of the data need a fit by the method map, not {fit.method}.")
    if len(fit.items) > FULL_UP_TO:
        return _one_by_one(fit, rows, shares)
    width = max(1, CELLS // len(rows))
    blocks = [_block(fit, rows, shares[:, k : k + width], near) for k in range(0, shares.shape[1], width)]
    return np.concatenate(blocks, axis=1)


def offset(fit: Fit, rows: Comparisons) -> Floats | float:
    """The order effect of each row, 0 without one."""
    effects = fit.order_effects
    if effects is None:
        return 0.0
    return effects[rows.judge] if len(effects) > 1 and rows.judge is not None else float(effects[0])


def _theta_model(fit: Fit, rows: Comparisons, weight: Floats) -> Model:
    return Model(len(fit.items), rows_as_tally(rows, weight, by_judge=False), 0, False, np.zeros((0, 0)))


def _block(fit: Fit, rows: Comparisons, shares: Floats, near: float) -> Floats:
    from pairmark.stats.davidson import chances  # noqa: PLC0415

    n, precision = len(fit.items), fit.solution.precision
    theta = np.tile(fit.solution.point[:n, None], shares.shape[1])
    model = _theta_model(fit, rows, near * rows.weight)
    inverse = hessian(model, evaluate(model, theta[:, 0], precision), precision).inverse()
    ends, log_nu = _ends(n, rows), fit.solution.point[-1] if fit.solution.model.ties else None
    weight, shift = shares * rows.weight[:, None], np.reshape(offset(fit, rows), (-1, 1))
    fixed = ends.T @ (weight * (rows.outcome - 0.5)[:, None])
    pace, last = np.ones(theta.shape[1]), np.full(theta.shape[1], np.inf)
    open_columns = np.arange(theta.shape[1])
    for _ in range(MAX_STEPS):
        at = chances(ends @ theta[:, open_columns] + shift, log_nu)
        slope = fixed[:, open_columns] - ends.T @ (weight[:, open_columns] * at.mean)
        step = inverse @ (slope - precision * theta[:, open_columns])
        size = np.abs(step).max(axis=0)
        pace[open_columns] *= np.where(size > last[open_columns], 0.6, 1.0)
        last[open_columns] = size
        theta[:, open_columns] += pace[open_columns] * step
        open_columns = open_columns[size > ENOUGH]
        if not len(open_columns):
            break
    return theta


def _ends(n_items: int, rows: Comparisons) -> Any:
    """Sparse (n_rows, n_items): 1 at the first, -1 at the second item of each row."""
    from scipy.sparse import csr_array  # noqa: PLC0415 - slow to import

    ends = np.stack([rows.first, rows.second], axis=1).ravel()
    signs = np.tile([1.0, -1.0], len(rows))
    return csr_array((signs, ends, 2 * np.arange(len(rows) + 1)), shape=(len(rows), n_items))


def _one_by_one(fit: Fit, rows: Comparisons, shares: Floats) -> Floats:
    """For many items: no matrix of items by items, one fit after the other from the scores at hand."""
    return np.stack(list(_fits(fit, rows, shares)), axis=1)


def _fits(fit: Fit, rows: Comparisons, shares: Floats) -> Iterator[Floats]:
    n, solution = len(fit.items), fit.solution
    for share in shares.T:
        yield mode(_theta_model(fit, rows, share * rows.weight), solution.point[:n], solution.precision, ENOUGH)
