"""How far the parameters may be from the mode: the covariance in full, or what draws of it tell when it is too large.

The sum-to-zero constraint holds throughout. Which of the two is used is decided here by size only, so that results do
not depend on the machine. The curvature comes from `posterior`.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pairmark.stats.arrays import Floats, summed
from pairmark.stats.errors import StatsError
from pairmark.stats.hessian import Hessian
from pairmark.stats.posterior import Around, At, Model, evaluate, hessian

FULL_UP_TO = 2500  # items; the full covariance of so many takes 50 MB and about a second
DRAWS = 100
DRAW_ERROR = 1e-3  # relative error of each draw; far below the noise of drawing
BLOCK = 8  # draws made at once, which bounds the memory
PART = 500_000  # rows whose noise is held at once, which does, too
SEED = 2087


@dataclass(frozen=True)
class Full:
    """The covariance as a matrix, shape (size, size)."""

    model: Model
    matrix: Floats

    def variances(self) -> Floats:
        """Variance of each parameter, shape (size,)."""
        return np.diag(self.matrix).copy()

    def times(self, vectors: Floats, tolerance: float = 0.0) -> Floats:
        """The covariance times `vectors`."""
        return np.asarray(self.matrix @ vectors)

    def square(self) -> float:
        """Sum of the squared entries of the theta block."""
        block = self.matrix[: self.model.n_items, : self.model.n_items]
        return float(np.vdot(block, block))

    def theta_trace(self) -> float:
        """Sum of the variances of the scores."""
        return float(np.trace(self.matrix[: self.model.n_items, : self.model.n_items]))

    def trace_with(self, change: Hessian) -> float:
        """Trace of the covariance times `change`."""
        return float(np.vdot(self.matrix, change.dense()))

    def of_rows(self) -> Floats:
        """Variance of the logit difference of every row."""
        rows, n, spread = self.model.tally, self.model.n_items, self.matrix
        first, second = rows.first, rows.second
        variance = spread[first, first] + spread[second, second] - 2 * spread[first, second]
        if self.model.n_orders:
            order = n + rows.group
            variance = variance + spread[order, order] + 2 * (spread[first, order] - spread[second, order])
        return np.asarray(variance)


@dataclass(frozen=True)
class Drawn:
    """The covariance as known from `draws`, shape (size, n_draws), of mean 0; products with it are exact.

    Draws come from perturbed right sides of the linear system (Papandreou & Yuille 2010): noise on every row of the
    data and on the prior, weighted by the root of its information. Variances are taken from them after conditioning
    each parameter on all others (Sidén, Lindgren, Bolin & Villani 2018, Journal of Computational and Graphical
    Statistics 27): only the part that comes from the others is left to chance. With 20 comparisons per item that
    leaves a relative error of the standard error below 1 %; in a pure chain it is 1 / sqrt(2 n_draws). `more` are vectors
    (size,) whose products with themselves are added to the covariance.
    """

    model: Model
    curve: Hessian
    draws: Floats
    more: tuple[Floats, ...] = ()

    def variances(self) -> Floats:
        """Variance of each parameter, shape (size,)."""
        n, own, constant = self.model.n_items, self.curve.own, 1 / (self.curve.n_items * self.curve.anchor)
        from_others = own[:, None] * self.draws - self.curve.times(self.draws)
        variance = 1 / own + np.mean(from_others**2, axis=1) / own**2
        variance[:n] += constant * ((1 - self.curve.anchor / own[:n]) ** 2 - 1)
        return np.asarray(variance + sum(vector**2 for vector in self.more))

    def times(self, vectors: Floats, tolerance: float = 1e-10) -> Floats:
        """The covariance times `vectors`, to the relative `tolerance`."""
        product = self.curve.spread(vectors, tolerance)
        for vector in self.more:
            product = product + vector * float(vector @ vectors)
        return product

    def square(self) -> float:
        """Sum of the squared entries of the theta block: the mean squared product of two different draws."""
        theta = self.draws[: self.model.n_items]
        products = np.einsum("ik,il->kl", theta, theta) ** 2
        count = products.shape[0]
        return float((products.sum() - np.trace(products)) / (count * (count - 1)))

    def of_rows(self) -> Floats:
        """Variance of the logit difference of every row."""
        rows, n = self.model.tally, self.model.n_items
        variance = np.zeros(len(rows.first))
        for draw in self.draws.T:
            moved = draw[rows.first] - draw[rows.second]
            if self.model.n_orders:
                moved += draw[n + rows.group]
            variance += moved**2
        return np.asarray(variance / self.draws.shape[1])


@dataclass(frozen=True)
class Itemwise:
    """Variances only, as if the parameters had nothing to do with each other; for `sirt` alone."""

    variance: Floats

    def variances(self) -> Floats:
        """Variance of each parameter."""
        return self.variance

    def times(self, vectors: Floats) -> Floats:
        """The diagonal covariance times a vector."""
        return self.variance * vectors


Spread = Full | Drawn | Itemwise


def full_spread(model: Model, point: Floats, precision: float) -> Full:
    """The full covariance; refused above `FULL_UP_TO` items."""
    if model.n_items > FULL_UP_TO:
        raise StatsError(
            f"The covariance of {model.n_items:,} items does not fit into memory; ask for standard errors, "
            "for the error of a difference, or for draws instead."
        )
    return Full(model, hessian(model, evaluate(model, point, precision), precision).inverse())


def spread_of(model: Model, at: At | Around, precision: float, count: int = DRAWS, seed: int = SEED) -> Full | Drawn:
    """The spread by the curvature at a point or averaged around it; in full up to `FULL_UP_TO` items."""
    if model.n_items <= FULL_UP_TO:
        return Full(model, hessian(model, at, precision).inverse())
    return drawn_by(model, at, precision, count, seed)


def redrawn(spread: Drawn, point: Floats, precision: float, count: int, seed: int) -> Floats:
    """New draws of mean 0 by the curvature at `point`, shape (size, count)."""
    return drawn_spread(spread.model, point, precision, count, seed).draws


def drawn_spread(model: Model, point: Floats, precision: float, count: int = DRAWS, seed: int = SEED) -> Drawn:
    """The spread at a point near the mode, by `count` draws; the same draws for the same data."""
    return drawn_by(model, evaluate(model, point, precision), precision, count, seed)


def drawn_by(model: Model, at: At | Around, precision: float, count: int = DRAWS, seed: int = SEED) -> Drawn:
    """The spread by the curvature at a point or averaged around it, by `count` draws."""
    curve = hessian(model, at, precision)
    draws = curve.solve(_perturbations(model, at, precision, count, seed), DRAW_ERROR)
    draws[: model.n_items] -= draws[: model.n_items].mean(axis=0)
    return Drawn(model, curve, draws)


def _perturbations(model: Model, at: At | Around, precision: float, count: int, seed: int) -> Floats:
    """Random right sides whose covariance is the Hessian without its anchor, shape (size, count)."""
    noise = _Noise.of(model, at)
    right = np.empty((model.size, count))
    for begin in range(0, count, BLOCK):
        block = slice(begin, min(begin + BLOCK, count))
        width = block.stop - begin
        rng = np.random.default_rng([seed, begin])
        right[:, block] = noise.draw(rng, width)
        prior = np.sqrt(precision) * rng.standard_normal((model.n_items, width))
        right[: model.n_items, block] += prior - prior.mean(axis=0)
        if model.n_extras and model.extra_precision.any():
            root = np.linalg.cholesky(model.extra_precision)
            right[model.n_items :, block] += root @ rng.standard_normal((model.n_extras, width))
    return right


@dataclass(frozen=True)
class _Noise:
    """Roots of the information of every row: of d, and with ties of log nu given d."""

    model: Model
    of_d: Floats
    shared: Floats | None
    of_nu: Floats | None

    @classmethod
    def of(cls, model: Model, at: At | Around) -> "_Noise":
        weight, shared, of_nu = model.tally.weight, at.chances.shared, at.chances.tie_variance
        of_d = np.sqrt(weight * at.chances.variance)
        if shared is None or of_nu is None:
            return cls(model, of_d, None, None)
        with np.errstate(divide="ignore", invalid="ignore"):
            shared = np.nan_to_num(weight * shared / of_d, posinf=0.0, neginf=0.0)
        return cls(model, of_d, shared, np.sqrt(np.maximum(weight * of_nu - shared**2, 0)))

    def draw(self, rng: np.random.Generator, count: int) -> Floats:
        right = np.zeros((self.model.size, count))
        n, orders, group = self.model.n_items, self.model.n_orders, self.model.tally.group
        for part, incidence in zip(self._parts, self._incidence, strict=True):
            of_d = self.of_d[part]
            noise = rng.standard_normal((len(of_d), count))
            right[:n] += incidence @ noise
            for k in range(count if orders else 0):
                right[n : n + orders, k] += summed(group[part], of_d * noise[:, k], orders)
            if self.shared is not None:
                right[-1] += np.einsum("r,rk->k", self.shared[part], noise)
        if self.of_nu is None:
            return right
        for part in self._parts:
            of_nu = self.of_nu[part]
            right[-1] += np.einsum("r,rk->k", of_nu, rng.standard_normal((len(of_nu), count)))
        return right

    @property
    def _parts(self) -> list[slice]:
        return [slice(begin, begin + PART) for begin in range(0, len(self.of_d), PART)]

    @cached_property
    def _incidence(self) -> list[Any]:
        """Of each part, +root at the first item and -root at the second item of each row."""
        from scipy.sparse import csc_array  # noqa: PLC0415 - slow to import, not needed for small fits

        found, rows = [], self.model.tally
        for part in self._parts:
            ends = np.stack([rows.first[part], rows.second[part]], axis=1).ravel()
            roots = np.stack([self.of_d[part], -self.of_d[part]], axis=1).ravel()
            begins = 2 * np.arange(len(roots) // 2 + 1)
            found.append(csc_array((roots, ends, begins), shape=(self.model.n_items, len(roots) // 2)))
        return found
