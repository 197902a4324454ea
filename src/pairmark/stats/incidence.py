"""Which items each row of counts compares, kept so that differences and sums over rows take one pass each.

What the rows count is in `tally`; what the sums are for is in `posterior` and `hessian`.
"""

from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pairmark.stats.arrays import Floats, Ints, run_begins, summed


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
        return self.sums(values, values)

    def sums(self, first_part: Floats, second_part: Floats) -> Floats:
        """For each item the sum of `first_part` over the rows where it is first, plus `second_part` where it is second."""
        return self.of_first(first_part) + summed(self.second, second_part, self.n_items)

    def of_first(self, values: Floats) -> Floats:
        """For each item the sum of the rows where it is first."""
        items, begins = self._runs
        sums = np.zeros(self.n_items)
        if len(begins):
            sums[items] = np.add.reduceat(values, begins)
        return sums

    def matrices(self, values: Floats) -> tuple[Any, Any]:
        """Sparse (n_items, n_items) with `values` at (first, second), and its transpose."""
        across, back = (copy(pattern) for pattern in self._patterns)
        across.data = back.data = values
        return across, back

    @cached_property
    def _runs(self) -> tuple[Ints, Ints]:
        """Items that are first in a row, and where their rows begin."""
        begins = run_begins(self.first)
        return self.first[begins], begins

    @cached_property
    def _patterns(self) -> tuple[Any, Any]:
        """The places of `matrices`, found once for all of them."""
        from scipy.sparse import csr_array  # noqa: PLC0415 - slow to import, not needed for small fits

        short = np.dtype(np.int32 if len(self.first) < 2**31 else np.int64)  # half the memory to read in each product
        begins = np.searchsorted(self.first, np.arange(self.n_items + 1)).astype(short)
        places = (np.ones(len(self.first)), self.second.astype(short), begins)
        across = csr_array(places, shape=(self.n_items, self.n_items))
        return across, across.T
