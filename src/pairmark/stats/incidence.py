"""Which items each row of counts compares, kept so that differences and sums over rows take one pass each.

What the rows count is in `tally`; what the sums are for is in `posterior` and `hessian`.
"""

from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pairmark.stats.arrays import Floats, Ints, summed


@dataclass(frozen=True, eq=False)
class Incidence:
    """First and second item of each row, shape (n_rows,), ascending by `first`."""

    n_items: int
    first: Ints
    second: Ints

    def differences(self, values: Floats) -> Floats:
        """Value of the first item minus that of the second, for each row; a last axis of `values` is kept."""
        difference = np.take(values, self.first, axis=0)
        difference -= np.take(values, self.second, axis=0)
        return difference

    def balances(self, values: Floats) -> Floats:
        """For each item the sum of the rows where it is first minus that of those where it is second."""
        return self.of_first(values) - summed(self.second, values, self.n_items)

    def totals(self, values: Floats) -> Floats:
        """For each item the sum of the rows it is in."""
        return self.of_first(values) + summed(self.second, values, self.n_items)

    def of_first(self, values: Floats) -> Floats:
        """For each item the sum of the rows where it is first."""
        items, begins = self._runs
        sums = np.zeros(self.n_items)
        if len(begins):
            sums[items] = np.add.reduceat(values, begins)
        return sums

    def matrix(self, values: Floats) -> Any:
        """Sparse (n_items, n_items) with `values` at (first, second)."""
        matrix = copy(self._pattern)
        matrix.data = values
        return matrix

    @cached_property
    def _runs(self) -> tuple[Ints, Ints]:
        """Items that are first in a row, and where their rows begin."""
        begins = np.flatnonzero(np.diff(self.first, prepend=-1))
        return self.first[begins], begins

    @cached_property
    def _pattern(self) -> Any:
        """The places of `matrix`, found once for all matrices."""
        from scipy.sparse import csr_array  # noqa: PLC0415 - slow to import, not needed for small fits

        begins = np.searchsorted(self.first, np.arange(self.n_items + 1))
        return csr_array((np.ones(len(self.first)), self.second, begins), shape=(self.n_items, self.n_items))
