"""The likelihood of Bradley-Terry scores, its mode under a normal prior, and the curvature there.

Works on plain arrays of counts; validation is in `comparisons`, the choice of the prior in `prior`, the public fit in
`bradley_terry`.

Parameters are theta (n_items,), centred, and, if an order effect is wanted, one more: the advantage in logits of the
text shown first. P(first wins) = 1 / (1 + exp(-(theta_first - theta_second + order))) (Bradley & Terry 1952; the order
effect as in Davidson & Beaver 1977).
"""

from dataclasses import dataclass

import numpy as np

from pairmark.stats.arrays import Floats, summed
from pairmark.stats.errors import NotConvergedError
from pairmark.stats.positive_definite import inverse, solve
from pairmark.stats.tally import Tally

MAX_STEPS = 100
HALVINGS = 30
TOLERANCE = 1e-10  # logits; largest step at which the mode counts as reached


@dataclass(frozen=True)
class Model:
    """Counts and the shape of the parameter vector. `order_sd` is the prior SD of the order effect (infinite: none)."""

    n_items: int
    tally: Tally
    order_effect: bool
    order_sd: float

    @property
    def size(self) -> int:
        """Number of parameters."""
        return self.n_items + int(self.order_effect)


@dataclass(frozen=True)
class Curvature:
    """Gradient of the log posterior and its negative Hessian, made invertible along the constant direction."""

    gradient: Floats
    hessian: Floats
    anchor: float


def log_likelihood(model: Model, point: Floats) -> float:
    """Sum over comparisons of the log probability of what happened; a tie is half a win for each side."""
    logit = _logits(model, point)
    won, weight = model.tally.won, model.tally.weight
    return -float(np.sum(won * np.logaddexp(0, -logit) + (weight - won) * np.logaddexp(0, logit)))


def log_posterior(model: Model, point: Floats, precision: float) -> float:
    """Log likelihood plus log prior without its constants; `precision` is 1 / prior variance of theta."""
    theta, order = point[: model.n_items], point[model.n_items :]
    penalty = float(precision * theta @ theta + order @ order / model.order_sd**2)
    return log_likelihood(model, point) - penalty / 2


def gradient(model: Model, point: Floats, precision: float) -> Floats:
    """Derivative of the log posterior, shape (size,)."""
    residual = model.tally.won - model.tally.weight * _probability(_logits(model, point))
    n = model.n_items
    slope = summed(model.tally.first, residual, n) - summed(model.tally.second, residual, n)
    slope = slope - precision * point[:n]
    if model.order_effect:
        return np.append(slope, residual.sum() - point[n] / model.order_sd**2)
    return slope


def curvature(model: Model, point: Floats, precision: float) -> Curvature:
    """Gradient and negative Hessian at `point`.

    The constant direction carries no information under the sum-to-zero constraint. It gets the curvature `anchor`
    (the mean information of an item), which keeps the matrix well conditioned and is taken out of the inverse again.
    """
    n = model.n_items
    probability = _probability(_logits(model, point))
    information = model.tally.weight * probability * (1 - probability)
    first, second = model.tally.first, model.tally.second
    diagonal = summed(first, information, n) + summed(second, information, n)
    anchor = float(diagonal.mean()) + precision
    hessian = np.full((model.size, model.size), (anchor - precision) / n)
    np.subtract.at(hessian, (first, second), information)
    np.subtract.at(hessian, (second, first), information)
    hessian[np.arange(n), np.arange(n)] += diagonal + precision
    if model.order_effect:
        cross = summed(first, information, n) - summed(second, information, n)
        hessian[:n, n] = hessian[n, :n] = cross
        hessian[n, n] = information.sum() + 1 / model.order_sd**2
    return Curvature(gradient(model, point, precision), hessian, anchor)


def covariance(model: Model, point: Floats, precision: float) -> Floats:
    """Inverse negative Hessian under the sum-to-zero constraint, shape (size, size); its theta rows sum to 0."""
    at = curvature(model, point, precision)
    full = inverse(at.hessian)
    full[: model.n_items, : model.n_items] -= 1 / (at.anchor * model.n_items)
    return full


def curvature_drift(model: Model, point: Floats, spread: Floats, drift: Floats) -> float:
    """trace(spread @ d hessian), the change of the Hessian when `point` moves along `drift`."""
    first, second, n = model.tally.first, model.tally.second, model.n_items
    probability = _probability(_logits(model, point))
    third = model.tally.weight * probability * (1 - probability) * (1 - 2 * probability)
    moved = drift[first] - drift[second]
    variance = spread[first, first] + spread[second, second] - 2 * spread[first, second]
    if model.order_effect:
        moved = moved + drift[n]
        variance = variance + spread[n, n] + 2 * (spread[first, n] - spread[second, n])
    return float(np.sum(third * moved * variance))


def mode(model: Model, start: Floats, precision: float, tolerance: float = TOLERANCE) -> Floats:
    """Maximise the log posterior by Newton's method with step halving.

    Raises `NotConvergedError` if the largest step is still above `tolerance` after `MAX_STEPS`.
    """
    point, height = start, log_posterior(model, start, precision)
    for _ in range(MAX_STEPS):
        at = curvature(model, point, precision)
        step = solve(at.hessian, at.gradient)
        point, height = _uphill(model, point, step, precision, height)
        if float(np.abs(step).max()) <= tolerance:
            return centred(model, point)
    raise NotConvergedError(f"The scores did not settle within {MAX_STEPS} Newton steps.")


def centred(model: Model, point: Floats) -> Floats:
    """`point` with theta shifted to mean 0."""
    moved = point.copy()
    moved[: model.n_items] -= moved[: model.n_items].mean()
    return moved


def _uphill(model: Model, point: Floats, step: Floats, precision: float, height: float) -> tuple[Floats, float]:
    """The longest of step, step/2, step/4 ... that does not lower the log posterior beyond rounding."""
    slack = 1e-9 * (1 + abs(height))
    for _ in range(HALVINGS):
        reached = log_posterior(model, point + step, precision)
        if reached >= height - slack:
            break
        step = step / 2
    return point + step, reached


def _logits(model: Model, point: Floats) -> Floats:
    logit = point[model.tally.first] - point[model.tally.second]
    return logit + point[model.n_items] if model.order_effect else logit


def _probability(logit: Floats) -> Floats:
    """1 / (1 + exp(-logit)) without overflow."""
    small = np.exp(-np.abs(logit))
    return np.asarray(np.where(logit >= 0, 1, small) / (1 + small))
