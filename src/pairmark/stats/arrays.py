"""Names for the arrays used throughout `stats`, sums by index, and runs of equal values.

Formulas do not live here.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


def summed(index: Ints, values: Floats, length: int) -> Floats:
    """Sum of `values` at each index from 0 to `length` - 1, added in the order given. Shape (length,)."""
    return np.asarray(np.bincount(index, weights=values, minlength=length), dtype=np.float64)


def counted(index: Ints, length: int) -> Ints:
    """How often each index from 0 to `length` - 1 occurs. Shape (length,)."""
    return np.asarray(np.bincount(index, minlength=length), dtype=np.int64)


def run_begins(ascending: NDArray[np.int32] | Ints) -> Ints:
    """Where each run of equal values begins. Shape (n_runs,)."""
    if len(ascending) == 0:
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero(np.concatenate([[True], ascending[1:] != ascending[:-1]]))
