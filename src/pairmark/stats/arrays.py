"""Names for the arrays used throughout `stats`, and sums by index.

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
