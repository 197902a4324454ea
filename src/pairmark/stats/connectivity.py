"""Which items hang together through comparisons: weak groups and strong connection.

Graphs are arrays of edge ends as item indices. What follows from them for scores is decided by the estimators.
"""

import numpy as np

from pairmark.stats.arrays import Ints


def weak_labels(n_items: int, first: Ints, second: Ints) -> Ints:
    """Label of each item's weakly connected component: the smallest index in it. Shape (n_items,).

    Labels are hooked to the smallest neighbour's and shortened by pointer jumping (Shiloach & Vishkin 1982), which
    needs about log(n_items) rounds.
    """
    label = np.arange(n_items, dtype=np.int64)
    while True:
        before = label.copy()
        lowest = np.minimum(label[first], label[second])
        for end in (first, second):
            np.minimum.at(label, before[end], lowest)
            np.minimum.at(label, end, lowest)
        label = label[label]
        if np.array_equal(label, before):
            return label


def strongly_connected(n_items: int, winner: Ints, loser: Ints) -> bool:
    """True if every item can be reached from every other along edges winner -> loser.

    This is Ford's (1957) condition: a finite maximum-likelihood estimate exists exactly then.
    """
    return _reaches_all(n_items, winner, loser) and _reaches_all(n_items, loser, winner)


def _reaches_all(n_items: int, source: Ints, target: Ints) -> bool:
    order = np.argsort(source, kind="stable")
    targets = target[order].tolist()
    starts = np.searchsorted(source[order], np.arange(n_items + 1)).tolist()
    seen, queue = {0}, [0]
    while queue:
        item = queue.pop()
        for other in targets[starts[item] : starts[item + 1]]:
            if other not in seen:
                seen.add(other)
                queue.append(other)
    return len(seen) == n_items
