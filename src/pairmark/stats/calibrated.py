"""Errors whose intervals cover: the curvature averaged over the posterior, and over the SDs that the prior may have.

The curvature at the mode alone makes intervals of sparse data too narrow. It is measured where the posterior is sharpest,
the mode lies off the mean, and the estimated SD of the prior is taken for the true one. Here the normal distribution nearest
to the posterior (Opper & Archambeau 2009, Neural Computation 21) takes the place of the curvature at the mode, at several SDs
of the prior, each weighted by how well it explains the data (`evidence`); and the covariance of scores is that around the
mode, which is what is reported as the score. Order effects and the tie parameter are reported as posterior means: at the
mode they are drawn in together with the scores. How large the draws and matrices are is decided in `spread`.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from pairmark.stats.arrays import Floats
from pairmark.stats.evidence import log_evidence
from pairmark.stats.hessian import DENSE_UP_TO
from pairmark.stats.posterior import Model, average, centred, gradient, hessian
from pairmark.stats.spread import (
    DRAW_ERROR,
    Drawn,
    Full,
    Itemwise,
    Spread,
    drawn_by,
    drawn_spread,
    full_spread,
    spread_of,
)

MOST_ROUNDS = 16  # of the search for the nearest normal distribution
SETTLED = 0.01  # relative change of the mean variance in the last round
MOST_DOUBT = 1.0  # SD of log variance; beyond, the normal approximation of it says nothing
STEP = 1.5  # SDs of log variance from one SD of the prior to the next; half of it changes errors by 0 to 3 % on average
NEGLIGIBLE = 3.5  # log weight below the best beyond which SDs of the prior are left out
MOST_STEPS = 8  # to either side
SHAPE, FAR_SD = 2 / 3, 4.0  # beforehand variance^shape exp(-variance / (2 FAR_SD^2)); why: docs/decisions
LARGEST_STEP = 1.0  # logits
FEW_DRAWS = 16  # they only say where the curvature is averaged


@dataclass(frozen=True)
class Calibrated:
    """`extra` (n_extras,): posterior means of order effects and log nu; `spread`: covariance around the mode of theta and
    around these means; `offset` (size,): the posterior mean seen from there. `parts`: the normal distributions it was mixed
    from, if any.
    """

    extra: Floats
    spread: Full | Drawn
    offset: Floats
    parts: tuple["Part", ...] = ()


@dataclass(frozen=True)
class Part:
    """One normal distribution of a mixture: its share, its mean seen from the reported point (size,), its covariance."""

    share: float
    offset: Floats
    spread: Full


@dataclass(frozen=True)
class _Node:
    """The normal distribution nearest to the posterior under one SD of the prior, and the log weight of that SD."""

    log_variance: float
    mean: Floats
    spread: Full
    log_weight: float


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
    first = _node(model, point, start, -math.log(precision))
    nodes = [first]
    if information is not None:
        nodes += _beside(model, first, STEP * _doubt(information)) + _beside(model, first, -STEP * _doubt(information))
    return _mixed(model, point, nodes)


def _beside(model: Model, last: _Node, step: float) -> list[_Node]:
    """Nodes to one side of the first, as far as they have weight."""
    best, found = last.log_weight, list[_Node]()
    for _ in range(MOST_STEPS):
        last = _node(model, last.mean, last.spread, last.log_variance + step)
        found.append(last)
        best = max(best, last.log_weight)
        if last.log_weight < best - NEGLIGIBLE:
            break
    return found


def _node(model: Model, mean: Floats, spread: Full, log_variance: float) -> _Node:
    """From a start nearby."""
    precision = math.exp(-log_variance)
    for _ in range(MOST_ROUNDS):
        around, before = average(model, mean, spread.of_rows()), spread
        spread = Full(model, hessian(model, around, precision).inverse())
        step = spread.times(gradient(model, around, precision))
        mean = centred(model, mean + np.clip(step, -LARGEST_STEP, LARGEST_STEP))
        if _settled(model, spread, before):
            break
    beforehand = SHAPE * log_variance - math.exp(log_variance) / (2 * FAR_SD**2)
    return _Node(log_variance, mean, spread, log_evidence(model, mean, spread, precision) + beforehand)


def _mixed(model: Model, point: Floats, nodes: list[_Node]) -> Calibrated:
    """Mean of the extras, and covariance around them and around the mode, over all nodes."""
    best = max(node.log_weight for node in nodes)
    weights = np.array([math.exp(node.log_weight - best) for node in nodes])
    weights /= weights.sum()
    extra = np.asarray(sum(weight * node.mean for weight, node in zip(weights, nodes, strict=True)))[model.n_items :]
    around = np.concatenate([point[: model.n_items], extra])
    parts = [Part(float(w), node.mean - around, node.spread) for w, node in zip(weights, nodes, strict=True)]
    total, offset = np.zeros((model.size, model.size)), np.zeros(model.size)
    for part in parts:
        total += part.share * (part.spread.matrix + np.outer(part.offset, part.offset))
        offset += part.share * part.offset
    return Calibrated(extra, Full(model, total), offset, tuple(parts))


def _large(
    model: Model, point: Floats, precision: float, information: float | None, known: Spread | None
) -> Calibrated:
    """One normal distribution, at the SD of the prior that explains the data best, and the doubt about it to first order."""
    spread: Full | Drawn = (
        drawn_spread(model, point, precision, FEW_DRAWS) if known is None or isinstance(known, Itemwise) else known
    )
    mean, around = point, average(model, point, spread.of_rows())
    for _ in range(MOST_ROUNDS):
        before, change = spread, 0.0
        spread = drawn_by(model, around, precision, FEW_DRAWS)
        step = spread.times(gradient(model, around, precision), DRAW_ERROR)
        mean = centred(model, mean + np.clip(step, -LARGEST_STEP, LARGEST_STEP))
        if information is not None:
            change, drift = _change(model, mean, spread, precision)
            mean, precision = mean + change * drift, precision * math.exp(-change)
        around = average(model, mean, spread.of_rows())
        if abs(change) < SETTLED and _settled(model, spread, before):
            break
    spread = spread_of(model, around, precision)
    offset = mean - point
    offset[model.n_items :] = 0
    more = [offset]
    if information is not None:
        more.append(_doubt(information) * _drift(model, mean, spread, precision))
    if isinstance(spread, Drawn):
        return Calibrated(mean[model.n_items :], replace(spread, more=tuple(more)), offset)
    for vector in more:
        spread.matrix[:] += np.outer(vector, vector)
    return Calibrated(mean[model.n_items :], spread, offset)


def _settled(model: Model, spread: Full | Drawn, before: Full | Drawn) -> bool:
    """Whether the variances hardly change any more."""
    now, then = (float(np.sum(each.variances()[: model.n_items])) for each in (spread, before))
    return abs(now - then) < SETTLED * now


def _change(model: Model, mean: Floats, spread: Drawn, precision: float) -> tuple[float, Floats]:
    """One Newton step in log variance uphill the lower bound that `evidence` computes, and how the mean moves with it."""
    n, theta = model.n_items, mean[: model.n_items]
    share = precision * (float(np.sum(theta**2)) + float(np.sum(spread.variances()[:n])))
    slope = share - (n - 1) + 2 * SHAPE - 1 / (precision * FAR_SD**2)
    drift = _drift(model, mean, spread, precision)
    gain = 2 * precision * float(np.sum(theta * drift[:n])) + spread.square() * precision**2
    bend = gain - share - 1 / (precision * FAR_SD**2)
    change = -slope / bend if bend < 0 else math.copysign(LARGEST_STEP, slope)
    return float(np.clip(change, -LARGEST_STEP, LARGEST_STEP)), drift


def _drift(model: Model, mean: Floats, spread: Full | Drawn, precision: float) -> Floats:
    """How the mean moves with log variance, to first order."""
    pull = np.zeros(model.size)
    pull[: model.n_items] = mean[: model.n_items] * precision
    return spread.times(pull, DRAW_ERROR)


def _doubt(information: float) -> float:
    """SD of the log variance of the prior."""
    return MOST_DOUBT if information <= MOST_DOUBT**-2 else information**-0.5
