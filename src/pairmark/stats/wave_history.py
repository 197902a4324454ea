"""What was asked before a wave: checked, counted per pair and per item.

Which pairs come next is decided in `pairing`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pairmark.stats.arrays import Ints, counted
from pairmark.stats.connectivity import weak_labels
from pairmark.stats.errors import StatsError

Blocked = Iterable[tuple[int, int]] | NDArray[np.integer]


@dataclass(frozen=True)
class History:
    """Counts of the ordered pairs asked so far.

    Per item, shape (n_items,): `labels` of the component it hangs in, `counts` of appearances, `lead` of first over second
    seats. Per unordered pair coded as low * n_items + high, in rising order: `pairs`, `times` asked (a blocked pair counts as
    used up), `low_leads` of orders with the lower index first over the other order.
    """

    n_items: int
    labels: Ints
    counts: Ints
    lead: Ints
    pairs: Ints
    times: Ints
    met: Ints
    low_leads: Ints
    limit: int

    @property
    def room(self) -> int:
        """How many comparisons the pair limit still allows."""
        n = self.n_items
        return self.limit * n * (n - 1) // 2 - int(np.minimum(self.times, self.limit).sum())

    def times_asked(self, one: Ints, other: Ints) -> Ints:
        """How often each of these unordered pairs was asked."""
        code = np.minimum(one, other) * self.n_items + np.maximum(one, other)
        if len(self.pairs) == 0:
            return np.zeros(len(code), dtype=np.int64)
        place = np.minimum(np.searchsorted(self.pairs, code), len(self.pairs) - 1)
        return np.asarray(np.where(self.pairs[place] == code, self.times[place], 0))


def history_of(n_items: int, first: ArrayLike, second: ArrayLike, limit: int, blocked: Blocked | None) -> History:
    """Check and count what was asked. Raises `StatsError` naming what is wrong with it."""
    if n_items < 2 or limit < 1:
        raise StatsError(f"A wave needs two items and a pair limit of 1 or more, not {n_items} and {limit}.")
    firsts, seconds = _indices(first, n_items), _indices(second, n_items)
    if firsts.shape != seconds.shape or np.any(firsts == seconds):
        raise StatsError("Pairs asked so far must be two indices each, of different items.")
    code = np.minimum(firsts, seconds) * n_items + np.maximum(firsts, seconds)
    pairs, place = np.unique(np.concatenate([code, _codes(blocked, n_items)]), return_inverse=True)
    asked = place[: len(code)]
    times = counted(asked, len(pairs))
    met = times.copy()
    low_leads = 2 * counted(asked[firsts < seconds], len(pairs)) - times
    times[place[len(code) :]] = limit
    shown_first, shown_second = counted(firsts, n_items), counted(seconds, n_items)
    labels = weak_labels(n_items, firsts, seconds)
    return History(
        n_items, labels, shown_first + shown_second, shown_first - shown_second, pairs, times, met, low_leads, limit
    )


def _indices(values: ArrayLike, n_items: int) -> Ints:
    indices = np.asarray(values)
    if indices.size == 0:
        return np.zeros(0, dtype=np.int64)
    if indices.ndim != 1 or indices.dtype.kind not in "iu" or indices.min() < 0 or indices.max() >= n_items:
        raise StatsError(f"Pairs asked so far must be whole-number indices from 0 to {n_items - 1}.")
    return indices.astype(np.int64)


def _codes(blocked: Blocked | None, n_items: int) -> Ints:
    """Unordered pairs as low * n_items + high."""
    pairs = np.array(list(blocked) if blocked is not None else [], dtype=np.int64).reshape(-1, 2)
    ends = _indices(pairs.ravel(), n_items).reshape(-1, 2)
    return np.asarray(ends.min(axis=1) * n_items + ends.max(axis=1))
