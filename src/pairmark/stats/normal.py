"""The normal distribution on arrays."""

import numpy as np

from pairmark.stats.arrays import Floats


def cumulative(value: Floats) -> Floats:
    """P(Z <= value) for a standard normal Z."""
    from scipy.special import ndtr  # noqa: PLC0415 - slow to import

    return np.asarray(ndtr(value))
