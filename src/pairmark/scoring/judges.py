"""What each judge did, from the judgements and the scores."""

import numpy as np

from pairmark.domain.scored import JudgeWork
from pairmark.reading.judgements import Judgements
from pairmark.stats.arrays import Floats, counted, summed
from pairmark.stats.comparisons import Comparisons

SURFACE = "surface"
"""The name under which the surface baseline judges."""


def work(judged: Judgements, data: Comparisons, theta: Floats) -> list[JudgeWork]:
    """One summary per judge, most comparisons first; none where the file names no judges."""
    known = judged.judge >= 0
    n = len(judged.judges)
    if not n or not known.any():
        return []
    judge, outcome = judged.judge[known], data.outcome[known]
    total, ties = counted(judge, n), counted(judge[outcome == 0.5], n)
    first = summed(judge, np.where(outcome == 0.5, 0.0, outcome), n)
    gap = theta[data.first[known]] - theta[data.second[known]]
    clear = (gap != 0) & (outcome != 0.5)
    agreed = summed(judge[clear], ((gap > 0) == (outcome == 1))[clear].astype(np.float64), n)
    clearly = counted(judge[clear], n)
    medians = _medians(judge, judged.seconds[known], n)
    summaries = [
        JudgeWork(
            judge=name,
            comparisons=int(total[index]),
            ties=int(ties[index]),
            agreement=float(agreed[index] / clearly[index]) if clearly[index] else None,
            first_seat_share=_share(first[index], total[index] - ties[index]) if judged.seats else None,
            median_seconds=None if np.isnan(medians[index]) else float(medians[index]),
        )
        for index, name in enumerate(judged.judges)
        if total[index]
    ]
    return sorted(summaries, key=lambda summary: (-summary.comparisons, summary.judge))


def _share(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def _medians(judge: np.ndarray, seconds: Floats, n: int) -> Floats:
    """Median time of each judge over the times that are known; NaN without any."""
    known = np.isfinite(seconds)
    order = np.lexsort((seconds[known], judge[known]))
    who, taken = judge[known][order], seconds[known][order]
    medians = np.full(n, np.nan)
    ends = np.searchsorted(who, np.arange(n + 1))
    for index in np.flatnonzero(np.diff(ends)):
        medians[index] = np.median(taken[ends[index] : ends[index + 1]])
    return medians
