"""What the judges of one batch did beside each other: agreement, seats, fit, people beside models, and counting words as control.

Takes decisions as checked comparisons and gives what a report tells; who judged what and at what cost comes from the services.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from pairmark.domain.judged import Correlation, HumanAgreement, JudgeSummary, Proportion, Surface
from pairmark.scoring.people import People
from pairmark.stats.agreement import agreement, agreement_within
from pairmark.stats.arrays import Flags, Floats
from pairmark.stats.bradley_terry import fit
from pairmark.stats.comparisons import Comparisons, comparisons
from pairmark.stats.errors import StatsError
from pairmark.stats.fitted import Fit
from pairmark.stats.judges import judge_summary
from pairmark.stats.length import longer_wins, rank_correlation
from pairmark.stats.misfit import judge_misfit
from pairmark.stats.seats import Seats, seats
from pairmark.stats.shares import Share
from pairmark.stats.threads import one_blas_thread

MOST_CELLS = 20_000_000
"""Judgements times judges; a scale without each judge in turn then takes some seconds."""


def described(judges: Sequence[JudgeSummary], data: Comparisons) -> list[JudgeSummary]:
    """The judges with what `data` tells of each beside the others; each as it was where nothing does."""
    seen, told, places = seats(data), _beside_others(data), {name: k for k, name in enumerate(data.judges)}
    return [
        _described(judge, places[judge.judge], len(data), seen, told) if judge.judge in places else judge
        for judge in judges
    ]


def _described(judge: JudgeSummary, k: int, total: int, seen: Seats, told: Mapping[str, Floats]) -> JudgeSummary:
    def known(name: str) -> float | None:
        return _known(told[name][k]) if name in told else None

    return replace(
        judge,
        share=judge.comparisons / total,
        both_orders=int(seen.both_orders[k]),
        flip_rate=_known(seen.flip_rate[k]),
        agreement=known("agreement"),
        expected_agreement=known("expected_agreement"),
        order_effect=known("order_effect"),
        order_effect_se=known("order_effect_se"),
        infit=known("infit"),
    )


def _beside_others(data: Comparisons) -> dict[str, Floats]:
    """Columns that need a scale, one entry per judge; none where the decisions carry no scale."""
    try:
        with one_blas_thread():
            fitted = fit(data, order_effect="judge" if data.seats else False)
            columns = {"infit": judge_misfit(fitted, 0).infit}
            if len(data.judges) > 1 and len(data.judges) * len(data) <= MOST_CELLS:
                found = judge_summary(fitted)
                columns |= {"agreement": found.agreement, "expected_agreement": found.expected_agreement}
    except StatsError:
        return {}
    return columns | _order_effects(fitted)


def _order_effects(fitted: Fit) -> dict[str, Floats]:
    effects, errors = fitted.order_effects, fitted.order_effects_se
    if effects is None or errors is None or len(effects) != len(fitted.comparisons.judges):
        return {}
    return {"order_effect": effects, "order_effect_se": errors}


def human_agreement(
    data: Comparisons, models: Collection[str], people: People, words: Mapping[str, int]
) -> HumanAgreement | None:
    """How far the models in `data` agree with people, over the same items; None where no model decided anything."""
    if not by_judges(data, models).any():
        return None
    each = {name: with_people(data, [name], people) for name in sorted(models)}
    judged = people.judged
    return HumanAgreement(
        source=people.source,
        judgements=len(judged),
        models=with_people(data, models, people),
        by_judge={name: found for name, found in each.items() if found is not None},
        among_humans=maybe(agreement_within(judged, ~none(judged))),
        surface=maybe(longer_wins(judged, lengths(judged, words))),
    )


def with_people(data: Comparisons, judges: Collection[str], people: People) -> Proportion | None:
    """Agreement of these judges in `data` with people; None where they decided no pair in common."""
    judged = people.judged
    columns = [
        np.concatenate([getattr(one, name) for one in (data, judged)]) for name in ("first", "second", "outcome")
    ]
    both = comparisons((columns[0], columns[1], columns[2]), items=data.items)
    mine = np.concatenate([by_judges(data, judges), none(judged)])
    return maybe(agreement(both, mine, np.concatenate([none(data), ~none(judged)])))


def surface(
    data: Comparisons, theta: Mapping[str, float], words: Mapping[str, int], distinct: Mapping[str, int]
) -> Surface:
    """What counting words would say of the essays that have a score."""
    return Surface(
        words=_correlation(theta, words),
        distinct_words=_correlation(theta, distinct),
        longer_won=maybe(longer_wins(data, lengths(data, words))),
    )


def by_judges(data: Comparisons, names: Collection[str]) -> Flags:
    """Which comparisons were judged by these."""
    if data.judge is None:
        return none(data)
    numbers = [k for k, name in enumerate(data.judges) if name in names]
    return np.asarray(np.isin(data.judge, numbers))


def none(data: Comparisons) -> Flags:
    """No comparison of these."""
    return np.zeros(len(data), dtype=np.bool_)


def lengths(data: Comparisons, words: Mapping[str, int]) -> Floats:
    """Words of each item, NaN where they are not known."""
    return np.array([words.get(item, np.nan) for item in data.items], dtype=np.float64)


def maybe(found: Share | None) -> Proportion | None:
    """A share as a report tells it, where there is one."""
    return None if found is None else Proportion(found.value, found.low, found.high, found.decisions, found.clusters)


def _correlation(theta: Mapping[str, float], counts: Mapping[str, int]) -> Correlation | None:
    both = [essay for essay in theta if essay in counts]
    try:
        found = rank_correlation([theta[essay] for essay in both], [counts[essay] for essay in both])
    except StatsError:
        return None
    return Correlation(found.value, found.low, found.high)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
