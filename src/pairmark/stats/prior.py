"""The SD of the normal prior, estimated from the data (empirical Bayes).

Finds the SD and the mode that belong together. The mode for a known SD is in `newton`; what the SD says about
reliability is in `reliability`.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pairmark.stats.arrays import Floats
from pairmark.stats.errors import NotConvergedError
from pairmark.stats.hessian import DENSE_UP_TO
from pairmark.stats.newton import mode
from pairmark.stats.posterior import Model, centred, curvature_change, evaluate, hessian
from pairmark.stats.probes import Probed
from pairmark.stats.spread import Full

MOST_SHAPE, FAR_SD = 0.25, 2.0  # hyperprior variance^shape exp(-variance / (2 FAR_SD^2)); why: docs/decisions
MAX_ROUNDS = 60
SETTLED = 5e-7  # log variance; what the last step of the search leaves
LARGEST_STEP = 1.5  # in log variance, per round


@dataclass(frozen=True, eq=False)
class Round:
    """One point of the search: log variance, mode, and how the mode moves with log variance.

    `slope` is twice that of the log marginal likelihood, `bend` its derivative with third derivatives left out.
    """

    log_variance: float
    point: Floats
    drift: Floats
    slope: float
    bend: float
    products: Floats | None


@dataclass(frozen=True, eq=False)
class Settled:
    """The end of a search: mode (size,), log variance, and the information about it.

    For a later search: how many times its `bend` the derivative of the slope was, and of large fits `probes.Probed.products`.
    """

    point: Floats
    log_variance: float
    information: float
    bend_factor: float
    products: Floats | None

    @property
    def sd(self) -> float:
        """SD of the prior in logits."""
        return math.exp(self.log_variance / 2)


def estimate(model: Model, start: Floats, start_sd: float, earlier: Settled | None = None) -> Settled:
    """Estimate the prior SD together with the scores.

    Maximises over psi = log variance the marginal likelihood in Laplace's approximation (Tierney & Kadane 1986; MacKay
    1992 for the form used here) times a weak hyperprior that keeps the SD from 0 and infinity (after Chung et al. 2013,
    Psychometrika 78). The root of its slope is found by Newton's method first, then by the secant rule. What the last step
    leaves is its length times the error of the derivative, which for a secant is about as large as the way it spans.

    Large fits know the covariance by `probes` only, the same in every round, so the search settles. `earlier` is the end
    of a search on other data of as many parameters; it saves time only.
    """
    log_variance, point = 2 * math.log(start_sd), start
    before, near = None, earlier.products if earlier else None
    for _ in range(MAX_ROUNDS):
        now = _round(model, point, log_variance, near)
        steepness, doubt = _steepness(now, before, earlier)
        change = _change(now.slope, steepness)
        point, log_variance = centred(model, now.point + change * now.drift), log_variance + change
        if abs(change) * (doubt + abs(change)) <= SETTLED:
            bend = now.bend + (change * _between(now, before, "bend") if before else 0.0)
            found = mode(model, point, math.exp(-log_variance))
            return Settled(found, log_variance, -bend / 2, steepness / now.bend, now.products)
        before, near = now, now.products
    raise NotConvergedError(f"The spread of the scores did not settle within {MAX_ROUNDS} rounds.")


def _round(model: Model, start: Floats, log_variance: float, near: Floats | None) -> Round:
    """The mode for this variance and what the search asks there."""
    n, variance = model.n_items, math.exp(log_variance)
    point = mode(model, start, 1 / variance)
    at = evaluate(model, point, 1 / variance)
    pull = np.zeros(model.size)
    pull[:n] = point[:n] / variance
    curve = hessian(model, at, 1 / variance)
    spread: Full | Probed
    if model.size <= DENSE_UP_TO:
        spread, products = Full(model, curve.inverse()), None
        drift = spread.times(pull)
    else:
        spread = Probed.by(curve, pull, near)
        drift, products = spread.asked, spread.products
    share = (float(np.sum(point[:n] ** 2)) + spread.theta_trace()) / variance
    far = variance / FAR_SD**2
    bent = spread.trace_with(curvature_change(model, at, drift))  # how the curvature changes as the mode moves
    slope = share - (n - 1) + 2 * _shape(n) - far - bent
    bend = 2 * float(np.sum(pull * drift)) + spread.square() / variance**2 - share - far
    return Round(log_variance, point, drift, slope, bend, products)


def _shape(n_items: int) -> float:
    """How strongly the hyperprior keeps the SD away from 0: the less, the more items there are to tell it."""
    return min(MOST_SHAPE, 2 / n_items)


def _steepness(now: Round, before: Round | None, earlier: Settled | None) -> tuple[float, float]:
    """Derivative of the slope by log variance, and its relative error."""
    if before is not None:
        return _between(now, before, "slope"), abs(now.log_variance - before.log_variance)
    factor = 1.0 if earlier is None else min(max(earlier.bend_factor, 0.5), 2.0)
    return factor * now.bend, 1.0


def _between(now: Round, before: Round, what: Literal["slope", "bend"]) -> float:
    return float((getattr(now, what) - getattr(before, what)) / (now.log_variance - before.log_variance))


def _change(slope: float, steepness: float) -> float:
    """Change of log variance towards the root of the slope, at most `LARGEST_STEP`."""
    step = -slope / steepness if steepness < 0 else math.copysign(LARGEST_STEP, slope)
    return float(np.clip(step, -LARGEST_STEP, LARGEST_STEP))
