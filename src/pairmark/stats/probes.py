"""Traces of the covariance of a large fit, estimated from the products of the covariance with a few random vectors.

For the search of the prior SD, which needs nothing else; errors of single scores come from `spread`.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pairmark.stats.arrays import Floats
from pairmark.stats.hessian import Hessian

MANY, SOME, FEW = 16, 8, 4  # probes; what they cost in exactness stands in docs/decisions/0016
SPARSE, DENSE = 5, 15  # rows of counts per item; below the first `MANY` are needed, from the second on `FEW` do
SEED = 2087
ENOUGH, SPARSE_ENOUGH = 1e-6, 1e-7  # relative error of each product; the SD found is off by less than 1e-6


@dataclass(frozen=True, eq=False)
class Probed:
    """Products of the covariance under the sum-to-zero constraint: with one vector that was asked for, and with the probes.

    `products` has shape (size, 1 + count); the count is the greater, the fewer rows an item has.

    Probes are random signs, the same for the same number of parameters (Hutchinson 1990, Communications in Statistics:
    Simulation and Computation 19), so that the traces do not depend on the rows and a search for a root settles.
    """

    curve: Hessian
    products: Floats

    @classmethod
    def by(cls, curve: Hessian, vector: Floats, near: Floats | None = None) -> "Probed":
        """From the curvature; `near` are the same products with another curvature nearby, which saves time only."""
        rows = len(curve.information) / curve.n_items
        count, enough = (MANY, SPARSE_ENOUGH) if rows < SPARSE else (SOME if rows < DENSE else FEW, ENOUGH)
        right = np.column_stack([vector, probes(curve.n_items, curve.size, count)])
        return cls(curve, curve.spread(right, enough, near if near is not None and near.shape == right.shape else None))

    @property
    def count(self) -> int:
        """Number of probes."""
        return int(self.products.shape[1]) - 1

    @property
    def signs(self) -> Floats:
        """The probes, shape (size, count)."""
        return probes(self.curve.n_items, self.curve.size, self.count)

    @property
    def asked(self) -> Floats:
        """The covariance times the vector that was asked for."""
        return self.products[:, 0].copy()

    def theta_trace(self) -> float:
        """Sum of the variances of the scores."""
        n = self.curve.n_items
        return float(np.sum(self.signs[:n] * self.products[:n, 1:])) / self.count

    def square(self) -> float:
        """Sum of the squared entries of the block of the scores."""
        return float(np.sum(self.products[: self.curve.n_items, 1:] ** 2)) / self.count

    def trace_with(self, change: Hessian) -> float:
        """Trace of the covariance times `change`."""
        return float(np.sum(self.signs * change.times(self.products)[:, 1:])) / self.count


@lru_cache(maxsize=8)
def probes(n_items: int, size: int, count: int) -> Floats:
    """Random signs, shape (size, count).

    Those of the scores are half +1 and half -1 in random order, centred, and of the squared length n_items - 1: then the
    trace is right on the mean over orders, and exact where the data say nothing, so that there, too, the slope is 0 somewhere.
    """
    signs = np.empty((size, count))
    signs[:] = np.where(np.arange(size) % 2, -1.0, 1.0)[:, None]
    rng = np.random.default_rng(SEED)
    theta = rng.permuted(signs[:n_items] - signs[:n_items].mean(axis=0), axis=0)
    signs[:n_items] = theta * np.sqrt((n_items - 1) / np.sum(theta**2, axis=0))
    signs[n_items:] = rng.choice([-1.0, 1.0], (size - n_items, count))
    signs.flags.writeable = False
    return signs
