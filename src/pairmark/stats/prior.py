"""The SD of the normal prior, estimated from the data (empirical Bayes).

Finds the SD and the mode that belong together. The mode for a known SD is in `posterior`; what the SD says about
reliability is in `reliability`.
"""

import math
from dataclasses import dataclass

import numpy as np

from pairmark.stats.arrays import Floats
from pairmark.stats.errors import NotConvergedError
from pairmark.stats.hessian import DENSE_UP_TO
from pairmark.stats.newton import mode
from pairmark.stats.posterior import Model, centred, curvature_drift, evaluate, gradient
from pairmark.stats.spread import Drawn, Full, drawn_spread, full_spread

MOST_SHAPE, FAR_SD = 0.25, 2.0  # hyperprior variance^shape exp(-variance / (2 FAR_SD^2)); why: docs/decisions
MAX_ROUNDS = 60
ROUGH = 0.05  # logits; how near the first mode has to be
SETTLED = 1e-6  # log variance; the scores must have settled to a tenth of this in logits
STALE = 1e-3  # logits; beyond, the covariance is computed again before its slope is trusted
INEXACT = 1e-3  # relative error of a step with a fixed inverse
EXACT = 1e-11  # logits; the mode for a given variance
SEARCH_DRAWS = 16  # the slope sums over all items, so few draws tell it: their noise is far below the SD's own error
LARGEST_STEP = 1.5  # in log variance, per round


@dataclass(frozen=True)
class _Round:
    """One point of the search: log variance, mode, covariance, slope of the log marginal likelihood, and how the mode moves."""

    log_variance: float
    point: Floats
    spread: Full | Drawn
    slope: float
    drift: Floats


@dataclass(frozen=True)
class Settled:
    """The end of the search: mode (size,), spread there, SD in logits, and the information about log variance."""

    point: Floats
    spread: Full | Drawn
    sd: float
    information: float


def estimate(model: Model, start: Floats, start_sd: float) -> Settled:
    """Estimate the prior SD together with the scores.

    Maximises over psi = log variance the marginal likelihood in Laplace's approximation (Tierney & Kadane 1986; MacKay
    1992 for the form used here) times a weak hyperprior that keeps the SD from 0 and infinity (after Chung et al. 2013,
    Psychometrika 78). The root of its slope is found by Newton's method first, then by the secant rule.

    Large fits know the covariance by draws only (`spread.Drawn`); the same draws in every round, so the search settles.
    """
    log_variance = 2 * math.log(start_sd)
    point = mode(model, start, math.exp(-log_variance), ROUGH)
    before: _Round | None = None
    for _ in range(MAX_ROUNDS):
        now, moved = _round(model, point, log_variance)
        point = now.point
        if moved > STALE:
            continue
        change = _step(model, now, before)
        if abs(change) <= SETTLED and moved <= SETTLED / 10:
            return Settled(now.point, now.spread, math.exp(log_variance / 2), -_bend(model, now) / 2)
        point = centred(model, now.point + change * now.drift)
        log_variance, before = log_variance + change, now
    raise NotConvergedError(f"The spread of the scores did not settle within {MAX_ROUNDS} rounds.")


def _round(model: Model, near: Floats, log_variance: float) -> tuple[_Round, float]:
    """The mode for this variance from a point near it, and how far away that point was."""
    precision = math.exp(-log_variance)
    spread = _spread(model, near, precision)
    point = _polish(model, near, spread, precision)
    drift = _drift(model, point, spread, math.exp(log_variance))
    slope = _slope(model, point, spread, drift, log_variance)
    return _Round(log_variance, point, spread, slope, drift), float(np.abs(point - near).max())


def _spread(model: Model, point: Floats, precision: float) -> Full | Drawn:
    if model.size <= DENSE_UP_TO:
        return full_spread(model, point, precision)
    return drawn_spread(model, point, precision, SEARCH_DRAWS)


def _polish(model: Model, point: Floats, spread: Full | Drawn, precision: float) -> Floats:
    """Newton steps with a fixed inverse, as long as they shrink fast: cheaper than a new one each time."""
    last = math.inf
    for _ in range(20):
        step = spread.times(gradient(model, evaluate(model, point, precision), precision), INEXACT)
        size = float(np.abs(step).max())
        if size > 0.5 * last or size > 2:
            return mode(model, point, precision, ROUGH)
        point, last = centred(model, point + step), size
        if size < EXACT:
            break
    return point


def _slope(model: Model, point: Floats, spread: Full | Drawn, drift: Floats, log_variance: float) -> float:
    """2 dF/dpsi. The last term is how the curvature changes as the mode moves with psi (third derivatives)."""
    n, variance = model.n_items, math.exp(log_variance)
    theta, at = point[:n], evaluate(model, point, 1 / variance)
    share = (float(np.sum(theta**2)) + float(np.sum(spread.variances()[:n]))) / variance
    bent = curvature_drift(model, at, drift, spread.of_rows())
    return share - (n - 1) + 2 * _shape(n) - variance / FAR_SD**2 - bent


def _shape(n_items: int) -> float:
    """How strongly the hyperprior keeps the SD away from 0: the less, the more items there are to tell it."""
    return min(MOST_SHAPE, 2 / n_items)


def _step(model: Model, now: _Round, before: _Round | None) -> float:
    """Change of log variance towards the root of the slope, at most `LARGEST_STEP`."""
    if before is None or before.log_variance == now.log_variance:
        bend = _bend(model, now)
    else:
        bend = (now.slope - before.slope) / (now.log_variance - before.log_variance)
    step = -now.slope / bend if bend < 0 else math.copysign(LARGEST_STEP, now.slope)
    return float(np.clip(step, -LARGEST_STEP, LARGEST_STEP))


def _bend(model: Model, now: _Round) -> float:
    """Derivative of the slope, third derivatives left out."""
    n, variance = model.n_items, math.exp(now.log_variance)
    theta = now.point[:n]
    share = (float(np.sum(theta**2)) + float(np.sum(now.spread.variances()[:n]))) / variance
    gain = 2 * float(np.sum(theta * now.drift[:n])) / variance + now.spread.square() / variance**2
    return gain - share - variance / FAR_SD**2


def _drift(model: Model, point: Floats, spread: Full | Drawn, variance: float) -> Floats:
    """How the mode moves with log variance, to first order."""
    pull = np.zeros(model.size)
    pull[: model.n_items] = point[: model.n_items] / variance
    return spread.times(pull)
