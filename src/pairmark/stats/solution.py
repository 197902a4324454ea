"""Model and mode of a finished fit, and what follows from the curvature there: errors, covariance, draws.

Computed when asked for, with one BLAS thread so that the bits repeat. Items are in sorted order here; `fitted.Fit`
puts them into the order of the caller.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pairmark.stats.arrays import Floats
from pairmark.stats.calibrated import Calibrated, Part, calibrated
from pairmark.stats.posterior import Model, evaluate
from pairmark.stats.prior import Settled
from pairmark.stats.spread import Drawn, Full, Itemwise, Spread, full_spread, redrawn, spread_of
from pairmark.stats.threads import one_blas_thread


@dataclass(frozen=True, eq=False)
class Solution:
    """The mode `point` (size,) of `model` under the prior `precision`.

    `known` is the spread by the curvature at the mode, if it is known already. `information` is that about the log
    variance of the prior, if that was estimated, and `settled` the end of the search for it, for a later search to begin
    with. `averaged`: errors are those of `calibrated`, not of the curvature at the mode.
    """

    model: Model
    point: Floats
    precision: float
    known: Spread | None = None
    information: float | None = None
    averaged: bool = False
    settled: Settled | None = None

    @cached_property
    def log_likelihood(self) -> float:
        """Without prior and constants."""
        return evaluate(self.model, self.point, 0.0).log_likelihood

    @cached_property
    def curvature(self) -> Spread:
        """The covariance by the curvature at the mode, in full up to `FULL_UP_TO` items."""
        if isinstance(self.known, Full | Itemwise):
            return self.known
        with one_blas_thread():
            return spread_of(self.model, evaluate(self.model, self.point, self.precision), self.precision)

    @cached_property
    def _calibrated(self) -> Calibrated:
        with one_blas_thread():
            return calibrated(self.model, self.point, self.precision, self.information, self.known)

    @property
    def spread(self) -> Spread:
        """The covariance that errors are taken from, in full up to `FULL_UP_TO` items."""
        return self._calibrated.spread if self.averaged else self.curvature

    @property
    def extra(self) -> Floats:
        """Order effects and log nu as they are reported, shape (n_extras,)."""
        if self.averaged and self.model.n_extras:
            return self._calibrated.extra
        return self.point[self.model.n_items :]

    @property
    def offset(self) -> Floats:
        """The posterior mean seen from the mode, shape (size,); 0 where errors are those of the curvature at the mode."""
        return self._calibrated.offset if self.averaged else np.zeros(self.model.size)

    @cached_property
    def errors(self) -> Floats:
        """Standard error of every parameter, shape (size,)."""
        errors = np.sqrt(self.spread.variances())
        errors.flags.writeable = False
        return errors

    def matrix(self) -> Floats:
        """The covariance of the scores, shape (n_items, n_items)."""
        return self._matrix(self.spread)

    def mode_matrix(self) -> Floats:
        """The covariance of the scores by the curvature at the mode, shape (n_items, n_items)."""
        return self._matrix(self.curvature)

    def _matrix(self, spread: Spread) -> Floats:
        n = self.model.n_items
        if isinstance(spread, Itemwise):
            return np.diag(spread.variances())
        if isinstance(spread, Full):
            return spread.matrix[:n, :n]
        return full_spread(self.model, self.point, self.precision).matrix

    def times(self, theta: Floats) -> Floats:
        """The covariance of the scores times `theta`, shape (n_items,)."""
        n = self.model.n_items
        return np.asarray(self.spread.times(np.concatenate([theta, np.zeros(self.model.size - n)]))[:n])

    def difference_error(self, first: int, second: int) -> float:
        """Standard error of the difference of two scores."""
        contrast = np.zeros(self.model.size)
        contrast[first] += 1
        contrast[second] -= 1
        return math.sqrt(max(float(contrast @ self.spread.times(contrast)), 0.0))

    def mean_order_error(self) -> float:
        """Standard error of the mean of the order effects."""
        n, orders = self.model.n_items, self.model.n_orders
        mean = np.zeros(self.model.size)
        mean[n : n + orders] = 1 / orders
        return math.sqrt(float(mean @ self.spread.times(mean)))

    def draws(self, count: int, seed: int) -> Floats:
        """Joint draws of all parameters, seen from the reported point, shape (size, count)."""
        if not isinstance(self.spread, Full):
            return self._far_draws(count, seed)
        rng, size, n = np.random.default_rng(seed), self.model.size, self.model.n_items
        parts = (self._calibrated.parts if self.averaged else ()) or (Part(1.0, np.zeros(size), self.spread),)
        chosen = np.searchsorted(np.cumsum([part.share for part in parts])[:-1], rng.random(count), side="right")
        draws = rng.standard_normal((size, count))
        with one_blas_thread():
            for number, part in enumerate(parts):
                mine, matrix = chosen == number, part.spread.matrix.copy()
                matrix[:n, :n] += np.trace(matrix[:n, :n]) / n  # room along the constant direction, centred away below
                draws[:, mine] = part.offset[:, None] + np.linalg.cholesky(matrix) @ draws[:, mine]
        draws[:n] -= draws[:n].mean(axis=0)
        return draws

    def _far_draws(self, count: int, seed: int) -> Floats:
        rng = np.random.default_rng(seed)
        if not isinstance(self.spread, Drawn):
            return np.asarray(self.errors[:, None] * rng.standard_normal((self.model.size, count)))
        draws = redrawn(self.spread, self.point, self.precision, count, seed)
        for vector in self.spread.more:
            draws += np.outer(vector, rng.standard_normal(count))
        return draws
