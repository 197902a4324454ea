"""Solve with and invert a symmetric positive definite matrix by Cholesky factors.

Small matrices go through NumPy alone, so that a small fit does not pay for importing SciPy. Both ways give the same
bits on every run with one BLAS thread; which way is taken depends on the size only.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from pairmark.stats.arrays import Floats
from pairmark.stats.errors import StatsError
from pairmark.stats.threads import lapack

NUMPY_UP_TO = 300  # rows; importing scipy.linalg costs .3 s, inverting 300 x 300 without it 5 ms more per fit
BLOCK = 64  # rows
SINGULAR = "The information matrix is singular to working precision, so no scores can be computed."


def solve(matrix: Floats, vector: Floats) -> Floats:
    """x with matrix @ x = vector."""
    if len(matrix) <= NUMPY_UP_TO:
        with _singular_told():
            return np.asarray(np.linalg.solve(matrix, vector))
    return np.asarray(lapack().dpotrs(_factor(matrix), vector, lower=1)[0])


def inverse(matrix: Floats) -> Floats:
    """The inverse, exactly symmetric. Needs one more matrix of the same size."""
    if len(matrix) <= NUMPY_UP_TO:
        with _singular_told():
            inverted = np.linalg.inv(matrix)
        return (inverted + inverted.T) / 2
    half = np.asarray(lapack().dpotri(_factor(matrix), lower=1, overwrite_c=1)[0])
    return _mirrored(half.T)


def _factor(matrix: Floats) -> Floats:
    factor, info = lapack().dpotrf(matrix.T, lower=1, clean=0)  # symmetric, so .T is the same matrix in LAPACK's layout
    if info != 0:
        raise StatsError(SINGULAR)
    return np.asarray(factor)


@contextmanager
def _singular_told() -> Iterator[None]:
    try:
        yield
    except np.linalg.LinAlgError:
        raise StatsError(SINGULAR) from None


def _mirrored(upper: Floats) -> Floats:
    """Copy the upper triangle onto the lower one, in place, in blocks that fit the cache."""
    for begin in range(0, len(upper), BLOCK):
        end = begin + BLOCK
        upper[end:, begin:end] = upper[begin:end, end:].T
        corner = upper[begin:end, begin:end]
        corner[:] = np.triu(corner) + np.triu(corner, 1).T
    return upper
