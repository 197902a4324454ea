"""The mode of the posterior for a known prior, by Newton's method with step halving.

Height, slope and curvature come from `posterior`; the choice of the prior is in `prior`.
"""

import numpy as np

from pairmark.stats.arrays import Floats
from pairmark.stats.errors import NotConvergedError
from pairmark.stats.hessian import DENSE_UP_TO
from pairmark.stats.posterior import At, Model, centred, evaluate, gradient, hessian

MAX_STEPS = 100
HALVINGS = 30
TOLERANCE = 1e-10  # logits; the error at which the mode counts as reached
LARGE_TOLERANCE = 1e-8  # logits; the same where steps are inexact
INEXACT = 1e-3  # relative error of a step by conjugate gradients


def mode(model: Model, start: Floats, precision: float, tolerance: float = TOLERANCE) -> Floats:
    """Maximise the log posterior from `start`, shape (size,).

    Small systems are solved exactly. In large ones each step has the relative error `INEXACT` (Dembo, Eisenstat &
    Steihaug 1982), so a step that small leaves an error smaller by that factor. Raises `NotConvergedError` if the
    mode is not reached within `MAX_STEPS`.
    """
    exact = model.size <= DENSE_UP_TO
    enough = tolerance if exact else max(tolerance, LARGE_TOLERANCE) / INEXACT
    at = evaluate(model, start, precision)
    for _ in range(MAX_STEPS):
        # Along the constant direction the Hessian holds its anchor instead of the prior: no step may go there.
        step = centred(model, hessian(model, at, precision).solve(gradient(model, at, precision), INEXACT))
        at = _uphill(model, at, step, precision)
        if float(np.abs(step).max()) <= enough:
            return centred(model, at.point)
    raise NotConvergedError(f"The scores did not settle within {MAX_STEPS} Newton steps.")


def _uphill(model: Model, at: At, step: Floats, precision: float) -> At:
    """The longest of step, step/2, step/4 ... that does not lower the log posterior beyond rounding."""
    slack = 1e-9 * (1 + abs(at.height))
    for _ in range(HALVINGS):
        reached = evaluate(model, at.point + step, precision)
        if reached.height >= at.height - slack:
            break
        step = step / 2
    return reached
