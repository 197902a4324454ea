"""Model and mode of a finished fit, and what follows from the curvature there: errors, covariance, draws.

Computed when asked for, with one BLAS thread so that the bits repeat. Items are in sorted order here; `fitted.Fit`
puts them into the order of the caller.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pairmark.stats.arrays import Floats
from pairmark.stats.posterior import Model
from pairmark.stats.spread import FULL_UP_TO, Full, Itemwise, Spread, drawn_spread, full_spread
from pairmark.stats.threads import one_blas_thread


@dataclass(frozen=True, eq=False)
class Solution:
    """The mode `point` (size,) of `model` under the prior `precision`; `known` is a spread there that is known already."""

    model: Model
    point: Floats
    precision: float
    known: Spread | None = None

    @cached_property
    def spread(self) -> Spread:
        """The covariance, in full up to `FULL_UP_TO` items."""
        if isinstance(self.known, Full | Itemwise):
            return self.known
        with one_blas_thread():
            make = full_spread if self.model.n_items <= FULL_UP_TO else drawn_spread
            return make(self.model, self.point, self.precision)

    @cached_property
    def errors(self) -> Floats:
        """Standard error of every parameter, shape (size,)."""
        errors = np.sqrt(self.spread.variances())
        errors.flags.writeable = False
        return errors

    def matrix(self) -> Floats:
        """The covariance of the scores, shape (n_items, n_items)."""
        n = self.model.n_items
        if isinstance(self.spread, Itemwise):
            return np.diag(self.spread.variances())
        if isinstance(self.spread, Full):
            return self.spread.matrix[:n, :n]
        return full_spread(self.model, self.point, self.precision).matrix

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
        """Joint draws of all parameters around the mode, of mean 0, shape (size, count)."""
        if not isinstance(self.spread, Full):
            return self._far_draws(count, seed)
        n, matrix = self.model.n_items, self.spread.matrix.copy()
        matrix[:n, :n] += np.trace(matrix[:n, :n]) / n  # room along the constant direction, centred away below
        with one_blas_thread():
            draws = np.linalg.cholesky(matrix) @ np.random.default_rng(seed).standard_normal((len(matrix), count))
        draws[:n] -= draws[:n].mean(axis=0)
        return np.asarray(draws)

    def _far_draws(self, count: int, seed: int) -> Floats:
        if isinstance(self.spread, Itemwise):
            noise = np.random.default_rng(seed).standard_normal((self.model.size, count))
            return self.errors[:, None] * noise
        return drawn_spread(self.model, self.point, self.precision, count, seed).draws
