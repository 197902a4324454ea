"""The SD of the normal prior, estimated from the data (empirical Bayes).

Finds the SD and the mode that belong together. The mode for a known SD is in `posterior`; what the SD says about
reliability is in `reliability`.
"""

import math
from dataclasses import dataclass

import numpy as np

from pairmark.stats.arrays import Floats
from pairmark.stats.errors import NotConvergedError
from pairmark.stats.posterior import Model, centred, covariance, curvature_drift, gradient, mode

MOST_SHAPE, FAR_SD = 0.25, 2.0  # hyperprior variance^shape exp(-variance / (2 FAR_SD^2)); why: docs/decisions
MAX_ROUNDS = 60
ROUGH = 0.05  # logits; how near the first mode has to be
SETTLED = 1e-6  # log variance; the scores must have settled to a tenth of this in logits
STALE = 1e-3  # logits; beyond, the covariance is computed again before its slope is trusted
EXACT = 1e-11  # logits; the mode for a given variance
LARGEST_STEP = 1.5  # in log variance, per round


@dataclass(frozen=True)
class _Round:
    """One point of the search: log variance, mode, covariance there, and the slope F of the log marginal likelihood."""

    log_variance: float
    point: Floats
    spread: Floats
    slope: float


def estimate(model: Model, start: Floats, start_sd: float) -> tuple[Floats, Floats, float]:
    """Estimate the prior SD together with the scores.

    Maximises over psi = log variance the marginal likelihood in Laplace's approximation (Tierney & Kadane 1986; MacKay
    1992 for the form used here) times a weak hyperprior that keeps the SD from 0 and infinity (after Chung et al. 2013,
    Psychometrika 78). The root of its slope is found by Newton's method first, then by the secant rule.

    Returns the mode (size,), its covariance (size, size) and the SD in logits.
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
            return now.point, now.spread, math.exp(log_variance / 2)
        point = centred(model, now.point + change * _drift(model, now))
        log_variance, before = log_variance + change, now
    raise NotConvergedError(f"The spread of the scores did not settle within {MAX_ROUNDS} rounds.")


def _round(model: Model, near: Floats, log_variance: float) -> tuple[_Round, float]:
    """The mode for this variance from a point near it, and how far away that point was."""
    precision = math.exp(-log_variance)
    spread = covariance(model, near, precision)
    point = _polish(model, near, spread, precision)
    slope = _slope(model, point, spread, log_variance)
    return _Round(log_variance, point, spread, slope), float(np.abs(point - near).max())


def _polish(model: Model, point: Floats, spread: Floats, precision: float) -> Floats:
    """Newton steps with a fixed inverse, as long as they shrink fast: cheaper than a new one each time."""
    last = math.inf
    for _ in range(12):
        step = spread @ gradient(model, point, precision)
        size = float(np.abs(step).max())
        if size > 0.5 * last or size > 2:
            return mode(model, point, precision, ROUGH)
        point, last = centred(model, point + step), size
        if size < EXACT:
            break
    return point


def _slope(model: Model, point: Floats, spread: Floats, log_variance: float) -> float:
    """2 dF/dpsi. The last term is how the curvature changes as the mode moves with psi (third derivatives)."""
    n, variance = model.n_items, math.exp(log_variance)
    theta, trace = point[:n], float(np.trace(spread[:n, :n]))
    share = (float(theta @ theta) + trace) / variance
    drift = np.asarray(spread[:, :n] @ theta) / variance
    return share - (n - 1) + 2 * _shape(n) - variance / FAR_SD**2 - curvature_drift(model, point, spread, drift)


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
    theta, block = now.point[:n], now.spread[:n, :n]
    share = (float(theta @ theta) + float(np.trace(block))) / variance
    gain = float(2 * theta @ (block @ theta) + np.vdot(block, block)) / variance**2
    return gain - share - variance / FAR_SD**2


def _drift(model: Model, now: _Round) -> Floats:
    """How the mode moves with log variance, to first order."""
    n = model.n_items
    return np.asarray(now.spread[:, :n] @ now.point[:n]) / math.exp(now.log_variance)
