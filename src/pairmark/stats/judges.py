"""What each judge did, in numbers a person can check: agreement, seats, answers that turned with the order, time.

What the order of texts does is counted in `seats`; infit and outfit are in `misfit`; who should be looked at is in `screening`.
"""

from dataclasses import dataclass

import numpy as np

from pairmark.stats.arrays import Floats, Ints, counted
from pairmark.stats.canonical import with_sorted_rows
from pairmark.stats.comparisons import Comparisons
from pairmark.stats.consensus import consensus
from pairmark.stats.display import Columns
from pairmark.stats.errors import StatsError
from pairmark.stats.fitted import Fit
from pairmark.stats.seats import mean_by_judge, seats


@dataclass(frozen=True, eq=False, repr=False)
class JudgeSummary(Columns):
    """One entry per judge, in the order of `comparisons.judges`; NaN where there is nothing to tell from.

    `comparisons`: how many. `agreement`: share of decided ones that went to the text that all other judges together
    score higher; `expected_agreement`: the share to be expected on these pairs from a judge who judges like the others.
    `first_share`: share won by the text shown first, ties as half, where seats are known. `both_orders`: pairs seen in both
    orders;
    `flip_rate`: chance that two judgements of such a pair, one in each order, name different winners.
    `median_seconds`: of the comparisons whose time is known.
    """

    ids: tuple[str, ...]
    comparisons: Ints
    agreement: Floats
    expected_agreement: Floats
    first_share: Floats
    both_orders: Ints
    flip_rate: Floats
    median_seconds: Floats


def judge_summary(fit: Fit) -> JudgeSummary:
    """Count what each judge did; agreement comes from a scale made without that judge.

    Examples
    --------
    >>> from pairmark.stats import comparisons, fit
    >>> votes = [("anna", "bela", 1), ("bela", "cleo", 1), ("cleo", "anna", 0)] * 10
    >>> data = comparisons(votes + [("bela", "anna", 1)], judges=["kim"] * 15 + ["lou"] * 15 + ["max"])
    >>> judge_summary(fit(data)).agreement.tolist()
    [1.0, 1.0, 0.0]
    """
    data = fit.comparisons
    if data.judge is None:
        raise StatsError("A summary of judges needs comparisons that say who judged them.")
    rows, count = with_sorted_rows(data), len(data.judges)
    assert rows.judge is not None
    others = consensus(fit)
    agreed = np.where(others.difference == 0, 0.5, (others.difference > 0) == (others.outcome == 1))
    likely = np.where(others.difference == 0, 0.5, np.where(others.difference > 0, others.chance, 1 - others.chance))
    seen = seats(data)
    return JudgeSummary(
        data.judges,
        counted(rows.judge, count),
        mean_by_judge(others.judge, agreed, count),
        mean_by_judge(others.judge, likely, count),
        seen.first_share,
        seen.both_orders,
        seen.flip_rate,
        median_seconds(data),
    )


def median_seconds(data: Comparisons) -> Floats:
    """Median time of each judge over the times that are known, shape (n_judges,); NaN without any."""
    medians = np.full(len(data.judges), np.nan)
    if data.seconds is None or data.judge is None:
        return medians
    known = np.isfinite(data.seconds)
    order = np.lexsort((data.seconds[known], data.judge[known]))
    who, taken = data.judge[known][order], data.seconds[known][order]
    ends = np.searchsorted(who, np.arange(len(medians) + 1))
    for judge in np.flatnonzero(np.diff(ends)):
        medians[judge] = np.median(taken[ends[judge] : ends[judge + 1]])
    return medians
