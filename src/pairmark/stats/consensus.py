"""What the other judges think of the pairs a judge saw: chances from a scale that was made without that judge.

What is made of it is in `judges` and `screening`.
"""

from dataclasses import dataclass, replace

import numpy as np

from pairmark.stats.arrays import Flags, Floats, Ints
from pairmark.stats.canonical import with_sorted_rows
from pairmark.stats.comparisons import Comparisons
from pairmark.stats.davidson import chances
from pairmark.stats.errors import StatsError
from pairmark.stats.fitted import Fit
from pairmark.stats.misfit import row_model
from pairmark.stats.posterior import logits
from pairmark.stats.refits import CELLS, offset, refits
from pairmark.stats.spread import Itemwise
from pairmark.stats.threads import one_blas_thread


@dataclass(frozen=True)
class Consensus:
    """One entry per decided comparison, in canonical order: who judged it, and what the others would say.

    `difference`: score of the first minus that of the second on the scale of all other judges, in logits. `chance`:
    probability that the first wins by that scale, order effect included, with the uncertainty of the difference taken
    into account. `outcome`: 1 the first won, 0 the second.
    """

    judge: Ints
    outcome: Floats
    difference: Floats
    chance: Floats


def consensus(fit: Fit, data: Comparisons | None = None, trust: Floats | None = None) -> Consensus:
    """Refit without each judge in turn and predict that judge's decisions.

    `data` are the comparisons to predict if they are not those of the fit; `trust` (n_judges,) says by how much the weights
    of each judge's were multiplied there.
    """
    data = fit.comparisons if data is None else data
    if data.judge is None:
        raise StatsError("A consensus of the other judges needs comparisons that say who judged them.")
    rows = with_sorted_rows(data)
    assert rows.judge is not None
    used = np.ones(len(rows)) if trust is None else trust[rows.judge]
    with one_blas_thread():
        difference = _differences(fit, rows, used)
    variance = _variances(fit, rows, used)
    logit = (difference + offset(fit, rows)) / np.sqrt(1 + np.pi * variance / 8)  # MacKay 1992: mean of a logistic
    decided = rows.outcome != 0.5
    return Consensus(rows.judge[decided], rows.outcome[decided], difference[decided], chances(logit[decided]).first)


def _differences(fit: Fit, rows: Comparisons, used: Floats) -> Floats:
    """Score differences of every row's pair without its judge, a block of judges at a time."""
    assert rows.judge is not None
    difference = np.empty(len(rows))
    width = max(1, CELLS // len(rows))
    for begin in range(0, len(rows.judges), width):
        out = np.arange(begin, min(begin + width, len(rows.judges)))
        theta = refits(fit, rows, used[:, None] * (rows.judge[:, None] != out), near=1 - 1 / len(rows.judges))
        mine: Flags = (rows.judge >= out[0]) & (rows.judge <= out[-1])
        column = rows.judge[mine] - begin
        difference[mine] = theta[rows.first[mine], column] - theta[rows.second[mine], column]
    return difference


def _variances(fit: Fit, rows: Comparisons, used: Floats) -> Floats:
    """Variance of each difference without the row itself (one-row downdate), at most that of the prior."""
    model, spread = row_model(fit, rows), fit.solution.curvature
    assert not isinstance(spread, Itemwise)
    variance = replace(spread, model=model).of_rows()
    point = fit.solution.point
    information = rows.weight * used * chances(logits(model, point), point[-1] if model.ties else None).variance
    most = 2 * (fit.prior_sd or 1.0) ** 2
    return np.minimum(variance / np.maximum(1 - information * variance, variance / most), most)
