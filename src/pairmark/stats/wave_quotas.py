"""How often each item appears in the next wave, and how often in the first seat.

Counts only: who meets whom is decided in `wave_draft`.
"""

import numpy as np

from pairmark.stats.arrays import Ints


def appearances(counts: Ints, labels: Ints, size: int, rng: np.random.Generator) -> Ints:
    """Appearances of each item in a wave of `size` pairs, shape (n_items,), sum 2 * size.

    Items that appeared least often so far (`counts`) come first, so that totals end within 1 of each other. If the
    items hang in several components (`labels`) and the wave is long enough to join them, each component gets at least one
    place, even at the cost of the balance.
    """
    places = 2 * size
    least = np.zeros_like(counts)
    components = np.unique(labels)
    if 1 < len(components) <= size + 1:
        order = np.lexsort((rng.random(len(counts)), counts, labels))
        least[order[np.searchsorted(labels[order], components)]] = 1
    return least + _levelled(counts + least, places - int(least.sum()), rng)


def _levelled(counts: Ints, places: int, rng: np.random.Generator) -> Ints:
    """Fill up the lowest counts to a common level; the rest goes to random items at that level."""
    rising = np.sort(counts)
    needed = rising * np.arange(len(counts)) - np.concatenate([[0], np.cumsum(rising)[:-1]])
    filled = int(np.searchsorted(needed, places, side="right"))  # items that the water covers
    level = (places + int(rising[:filled].sum())) // filled
    given = np.maximum(level - counts, 0)
    at_level = np.flatnonzero(counts + given == level)
    given[rng.permutation(at_level)[: places - int(given.sum())]] += 1
    return given


def seats(quota: Ints, lead: Ints) -> tuple[Ints, Ints, Ints]:
    """How many of its `quota` places each item takes in the first seat, the second seat, and either; (n_items,) each.

    `lead` is first seats minus second seats so far. Afterwards each item's lead is 0, or +-1 where an odd number of
    places leaves no choice: that one place is open to either seat.
    """
    exact = quota - lead
    first = np.clip(exact // 2, 0, quota)
    either = np.clip((exact + 1) // 2, 0, quota) - first
    return first, quota - first - either, either
