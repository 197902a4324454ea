"""The mode of the posterior for a known prior, by Newton's method with step halving.

Height, slope and curvature come from `posterior`; the choice of the prior is in `prior`.
"""

import numpy as np

from pairmark.stats.arrays import Floats
from pairmark.stats.errors import NotConvergedError
from pairmark.stats.hessian import DENSE_UP_TO, Hessian
from pairmark.stats.posterior import At, Model, centred, evaluate, gradient, hessian

MAX_STEPS = 100
HALVINGS = 30
TOLERANCE = 1e-10  # logits; the error at which the mode counts as reached
LARGE_TOLERANCE = 4e-7  # logits; the same where steps are inexact: two fits from anywhere agree within 1e-6
ROUGHEST = 0.1  # relative error of a step by conjugate gradients
CERTAIN = 1.75  # logits; a Newton step that changes no logit difference by more goes uphill


def mode(model: Model, start: Floats, precision: float, tolerance: float = TOLERANCE) -> Floats:
    """Maximise the log posterior from `start`, shape (size,).

    Small systems are solved exactly. In large ones a step is only as exact as Newton's method is at its place (Eisenstat &
    Walker 1996, SIAM Journal on Scientific Computing 17). What a step leaves is its relative error times its length,
    and half its reach times its length, because third derivatives of a logistic likelihood are bounded by second ones
    (Bach 2010, Electronic Journal of Statistics 4). Raises `NotConvergedError` if the mode is not reached within
    `MAX_STEPS`.
    """
    exact = model.size <= DENSE_UP_TO
    enough = tolerance if exact else max(tolerance, LARGE_TOLERANCE)
    at = evaluate(model, start, precision)
    for _ in range(MAX_STEPS):
        curve, slope = hessian(model, at, precision), gradient(model, at, precision)
        inexact = 0.0 if exact else _forcing(curve, slope, enough)
        # Along the constant direction the Hessian holds its anchor instead of the prior: no step may go there.
        step = centred(model, curve.solve(slope, inexact))
        reach = _reach(model, step)
        if float(np.abs(step).max()) * (inexact + reach / 2) <= enough:
            return centred(model, at.point + step)
        at = _uphill(model, at, step, reach)
    raise NotConvergedError(f"The scores did not settle within {MAX_STEPS} Newton steps.")


def _forcing(curve: Hessian, slope: Floats, enough: float) -> float:
    """Relative error for the next step: a tenth of its length in logits, as told by the diagonal alone."""
    with np.errstate(divide="ignore", invalid="ignore"):
        length = float(np.abs(slope / curve.own).max())
    return min(ROUGHEST, max(length / 10, enough / (4 * length))) if 0 < length < np.inf else ROUGHEST


def _reach(model: Model, step: Floats) -> float:
    """The most that a step changes a logit difference by."""
    theta, extra = step[: model.n_items], step[model.n_items :]
    return float(np.ptp(theta)) + 2 * float(np.abs(extra).sum() if model.ties else np.abs(extra).max(initial=0.0))


def _uphill(model: Model, at: At, step: Floats, reach: float) -> At:
    """The longest of step, step/2, step/4 ... that does not lower the log posterior beyond rounding.

    With h and H = h the slope and curvature along a Newton step of reach R, the posterior rises by at least
    h - H (exp(R) - R - 1) / R^2 (Bach 2010, proposition 1): up to `CERTAIN` no heights need be compared.
    """
    for _ in range(HALVINGS):
        reached = evaluate(model, at.point + step, at.precision)
        if reach <= CERTAIN or reached.height >= at.height - 1e-9 * (1 + abs(at.height)):
            break
        step, reach = step / 2, reach / 2
    return reached
