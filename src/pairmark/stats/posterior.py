"""The likelihood of scores, order effects and ties under a normal prior: height, slope and curvature at a point.

Works on plain arrays of counts; validation is in `comparisons`, finding the mode in `newton`, the choice of the prior in
`prior`, the public fit in `bradley_terry`, the probabilities of one comparison in `davidson`.

A point holds theta (n_items,), centred; then order effects (n_orders,), the advantage in logits of the text shown first,
one for all or one per judge; then log nu if ties are modelled. The order effect adds to the logit difference (Davidson &
Beaver 1977, Biometrics 33).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pairmark.stats.arrays import Floats, summed
from pairmark.stats.davidson import FARTHEST, Averages, Chances, averages, chances, chances_by_strength, third_moments
from pairmark.stats.hessian import Hessian
from pairmark.stats.incidence import Incidence
from pairmark.stats.tally import Tally


@dataclass(frozen=True)
class Model:
    """Counts and the shape of the parameter vector; `extra_precision` is the prior precision of all but theta."""

    n_items: int
    tally: Tally
    n_orders: int
    ties: bool
    extra_precision: Floats

    @property
    def size(self) -> int:
        """Number of parameters."""
        return self.n_items + self.n_extras

    @property
    def n_extras(self) -> int:
        """Number of parameters besides theta."""
        return self.n_orders + int(self.ties)

    @property
    def incidence(self) -> Incidence:
        """Which items the rows of the tally compare."""
        return self.tally.incidence


@dataclass(frozen=True, eq=False)
class At:
    """The model at one point with the chances of every row; `precision` is 1 / prior variance of theta."""

    model: Model
    point: Floats
    precision: float
    chances: Chances

    @cached_property
    def log_likelihood(self) -> float:
        """Without constants. Without `ties` a tie counts as half a win for each side."""
        rows, logit = self.model.tally, logits(self.model, self.point)
        with np.errstate(divide="ignore"):  # no chance at all for either side leaves no likelihood
            likelihood = float(np.sum(rows.excess * logit - rows.weight * self.chances.log_normaliser(logit)))
        return likelihood + (float(self.point[-1] * rows.tied.sum()) if self.model.ties else 0.0)

    @cached_property
    def height(self) -> float:
        """Log posterior, without constants."""
        theta, extra = self.point[: self.model.n_items], self.point[self.model.n_items :]
        penalty = self.precision * float(np.sum(theta**2)) + float(extra @ self.model.extra_precision @ extra)
        return self.log_likelihood - penalty / 2


@dataclass(frozen=True)
class Around:
    """What every row says, averaged over a normal distribution around a point whose logit differences are `logit`."""

    point: Floats
    logit: Floats
    chances: Averages


def evaluate(model: Model, point: Floats, precision: float) -> At:
    """The model at `point`; `precision` is 1 / prior variance of theta."""
    if model.n_extras or float(np.abs(point).max()) > FARTHEST:
        now = chances(logits(model, point), float(point[-1]) if model.ties else None)
    else:
        now = chances_by_strength(point, model.tally.first, model.tally.second)
    return At(model, point, precision, now)


def average(model: Model, point: Floats, variance: Floats) -> Around:
    """The moments averaged over logit differences with this variance around those of `point`."""
    logit, log_nu = logits(model, point), float(point[-1]) if model.ties else None
    return Around(point, logit, averages(logit, variance, log_nu))


def gradient(model: Model, at: At | Around, precision: float) -> Floats:
    """Derivative of the log posterior, shape (size,)."""
    rows, n = model.tally, model.n_items
    residual = rows.excess - rows.weight * at.chances.mean
    slope = model.incidence.balances(residual) - precision * at.point[:n]
    if not model.n_extras:
        return slope
    extra = -model.extra_precision @ at.point[n:]
    if model.n_orders:
        extra[: model.n_orders] += summed(rows.group, residual, model.n_orders)
    if at.chances.tie is not None:
        extra[-1] += float(np.sum(rows.tied - rows.weight * at.chances.tie))
    return np.concatenate([slope, extra])


def hessian(model: Model, at: At | Around, precision: float) -> Hessian:
    """Negative second derivative of the log posterior."""
    weight, now = model.tally.weight, at.chances
    shared = None if now.shared is None else weight * now.shared
    of_nu = None if now.tie_variance is None else weight * now.tie_variance
    information = weight * now.variance
    diagonal, border, corner = _blocks(model, information, shared, of_nu)
    anchor = float(diagonal.mean()) + precision
    corner += model.extra_precision
    return Hessian(model.incidence, information, diagonal + precision, border, corner, anchor, precision)


def curvature_change(model: Model, at: At, drift: Floats) -> Hessian:
    """Derivative of the Hessian when the point moves along `drift`."""
    weight, (xxx, xxt, xtt, ttt) = model.tally.weight, third_moments(at.chances)
    moved, moved_nu = logits(model, drift), float(drift[-1]) if model.ties else 0.0
    information = weight * (xxx * moved + xxt * moved_nu)
    shared = weight * (xxt * moved + xtt * moved_nu) if model.ties else None
    of_nu = weight * (xtt * moved + ttt * moved_nu) if model.ties else None
    return Hessian(model.incidence, information, *_blocks(model, information, shared, of_nu), 0.0, 0.0)


def _blocks(
    model: Model, information: Floats, shared: Floats | None, of_nu: Floats | None
) -> tuple[Floats, Floats, Floats]:
    """Diagonal, border and corner from what every row says about d, about d with log nu, and about log nu."""
    rows, n, orders = model.tally, model.n_items, model.n_orders
    border, corner = np.zeros((n, model.n_extras)), np.zeros((model.n_extras, model.n_extras))
    if orders:
        for end, sign in ((rows.first, 1.0), (rows.second, -1.0)):
            border[:, :orders] += sign * summed(end * orders + rows.group, information, n * orders).reshape(n, orders)
        corner[np.arange(orders), np.arange(orders)] += summed(rows.group, information, orders)
    if shared is not None and of_nu is not None:
        border[:, -1] = model.incidence.balances(shared)
        corner[-1, -1] += float(np.sum(of_nu))
        if orders:
            crossing = summed(rows.group, shared, orders)
            corner[:orders, -1] += crossing
            corner[-1, :orders] += crossing
    return model.incidence.totals(information), border, corner


def centred(model: Model, point: Floats) -> Floats:
    """`point` with theta shifted to mean 0."""
    moved = point.copy()
    moved[: model.n_items] -= moved[: model.n_items].mean()
    return moved


def logits(model: Model, point: Floats) -> Floats:
    """The logit difference d of every row; linear in `point`. A last axis of `point` for several points is kept."""
    rows = model.tally
    logit = model.incidence.differences(point)
    return logit + point[model.n_items + rows.group] if model.n_orders else logit
