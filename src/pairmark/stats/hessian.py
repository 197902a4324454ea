"""The negative Hessian of the log posterior, kept by its pairs: solved densely when small, by conjugate gradients else.

How it comes about is in `posterior`; dense linear algebra is in `positive_definite`.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from pairmark.stats import positive_definite
from pairmark.stats.arrays import Floats
from pairmark.stats.errors import NotConvergedError
from pairmark.stats.incidence import Incidence

if TYPE_CHECKING:
    from collections.abc import Callable

DENSE_UP_TO = 300  # parameters; above, one solution by conjugate gradients takes less time than by Cholesky factors
FACTORED_UP_TO = (
    3000  # parameters; up to here, Cholesky factors are the way out where conjugate gradients do not settle
)
TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class Hessian:
    """Second derivatives, made invertible along the constant direction.

    theta block: `diagonal` minus `information` at both places of the two items of each row. `border` (n_items, n_extras) and
    `corner` (n_extras, n_extras) belong to the other parameters. The constant direction carries no information under
    the sum-to-zero constraint. It gets the curvature `anchor` (the mean information of an item), which keeps the
    matrix well conditioned and is taken out of every inverse again.
    """

    incidence: Incidence
    information: Floats
    diagonal: Floats
    border: Floats
    corner: Floats
    anchor: float
    precision: float

    @property
    def n_items(self) -> int:
        """Number of scores."""
        return self.incidence.n_items

    @property
    def size(self) -> int:
        """Number of parameters."""
        return self.n_items + len(self.corner)

    @cached_property
    def own(self) -> Floats:
        """The diagonal of the whole matrix, anchor included."""
        theta = self.diagonal + self._fill
        return np.concatenate([theta, np.diag(self.corner)]) if len(self.corner) else theta

    @cached_property
    def _fill(self) -> float:
        return (self.anchor - self.precision) / self.n_items

    def dense(self) -> Floats:
        """The whole matrix, shape (size, size)."""
        n = self.n_items
        matrix = np.empty((self.size, self.size))
        matrix[:n, :n] = self._fill
        first, second = self.incidence.first, self.incidence.second
        np.subtract.at(matrix, (first, second), self.information)
        np.subtract.at(matrix, (second, first), self.information)
        matrix[np.arange(n), np.arange(n)] += self.diagonal
        matrix[:n, n:], matrix[n:, :n], matrix[n:, n:] = self.border, self.border.T, self.corner
        return matrix

    def times(self, vectors: Floats) -> Floats:
        """The matrix times `vectors`, shape (size,) or (size, k)."""
        n, across, back = len(self.diagonal), *self._sparse
        theta = vectors if len(vectors) == n else vectors[:n]
        product = np.multiply(self.diagonal if vectors.ndim == 1 else self.diagonal[:, None], theta)
        product += self._fill * np.einsum("i...->...", theta)
        product -= across @ theta
        product -= back @ theta
        if theta is vectors:
            return product
        extra = vectors[n:]
        return np.concatenate([product + self.border @ extra, self.border.T @ theta + self.corner @ extra])

    @cached_property
    def _sparse(self) -> tuple[Any, Any]:
        """The information per row at the places of its items, and the transpose."""
        return self.incidence.matrices(self.information)

    def solve(self, vectors: Floats, tolerance: float = 1e-10, near: Floats | None = None) -> Floats:
        """x with H x = `vectors`, shape (size,) or (size, k); above `DENSE_UP_TO` to the relative `tolerance`.

        `near` is where the search for x begins; it saves time only.
        """
        if self.size <= DENSE_UP_TO:
            return positive_definite.solve(self.dense(), vectors)
        try:
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                return _conjugate_gradients(self.times, vectors, self.own, tolerance, near)
        except NotConvergedError:
            if self.size > FACTORED_UP_TO:
                raise
            return positive_definite.solve(self.dense(), vectors)

    def spread(self, vectors: Floats, tolerance: float = 1e-10, near: Floats | None = None) -> Floats:
        """The covariance under the sum-to-zero constraint times `vectors`."""
        moved = self.solve(vectors, tolerance, near)
        moved[: self.n_items] -= vectors[: self.n_items].sum(axis=0) / (self.anchor * self.n_items)
        return moved

    def inverse(self) -> Floats:
        """The covariance under the sum-to-zero constraint, shape (size, size); its theta rows sum to 0."""
        full = positive_definite.inverse(self.dense())
        full[: self.n_items, : self.n_items] -= 1 / (self.anchor * self.n_items)
        return full


def _conjugate_gradients(
    times: "Callable[[Floats], Floats]", right: Floats, own: Floats, tolerance: float, near: Floats | None = None
) -> Floats:
    """Conjugate gradients with the diagonal as preconditioner (Hestenes & Stiefel 1952), several right sides at once.

    Stops when each residual, in the norm of the preconditioner, has shrunk to `tolerance` of its right side.
    """
    scale = 1 / (own if right.ndim == 1 else own[:, None])
    enough = _dots(right, right * scale) * tolerance**2
    found = np.zeros_like(right) if near is None else near.copy()
    residual = right.copy() if near is None else right - times(near)
    ahead = residual * scale
    energy = _dots(residual, ahead)
    direction, moved = ahead.copy(), np.empty_like(right)
    for _ in range(20 * len(own) + 100):
        if not (energy > enough).any():  # nor if it is no number any more
            break
        image = times(direction)
        step = _ratios(energy, _dots(direction, image))
        found += np.multiply(direction, step, out=moved)
        residual -= np.multiply(image, step, out=moved)
        np.multiply(residual, scale, out=ahead)
        energy, before = _dots(residual, ahead), energy
        direction *= _ratios(energy, before)
        direction += ahead
    else:
        raise NotConvergedError(
            "The system of equations for the scores did not settle; the data are too nearly unconnected."
        )
    if not np.isfinite(energy).all():
        raise NotConvergedError(positive_definite.SINGULAR)
    return found


def _ratios(energy: Floats, other: Floats) -> Floats:
    """0 where a right side is solved exactly."""
    return energy / np.maximum(other, TINY)


def _dots(one: Floats, other: Floats) -> Floats:
    """Column by column, without BLAS: the same bits with any number of threads."""
    return cast(Floats, np.einsum("i...,i...->...", one, other))
