"""The next wave for a fit: pairs by a rule, and who judges which, all by their ids.

How pairs are chosen is in `rules`, how they are given to judges in `assignment`; both work on indices.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pairmark.stats.arrays import Ints
from pairmark.stats.assignment import NOBODY, assign, unseen_by_all
from pairmark.stats.display import Columns
from pairmark.stats.errors import StatsError, check_count
from pairmark.stats.fitted import Fit
from pairmark.stats.rules import rule as rule_of

FEWEST_TIMES = 4  # of asking a pair; as elsewhere


@dataclass(frozen=True, eq=False, repr=False)
class NextPairs(Columns):
    """A planned wave: ids of the texts to be shown first and second, and of the judge (None: nobody is left for it)."""

    first: tuple[str, ...]
    second: tuple[str, ...]
    judge: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.first)


def next_pairs(
    fit: Fit,
    size: int,
    *,
    rule: str = "adaptive",
    judges: Sequence[str] = (),
    may_not_see: Mapping[str, Iterable[str]] | None = None,
    quotas: int | Mapping[str, int] | None = None,
    pair_limit: int | None = None,
    seed: int = 1,
) -> NextPairs:
    """Plan up to `size` comparisons that go on from a fit, and give them to judges.

    Parameters
    ----------
    fit
        What has been judged so far.
    rule
        Name of a rule of `RULES`.
    judges
        Ids of the judges who are there; without any, pairs are given to nobody.
    may_not_see
        For a judge the ids of the texts that this judge must not see, such as their own work.
    quotas
        Most pairs per judge in this wave: one number for all, or one by id (no limit for others).
    pair_limit
        How often an unordered pair may be asked in all. None: as often as the most asked pair and once more, 4 at least.
    seed
        The same arguments give the same plan.

    A judge gets no pair that the comparisons of the fit say this judge has seen, and a pair that all judges who may see it
    have seen is not planned.

    Examples
    --------
    >>> from pairmark.stats import comparisons, fit
    >>> votes = [("a", "b", 1), ("c", "d", 1), ("b", "c", 1), ("d", "a", 0)]
    >>> scores = fit(comparisons(votes, judges=["kim", "lou", "kim", "lou"]))
    >>> wave = next_pairs(scores, 2, judges=["kim", "lou"], may_not_see={"lou": ["a"]})
    >>> [judge for first, second, judge in zip(wave.first, wave.second, wave.judge) if "a" in (first, second)]
    ['kim']
    """
    check_count(size, 1, "pairs in a wave")
    data, n, sorted_place = fit.comparisons, len(fit.items), fit.place
    items = sorted(fit.items)  # plans are made in this order, so that they are the same for items in any other
    place = {judge: number for number, judge in enumerate(judges)}
    if len(place) < len(judges):
        raise StatsError("A judge is listed twice.")
    hidden = [
        (_judge(place, judge), int(sorted_place[fit.index(item)]))
        for judge, theirs in (may_not_see or {}).items()
        for item in theirs
    ]
    limits = _limits(place, quotas)
    most = max(FEWEST_TIMES, 1 + int(_times_asked(fit).max())) if pair_limit is None else pair_limit
    seen = _seen(fit, place)
    blocked = unseen_by_all(n, len(judges), hidden, limits, seen=seen) if judges else None
    planned = rule_of(rule)(
        n, sorted_place[data.first], sorted_place[data.second],
        size=size, theta=fit.solution.point[:n], seed=seed, pair_limit=most, blocked=blocked,
    )  # fmt: skip
    who = assign(planned, len(judges), hidden, limits, seen=seen) if judges else np.full(len(planned), NOBODY)
    return NextPairs(
        tuple(items[k] for k in planned[:, 0]),
        tuple(items[k] for k in planned[:, 1]),
        tuple(None if judge == NOBODY else judges[judge] for judge in who.tolist()),
    )


def _times_asked(fit: Fit) -> Ints:
    """How often each unordered pair was asked, whatever its weight."""
    data, n = fit.comparisons, len(fit.items)
    code = np.minimum(data.first, data.second) * n + np.maximum(data.first, data.second)
    return np.unique(code, return_counts=True)[1].astype(np.int64)


def _judge(place: Mapping[str, int], judge: str) -> int:
    if judge not in place:
        raise StatsError(f"{judge!r} is not one of the judges of this wave.")
    return place[judge]


def _limits(place: Mapping[str, int], quotas: int | Mapping[str, int] | None) -> int | list[int] | None:
    if quotas is None or isinstance(quotas, int):
        return quotas
    limits = [np.iinfo(np.int64).max] * len(place)
    for judge, limit in quotas.items():
        limits[_judge(place, judge)] = limit
    return limits


def _seen(fit: Fit, place: Mapping[str, int]) -> list[tuple[int, int, int]]:
    """What the judges of this wave have judged before, as `assign` takes it."""
    data = fit.comparisons
    if data.judge is None:
        return []
    known = np.array([place.get(judge, NOBODY) for judge in data.judges], dtype=np.int64)[data.judge]
    rows: Ints = np.flatnonzero(known != NOBODY)
    ends = fit.place[data.first[rows]], fit.place[data.second[rows]]
    triples = np.unique(np.stack([known[rows], *ends], axis=1), axis=0)
    return [(int(judge), int(one), int(other)) for judge, one, other in triples]
