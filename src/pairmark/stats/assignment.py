"""Which judge sees which pair of a planned wave: nobody their own work, nobody beyond their quota, loads as level as can be.

Pairs are chosen in `rules`; people, accounts and clocks belong to the callers.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from pairmark.stats.arrays import Flags, Ints
from pairmark.stats.errors import StatsError

NOBODY = -1


def assign(
    pairs: ArrayLike,
    judges: int,
    may_not_see: Iterable[tuple[int, int]] = (),
    quotas: int | Sequence[int] | None = None,
    *,
    seen: Iterable[tuple[int, int, int]] = (),
) -> Ints:
    """Give each pair to one judge.

    Parameters
    ----------
    pairs
        Item indices, shape (n_pairs, 2), as planned.
    judges
        Number of judges.
    may_not_see
        (judge, item): the judge sees no pair with this item, such as their own work.
    quotas
        Most pairs per judge: one number for all, or one for each. None: no limit.
    seen
        (judge, item, item): pairs the judge has seen before, in either order.

    Returns
    -------
    The judge of each pair, shape (n_pairs,), or `NOBODY` (-1) where none is left.

    Notes
    -----
    As many pairs as possible get a judge (augmenting paths, Kuhn 1955), and among such assignments the loads are as
    level as possible (cost-reducing paths in semi-matchings, Harvey, Ladner, Lovász & Tamir 2006, J. Algorithms 59).

    Examples
    --------
    >>> assign([[0, 1], [2, 3]], judges=2, may_not_see=[(0, 0)]).tolist()
    [1, 0]
    """
    ends = _pairs(pairs)
    hidden = _hidden(judges, may_not_see, int(ends.max(initial=-1)) + 1)
    allowed = ~(hidden[:, ends[:, 0]] | hidden[:, ends[:, 1]]).T
    _strike(allowed, ends, judges, seen)
    books = _Books(allowed, _quotas(quotas, judges))
    for pair in np.argsort(allowed.sum(axis=1), kind="stable").tolist():
        books.place(pair)
    books.level()
    return books.judge


def unseen_by_all(
    n_items: int,
    judges: int,
    may_not_see: Iterable[tuple[int, int]],
    quotas: int | Sequence[int] | None = None,
    *,
    seen: Iterable[tuple[int, int, int]] = (),
) -> Ints:
    """Unordered pairs that no judge with a quota may see, shape (k, 2): hand them to a rule as `blocked`.

    With `seen` (judge, item, item) also those that every such judge who may see them has seen.

    Examples
    --------
    >>> unseen_by_all(3, judges=2, may_not_see=[(0, 0), (1, 1)]).tolist()
    [[0, 1]]
    """
    able = _quotas(quotas, judges) > 0
    hidden = _hidden(judges, may_not_see, n_items)[able]
    if hidden.shape[1] > n_items:
        raise StatsError(f"A judge may not see item {hidden.shape[1] - 1}, but there are only {n_items} items.")
    times = hidden.sum(axis=0)
    some = np.flatnonzero(times + int(times.max(initial=0)) >= len(hidden))
    visible = ~hidden[:, some]
    together = visible.T.astype(np.int64) @ visible.astype(np.int64)
    one, other = np.nonzero(np.triu(together == 0, 1))
    closed = np.stack([some[one], some[other]], axis=1).astype(np.int64)
    return np.unique(np.concatenate([closed, _used_up(hidden, able, seen)]), axis=0)


def _used_up(hidden: Flags, able: Flags, seen: Iterable[tuple[int, int, int]]) -> Ints:
    """Pairs that each judge who may see them has seen. `hidden` holds the rows of the judges who are `able`."""
    rows = np.array(list(seen), dtype=np.int64).reshape(-1, 3)
    if len(rows) and (rows.min() < 0 or rows[:, 0].max() >= len(able) or rows[:, 1:].max() >= hidden.shape[1]):
        raise StatsError("Pairs seen are given as (judge, item, item), and name a judge or an item that is not there.")
    rows = rows[able[rows[:, 0]] & (rows[:, 1] != rows[:, 2])]
    judge = (np.cumsum(able) - 1)[rows[:, 0]]
    may = ~(hidden[judge, rows[:, 1]] | hidden[judge, rows[:, 2]])
    triples = np.unique(np.column_stack([np.sort(rows[may, 1:], axis=1), judge[may]]), axis=0)
    pairs, times = np.unique(triples[:, :2], axis=0, return_counts=True)
    away = hidden.sum(axis=0)
    near = times + away[pairs[:, 0]] + away[pairs[:, 1]] >= len(hidden)  # the others have judges left
    pairs, times = pairs[near], times[near]
    who_may = [int((~(hidden[:, one] | hidden[:, other])).sum()) for one, other in pairs.tolist()]
    return np.asarray(pairs[times >= np.array(who_may, dtype=np.int64)])


class _Books:
    """Who has which pair. `movable[a, b]` counts pairs of judge a that judge b may see as well."""

    def __init__(self, allowed: Flags, quotas: Ints) -> None:
        self.allowed, self.quotas = allowed, quotas
        self.judge = np.full(len(allowed), NOBODY, dtype=np.int64)
        self.load = np.zeros(len(quotas), dtype=np.int64)
        self.movable = np.zeros((len(quotas), len(quotas)), dtype=np.int64)

    def place(self, pair: int) -> None:
        """Give the pair to the judge with the lowest load who may see it, moving others on if all of them are full."""
        able = np.flatnonzero(self.allowed[pair])
        with_room = able[self.load[able] < self.quotas[able]]
        if len(with_room):
            self._give(pair, int(with_room[np.argmin(self.load[with_room])]))
            return
        path = self._path(able.tolist(), self.load < self.quotas)
        if path:
            self._shift(path)
            self._give(pair, path[0])

    def level(self) -> None:
        """Move pairs from judges with many to judges with few, as long as that makes loads more equal."""
        busy = set(range(len(self.load)))
        while busy:
            most = max(busy, key=lambda one: (int(self.load[one]), -one))
            ends = (self.load < self.load[most] - 1) & (self.load < self.quotas)
            if not ends.any():
                return
            path = self._path([most], ends)
            if path:
                self._shift(path)
            else:
                busy.remove(most)

    def _path(self, starts: list[int], ends: Flags) -> list[int]:
        """Shortest chain of judges from a start to an end, along which one pair each can move on; empty if none."""
        before = np.full(len(ends), NOBODY, dtype=np.int64)
        new = np.ones(len(ends), dtype=np.bool_)
        new[starts] = False
        queue = list(starts)
        for judge in queue:
            if ends[judge]:
                path = [judge]
                while before[path[-1]] != NOBODY:
                    path.append(int(before[path[-1]]))
                return path[::-1]
            reached = np.flatnonzero(new & (self.movable[judge] > 0))
            before[reached], new[reached] = judge, False
            queue.extend(reached.tolist())
        return []

    def _shift(self, path: list[int]) -> None:
        """Along the path, hand one pair of each judge to the next one, the last hand-over first."""
        for giver, taker in reversed(list(pairwise(path))):
            pair = int(np.flatnonzero((self.judge == giver) & self.allowed[:, taker])[0])
            self._take_back(pair)
            self._give(pair, taker)

    def _give(self, pair: int, judge: int) -> None:
        self.judge[pair] = judge
        self.load[judge] += 1
        self.movable[judge] += self.allowed[pair]

    def _take_back(self, pair: int) -> None:
        judge = self.judge[pair]
        self.load[judge] -= 1
        self.movable[judge] -= self.allowed[pair]


def _pairs(pairs: ArrayLike) -> Ints:
    ends = np.asarray(pairs)
    if ends.size == 0:
        return np.zeros((0, 2), dtype=np.int64)
    if ends.ndim != 2 or ends.shape[1] != 2 or ends.dtype.kind not in "iu" or ends.min() < 0:
        raise StatsError("Pairs to assign must be whole-number item indices, two in each row.")
    return ends.astype(np.int64)


def _hidden(judges: int, may_not_see: Iterable[tuple[int, int]], n_items: int) -> Flags:
    """hidden[judge, item]: True if the judge may not see it."""
    if judges < 1:
        raise StatsError(f"Pairs need at least one judge, not {judges}.")
    rules = np.array(list(may_not_see), dtype=np.int64).reshape(-1, 2)
    if len(rules) and (rules.min() < 0 or rules[:, 0].max() >= judges):
        raise StatsError(f"Who may not see what is given as (judge, item) with judges from 0 to {judges - 1}.")
    hidden = np.zeros((judges, max(n_items, int(rules[:, 1].max(initial=-1)) + 1)), dtype=np.bool_)
    hidden[rules[:, 0], rules[:, 1]] = True
    return hidden


def _strike(allowed: Flags, ends: Ints, judges: int, seen: Iterable[tuple[int, int, int]]) -> None:
    """Take away from each judge the pairs they have seen."""
    places: dict[tuple[int, int], list[int]] = {}
    for place, (one, other) in enumerate(ends.tolist()):
        places.setdefault((min(one, other), max(one, other)), []).append(place)
    for judge, one, other in seen:
        if not 0 <= judge < judges:
            raise StatsError(f"Pairs seen are given as (judge, item, item) with judges from 0 to {judges - 1}.")
        allowed[places.get((min(one, other), max(one, other)), []), judge] = False


def _quotas(quotas: int | Sequence[int] | None, judges: int) -> Ints:
    if quotas is None:
        return np.full(judges, np.iinfo(np.int64).max)
    limits = np.asarray(quotas)
    if limits.dtype.kind not in "iu" or limits.shape not in ((), (judges,)) or limits.min(initial=0) < 0:
        raise StatsError(f"A quota is a whole number from 0 up, one for all or one for each of the {judges} judges.")
    return np.broadcast_to(limits, judges).astype(np.int64)
