"""Which items hang together through comparisons: weak groups and strong connection.

Graphs are arrays of edge ends as item indices. What follows from them for scores is decided by the estimators.
"""

import numpy as np

from pairmark.stats.arrays import Ints

SMALL = 300  # items; above, fits load SciPy in any case, and its compiled search is faster

ENOUGH_EDGES = 6  # per item; random edges of this number connect 1,000 items in 99 of 100 cases


def weak_labels(n_items: int, first: Ints, second: Ints) -> Ints:
    """Label of each item's weakly connected component: the smallest index in it. Shape (n_items,).

    Labels are hooked to the smallest neighbour's and shortened by pointer jumping (Shiloach & Vishkin 1982), which
    needs about log(n_items) rounds. Where most items hang together, a few rounds of spreading from item 0 say so first.
    """
    if len(first) and _spreads_soon(n_items, first, second):
        return np.zeros(n_items, dtype=np.int64)
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


def _spreads_soon(n_items: int, first: Ints, second: Ints, rounds: int = 8) -> bool:
    """True if every item is within so many steps of item 0, along some of the edges where there are very many."""
    step = len(first) // (ENOUGH_EDGES * n_items) + 1
    first, second = first[::step], second[::step]
    reached = np.zeros(n_items, dtype=np.bool_)
    reached[0] = True
    for _ in range(rounds):
        reached[second[reached[first]]] = True
        reached[first[reached[second]]] = True
        if reached.all():
            return True
    return False


def strongly_connected(n_items: int, winner: Ints, loser: Ints) -> bool:
    """True if every item can be reached from every other along edges winner -> loser.

    This is Ford's (1957) condition: a finite maximum-likelihood estimate exists exactly then.
    """
    if n_items > SMALL:
        from scipy.sparse import csr_array  # noqa: PLC0415 - slow to import
        from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

        graph = csr_array((np.ones(len(winner), dtype=np.int8), (winner, loser)), shape=(n_items, n_items))
        return bool(connected_components(graph, connection="strong")[0] == 1)
    return _reaches_all(n_items, winner, loser) and _reaches_all(n_items, loser, winner)


def joining(groups: tuple[tuple[str, ...], ...], appearances: dict[str, float]) -> tuple[tuple[str, str], ...]:
    """The fewest comparisons that would join the groups: one for each group but the first.

    Each takes the most compared item of its group, whose place there is known best, to one of the most compared items of
    the first group, a different one each time as long as there are any.
    """
    best = [sorted(group, key=lambda item: (-appearances[item], item)) for group in groups]
    return tuple((best[0][k % len(best[0])], best[k + 1][0]) for k in range(len(best) - 1))


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
