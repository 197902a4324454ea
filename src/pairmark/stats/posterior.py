"""The likelihood of Bradley-Terry scores, its mode under a normal prior, and the curvature there.

Works on plain arrays of counts; validation is in `comparisons`, the choice of the prior in `prior`, the public fit in
`bradley_terry`.

Parameters are theta (n_items,), centred, and, if wanted, the advantage in logits of the text shown first, and the log of
the tie parameter nu. With d = theta_first - theta_second + order, the chances of a win of the first, of the second and of a tie
are to each other as exp(d / 2), exp(-d / 2) and nu (Davidson 1970, Journal of the American Statistical Association 65; the order
effect as in Davidson & Beaver 1977); without ties that is 1 / (1 + exp(-d)) for the first (Bradley & Terry 1952).

A win is worth 1, a tie 1/2. In both models the scores enter through what the first text is expected to get, and curvature is the
variance of that.
"""

import math
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
    """Counts and the shape of the parameter vector. `order_sd`, `tie_sd`: prior SD of order effect and log nu (infinite: none)."""

    n_items: int
    tally: Tally
    order_effect: bool = False
    order_sd: float = math.inf
    ties: bool = False
    tie_sd: float = math.inf

    @property
    def size(self) -> int:
        """Number of parameters."""
        return self.n_items + int(self.order_effect) + int(self.ties)

    @property
    def extra_sd(self) -> Floats:
        """Prior SD of each parameter after theta, in their order."""
        wanted = ((self.order_effect, self.order_sd), (self.ties, self.tie_sd))
        return np.array([sd for is_wanted, sd in wanted if is_wanted])


@dataclass(frozen=True)
class Curvature:
    """Gradient of the log posterior and its negative Hessian, made invertible along the constant direction."""

    gradient: Floats
    hessian: Floats
    anchor: float


def log_likelihood(model: Model, point: Floats) -> float:
    """Sum over comparisons of the log probability of what happened; without ties in the model, a tie is half a win for each."""
    logit, tally = _logits(model, point), model.tally
    if model.ties:
        log_nu = point[-1]
        whole = np.logaddexp(np.logaddexp(logit / 2, -logit / 2), log_nu)
        return float(np.sum((tally.won - tally.weight / 2) * logit + tally.tied * log_nu - tally.weight * whole))
    return -float(np.sum(tally.won * np.logaddexp(0, -logit) + (tally.weight - tally.won) * np.logaddexp(0, logit)))


def log_posterior(model: Model, point: Floats, precision: float) -> float:
    """Log likelihood plus log prior without its constants; `precision` is 1 / prior variance of theta."""
    theta, extra = point[: model.n_items], point[model.n_items :] / model.extra_sd
    penalty = float(precision * theta @ theta + extra @ extra)
    return log_likelihood(model, point) - penalty / 2


def gradient(model: Model, point: Floats, precision: float) -> Floats:
    """Derivative of the log posterior, shape (size,)."""
    chances = _chances(model, point)
    residual = model.tally.won - model.tally.weight * chances.expected
    n = model.n_items
    slope = summed(model.tally.first, residual, n) - summed(model.tally.second, residual, n)
    parts = [slope - precision * point[:n]]
    extra = point[n:] / model.extra_sd**2
    if model.order_effect:
        parts.append(np.array([residual.sum() - extra[0]]))
    if model.ties:
        parts.append(np.array([np.sum(model.tally.tied - model.tally.weight * chances.tied) - extra[-1]]))
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


def curvature(model: Model, point: Floats, precision: float) -> Curvature:
    """Gradient and negative Hessian at `point`.

    The constant direction carries no information under the sum-to-zero constraint. It gets the curvature `anchor`
    (the mean information of an item), which keeps the matrix well conditioned and is taken out of the inverse again.
    """
    n, weight = model.n_items, model.tally.weight
    chances = _chances(model, point)
    information = weight * chances.variance
    first, second = model.tally.first, model.tally.second
    diagonal = summed(first, information, n) + summed(second, information, n)
    anchor = float(diagonal.mean()) + precision
    hessian = np.full((model.size, model.size), (anchor - precision) / n)
    np.subtract.at(hessian, (first, second), information)
    np.subtract.at(hessian, (second, first), information)
    hessian[np.arange(n), np.arange(n)] += diagonal + precision
    if model.order_effect:
        hessian[:n, n] = hessian[n, :n] = summed(first, information, n) - summed(second, information, n)
        hessian[n, n] = information.sum() + 1 / model.order_sd**2
    if model.ties:
        shared = weight * chances.covariance
        hessian[:n, -1] = hessian[-1, :n] = summed(first, shared, n) - summed(second, shared, n)
        if model.order_effect:
            hessian[n, -1] = hessian[-1, n] = shared.sum()
        hessian[-1, -1] = np.sum(weight * chances.tied * (1 - chances.tied)) + 1 / model.tie_sd**2
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
    chances, weight = _chances(model, point), model.tally.weight
    moved = drift[first] - drift[second]
    variance = spread[first, first] + spread[second, second] - 2 * spread[first, second]
    if model.order_effect:
        moved = moved + drift[n]
        variance = variance + spread[n, n] + 2 * (spread[first, n] - spread[second, n])
    if not model.ties:
        return float(np.sum(weight * chances.third[0] * moved * variance))
    shared = spread[first, -1] - spread[second, -1] + (spread[n, -1] if model.order_effect else 0.0)
    scores, mixed, mixed_ties, ties = chances.third
    change = (scores * moved + mixed * drift[-1]) * variance
    change += 2 * (mixed * moved + mixed_ties * drift[-1]) * shared
    change += (mixed_ties * moved + ties * drift[-1]) * spread[-1, -1]
    return float(np.sum(weight * change))


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


@dataclass(frozen=True)
class _Chances:
    """For each pair: what the first is expected to get, its variance, the chance of a tie, and the covariance of the two.

    `third`: the third central moments of (score, score, score), (score, score, tie), (score, tie, tie) and (tie, tie, tie);
    the first alone in a model without ties.
    """

    expected: Floats
    variance: Floats
    tied: Floats
    covariance: Floats
    third: tuple[Floats, ...]


def _chances(model: Model, point: Floats) -> _Chances:
    logit = _logits(model, point)
    if not model.ties:
        expected = _probability(logit)
        variance = expected * (1 - expected)
        nothing = np.zeros(0)
        return _Chances(expected, variance, nothing, nothing, (variance * (1 - 2 * expected),))
    highest = np.maximum(np.abs(logit) / 2, point[-1])
    parts = np.exp(np.stack([logit / 2, -logit / 2, np.broadcast_to(point[-1], logit.shape)]) - highest)
    won, lost, tied = parts / parts.sum(axis=0)
    expected = won + tied / 2
    score = np.stack([1 - expected, -expected, 0.5 - expected])
    tie = np.stack([-tied, -tied, 1 - tied])
    chance = np.stack([won, lost, tied])

    def moment(*deviations: Floats) -> Floats:
        return np.asarray(np.sum(chance * np.prod(deviations, axis=0), axis=0))

    third = (moment(score, score, score), moment(score, score, tie), moment(score, tie, tie), moment(tie, tie, tie))
    return _Chances(expected, moment(score, score), tied, moment(score, tie), third)


def _probability(logit: Floats) -> Floats:
    """1 / (1 + exp(-logit)) without overflow."""
    small = np.exp(-np.abs(logit))
    return np.asarray(np.where(logit >= 0, 1, small) / (1 + small))
