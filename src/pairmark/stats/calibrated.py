"""Errors whose intervals cover: the curvature averaged over the posterior, and the doubt about the prior's SD added.

The curvature at the mode alone makes intervals of sparse data too narrow: 95 % ones covered 86 to 93 % of true scores in
simulation. It is measured where the posterior is sharpest, the mode lies off the mean, and the estimated SD of the
prior is taken for the true one. Here the normal distribution nearest to the posterior (Opper & Archambeau 2009, Neural
Computation 21) takes the place of the curvature at the mode; the SD gets an error of its own (Kass & Steffey 1989,
Journal of the American Statistical Association 84); and the covariance of scores is that around the mode, which is what
is reported as the score. Order effects and the tie parameter are reported as posterior means: at the mode they are drawn
in together with the scores. How large the draws and matrices are is decided in `spread`.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from pairmark.stats.arrays import Floats
from pairmark.stats.hessian import DENSE_UP_TO
from pairmark.stats.posterior import Model, average, centred, gradient, hessian
from pairmark.stats.spread import Drawn, Full, Itemwise, Spread, drawn_spread, full_spread, spread_of

ROUNDS = 3  # of the search for the nearest normal distribution; errors change by less than 1 % after
MOST_DOUBT = 1.0  # SD of log variance; beyond, the normal approximation of it says nothing
LARGEST_STEP = 1.0  # logits
FEW_DRAWS = 16  # they only say where the curvature is averaged


@dataclass(frozen=True)
class Calibrated:
    """`extra` (n_extras,): posterior means of order effects and log nu; `spread`: covariance around the mode of theta and
    around these means.
    """

    extra: Floats
    spread: Full | Drawn


def calibrated(
    model: Model, point: Floats, precision: float, information: float | None, known: Spread | None
) -> Calibrated:
    """Errors around the mode `point`.

    `information` about the log variance of the prior is None if its SD is known; `known` a spread by the curvature at
    the mode that need not be computed again.
    """
    if model.size > DENSE_UP_TO:
        return _large(model, point, precision, information, known)
    start = known if isinstance(known, Full) else full_spread(model, point, precision)
    mean, spread = _nearest_normal(model, point, start, precision)
    found = [(mean, spread)]
    if information is not None:  # the two nodes of Gauss-Hermite quadrature over log variance
        changes = (-_doubt(information), _doubt(information))
        found = [_nearest_normal(model, mean, spread, precision * math.exp(change)) for change in changes]
    extra = np.asarray(sum(there for there, _ in found) / len(found))[model.n_items :]
    around = np.concatenate([point[: model.n_items], extra])
    total = np.zeros_like(spread.matrix)
    for there, of_it in found:
        total += (of_it.matrix + np.outer(there - around, there - around)) / len(found)
    return Calibrated(extra, Full(model, total))


def _nearest_normal(model: Model, mean: Floats, spread: Full, precision: float) -> tuple[Floats, Full]:
    """Mean and covariance of the normal distribution nearest to the posterior, from a start nearby."""
    for _ in range(ROUNDS):
        around = average(model, mean, spread.of_rows()[0])
        spread = Full(model, hessian(model, around, precision).inverse())
        step = spread.times(gradient(model, around, precision))
        mean = centred(model, mean + np.clip(step, -LARGEST_STEP, LARGEST_STEP))
    return mean, spread


def _large(
    model: Model, point: Floats, precision: float, information: float | None, known: Spread | None
) -> Calibrated:
    """One round, and the doubt to first order: with so many items there is little of it."""
    if known is None or isinstance(known, Itemwise):
        known = drawn_spread(model, point, precision, FEW_DRAWS)
    around = average(model, point, known.of_rows()[0])
    spread = spread_of(model, around, precision)
    shift = spread.times(gradient(model, around, precision))
    extra = point[model.n_items :] + shift[model.n_items :]
    shift[model.n_items :] = 0
    more = [shift]
    if information is not None:
        pull = np.zeros(model.size)
        pull[: model.n_items] = point[: model.n_items] * precision
        more.append(_doubt(information) * spread.times(pull))
    if isinstance(spread, Drawn):
        return Calibrated(extra, replace(spread, more=tuple(more)))
    for vector in more:
        spread.matrix[:] += np.outer(vector, vector)
    return Calibrated(extra, spread)


def _doubt(information: float) -> float:
    """SD of the log variance of the prior."""
    return MOST_DOUBT if information <= MOST_DOUBT**-2 else information**-0.5
