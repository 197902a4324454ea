"""What each judge did and how well it fits: from the judgements, a scale made without the judge, and simulated judges."""

from typing import Any

import numpy as np

from pairmark.domain.scored import JudgeWork, Misfit
from pairmark.reading.judgements import Judgements
from pairmark.scoring import misfit
from pairmark.stats.arrays import Ints, counted, summed
from pairmark.stats.comparisons import Comparisons
from pairmark.stats.fitted import Fit
from pairmark.stats.judges import judge_summary, median_seconds
from pairmark.stats.screening import screen

SURFACE = "surface"
"""The name under which the surface baseline judges."""
NOBODY = ""
"""Stands for the judges of rows that name none."""
MOST_CELLS = 20_000_000  # judgements times judges; a scale without each judge in turn then takes some seconds
COMMON_SCALE = (
    "Agreement is told with the scale of all judges, each judge's own decisions included, and judges were not screened, because "
    "{why}."
)
WHY = {
    "map": "there are very many judgements",
    "ml": "plain maximum likelihood may have no finite scores without a judge",
    "sirt": "the sirt-compatible mode has no scale without a judge",
}


def columns(judged: Judgements) -> tuple[tuple[str, ...], Ints | None]:
    """Ids of the judges, sorted, and the judge of each row; rows that name none have `NOBODY`. None if all rows do so."""
    if not (judged.judge >= 0).any():
        return (), None
    names = [*judged.judges, *([NOBODY] if (judged.judge < 0).any() else [])]
    order = sorted(range(len(names)), key=names.__getitem__)
    place = np.argsort(np.array(order))
    return tuple(names[k] for k in order), place[judged.judge]


def work(fitted: Fit, data: Comparisons) -> tuple[list[JudgeWork], list[str]]:
    """One summary per judge, most comparisons first, and notes; none where the file names no judges.

    `data` are all comparisons; those of the fit may lack ties.
    """
    if data.judge is None:
        return [], []
    n = len(data.judges)
    total, ties = counted(data.judge, n), counted(data.judge[data.outcome == 0.5], n)
    first = summed(data.judge, np.where(data.outcome == 0.5, 0.0, data.outcome), n)
    deep = fitted.method == "map" and n > 1 and n * len(data) <= MOST_CELLS
    fits = misfit.judges(fitted)
    summaries = _deep(fitted, fits) if deep else _plain(fitted, data, fits)
    told = [
        JudgeWork(
            judge=name, comparisons=int(total[k]), ties=int(ties[k]),
            first_seat_share=_share(first[k], total[k] - ties[k]) if data.seats else None, **summaries[k],
        )
        for k, name in enumerate(data.judges)
        if total[k] and name != NOBODY
    ]  # fmt: skip
    notes = [] if deep or n == 1 else [COMMON_SCALE.format(why=WHY[fitted.method])]
    return sorted(told, key=lambda one: (-one.comparisons, one.judge)), notes


def _deep(fitted: Fit, fits: dict[str, Misfit]) -> list[dict[str, Any]]:
    """Agreement with the scale of all others, and the finding of the screening."""
    found, screened = judge_summary(fitted), screen(fitted)
    return [
        {
            "agreement": _known(found.agreement[k]),
            "expected_agreement": _known(found.expected_agreement[k]),
            "both_orders": int(found.both_orders[k]),
            "flip_rate": _known(found.flip_rate[k]),
            "median_seconds": _known(found.median_seconds[k]),
            "finding": screened.finding[k] if screened.decisions[k] else None,
            "finding_p": float(screened.p[k]) if screened.decisions[k] else None,
            "misfit": fits.get(name),
        }
        for k, name in enumerate(fitted.comparisons.judges)
    ]


def _plain(fitted: Fit, data: Comparisons, fits: dict[str, Misfit]) -> list[dict[str, Any]]:
    """Agreement with the scale of all, where a scale without each judge is out of reach."""
    n = len(data.judges)
    assert data.judge is not None
    gap = fitted.theta[data.first] - fitted.theta[data.second]
    clear = (gap != 0) & (data.outcome != 0.5)
    agreed = summed(data.judge[clear], ((gap > 0) == (data.outcome == 1))[clear].astype(np.float64), n)
    clearly, medians = counted(data.judge[clear], n), median_seconds(data)
    return [
        {
            "agreement": _share(agreed[k], clearly[k]) if n > 1 else None,
            "median_seconds": _known(medians[k]),
            "misfit": fits.get(name),
        }
        for k, name in enumerate(data.judges)
    ]


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _share(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None
