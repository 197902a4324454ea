"""What the order of two texts does to each judge: how often the text shown first won, and answers that turned with the order."""

from dataclasses import dataclass

import numpy as np

from pairmark.stats.arrays import Floats, Ints, counted, summed
from pairmark.stats.canonical import with_sorted_rows
from pairmark.stats.comparisons import Comparisons
from pairmark.stats.display import Columns
from pairmark.stats.errors import StatsError
from pairmark.stats.shares import Share, decided, pair_codes, share
from pairmark.stats.tally import tally


@dataclass(frozen=True, eq=False, repr=False)
class Seats(Columns):
    """One entry per judge of `ids`; NaN where there is nothing to tell from.

    `first_share`: share won by the text shown first, ties as half. `both_orders`: pairs seen in both orders; `flip_rate`:
    chance that two judgements of such a pair, one in each order, name different winners.
    """

    ids: tuple[str, ...]
    first_share: Floats
    both_orders: Ints
    flip_rate: Floats


def seats(data: Comparisons) -> Seats:
    """Count for every judge; nothing is known where nobody knows which text was shown first.

    Examples
    --------
    >>> from pairmark.stats import comparisons
    >>> votes = [("anna", "bela", 1), ("bela", "anna", 0), ("bela", "cleo", 1), ("cleo", "bela", 1)]
    >>> found = seats(comparisons(votes, judges=["kim"] * 4))
    >>> found.first_share.tolist(), found.both_orders.tolist(), found.flip_rate.tolist()
    ([0.75], [2], [0.5])
    """
    if data.judge is None:
        raise StatsError("Seats of judges need comparisons that say who judged them.")
    rows, count = with_sorted_rows(data), len(data.judges)
    if not data.seats:
        unknown = np.full(count, np.nan)
        return Seats(data.judges, unknown, np.zeros(count, dtype=np.int64), unknown)
    assert rows.judge is not None
    judge, flipped = _flips(rows, rows.judge, count)
    first_share = mean_by_judge(rows.judge, rows.outcome, count)
    return Seats(data.judges, first_share, counted(judge, count), mean_by_judge(judge, flipped, count))


def first_wins(data: Comparisons) -> Share | None:
    """Share of decisions that went to the text shown first, whoever decided; None without any.

    Examples
    --------
    >>> from pairmark.stats import comparisons
    >>> first_wins(comparisons([("anna", "bela", 1), ("bela", "anna", 1), ("bela", "cleo", 0)])).decisions
    3
    """
    chosen = decided(data)
    return share(data.outcome[chosen], pair_codes(data)[chosen])


def flips(data: Comparisons) -> Share | None:
    """Share of pairs whose winner changed with the order, over pairs seen in both, whoever decided; None without any.

    Examples
    --------
    >>> from pairmark.stats import comparisons
    >>> votes = [("anna", "bela", 1), ("bela", "anna", 0), ("bela", "cleo", 1), ("cleo", "bela", 1)]
    >>> flips(comparisons(votes)).value
    0.5
    """
    rows = with_sorted_rows(data)
    nobody = np.zeros(len(rows), dtype=np.int64)
    _, flipped = _flips(rows, nobody, 1)
    return share(flipped, np.arange(len(flipped)))


def mean_by_judge(judge: Ints, values: Floats, n_judges: int) -> Floats:
    """Mean of the values of each judge, shape (n_judges,); NaN for those who have none."""
    with np.errstate(invalid="ignore"):
        return np.asarray(summed(judge, values, n_judges) / counted(judge, n_judges))


def _flips(rows: Comparisons, judge: Ints, n_judges: int) -> tuple[Ints, Floats]:
    """For each pair that a judge saw in both orders: the judge, and the chance that the two orders disagree."""
    n = len(rows.items)
    ones = np.ones(len(rows))
    seen = tally(n, rows.first, rows.second, rows.outcome, ones, judge, n_judges)
    code = (seen.first * n + seen.second) * n_judges + seen.group
    other = (seen.second * n + seen.first) * n_judges + seen.group
    place = np.minimum(np.searchsorted(code, other), len(code) - 1)
    both = (code[place] == other) & (seen.first < seen.second)
    first_share = seen.won / seen.weight
    one, turned = first_share[both], 1 - first_share[place[both]]
    return np.asarray(seen.group[both]), one * (1 - turned) + turned * (1 - one)
