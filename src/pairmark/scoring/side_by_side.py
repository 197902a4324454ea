"""What the answers of several judges to the same questions say: of each judge, between two of them, and beside people."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import median

from pairmark.domain.compared import Between, ComparedJudge
from pairmark.domain.judged import Proportion
from pairmark.judges.question import Answer, Call
from pairmark.judges.words import count_words
from pairmark.scoring.asking import Answers, Asked
from pairmark.scoring.panel import by_judges, lengths, maybe, none, with_people
from pairmark.scoring.people import People
from pairmark.stats.agreement import agreement, agreement_within
from pairmark.stats.comparisons import Comparisons, comparisons
from pairmark.stats.length import longer_wins
from pairmark.stats.seats import first_wins, flips

CONTROL = "surface"
OUTCOMES = {"first": 1.0, "tie": 0.5, "second": 0.0}


@dataclass(frozen=True)
class SideBySide:
    """The judges, every two of them, and people among themselves."""

    judges: list[ComparedJudge]
    between: list[Between]
    among_humans: Proportion | None
    warnings: list[str]


@dataclass(frozen=True)
class _Material:
    """All decisions (None without any), the words of each text, and what people judged."""

    data: Comparisons | None
    words: Mapping[str, int]
    people: People | None


def side_by_side(
    names: Sequence[str],
    texts: Mapping[str, str],
    pairs: Sequence[tuple[int, int]],
    answers: Answers,
    canaries: Sequence[Asked],
    people: People | None,
) -> SideBySide:
    """Count everything; `pairs` are places in `texts`. Calls for `canaries` are counted as calls and decide nothing."""
    ids, words = list(texts), {essay: count_words(text) for essay, text in texts.items()}
    material = _Material(_decisions(names, ids, answers.asked), words, people)
    judges = []
    for place, name in enumerate(names):
        mine = [one.answer for one in answers.asked if one.judge == place]
        calls = [one.answer.call for one in (*canaries, *answers.asked) if one.judge == place]
        judges.append(_judge(name, mine, [call for call in calls if call], material, answers.unable.get(place, "")))
    control = _counting(ids, pairs, words)
    if control is not None:
        told = _told(CONTROL, control, material, model=False)
        judges.append(replace(told, control=True, first_seat=None, flips=None, longer=None))
    judged = people.judged if people is not None else None
    two = combinations(range(len(names)), 2)
    return SideBySide(
        judges,
        [Between(names[a], names[b], _between(material.data, names[a], names[b])) for a, b in two],
        None if judged is None else maybe(agreement_within(judged, ~none(judged))),
        [f"{judge.judge} was asked no more: {judge.unable}" for judge in judges if judge.unable],
    )


def _decisions(names: Sequence[str], essay_ids: Sequence[str], asked: Sequence[Asked]) -> Comparisons | None:
    """All verdicts, in the order in which the judge saw the texts; None without any."""
    verdicts = [one for one in asked if one.answer.winner is not None]
    if not verdicts:
        return None
    return comparisons(
        [_as_seen(one) for one in verdicts], items=essay_ids, judges=[names[one.judge] for one in verdicts]
    )


def _as_seen(one: Asked) -> tuple[str, str, float]:
    outcome = OUTCOMES[one.answer.winner or "tie"]
    first, second = one.question.first_id, one.question.second_id
    return (second, first, 1 - outcome) if one.answer.swapped else (first, second, outcome)


def _judge(
    name: str, answers: Sequence[Answer], calls: Sequence[Call], material: _Material, unable: str
) -> ComparedJudge:
    data = material.data
    mine = data.only(by_judges(data, [name])) if data is not None else None
    times = [answer.response_time_ms / 1000 for answer in answers if answer.response_time_ms]
    costs = [call.cost for call in calls]
    return replace(
        _told(name, mine, material, model=bool(calls)),
        failures=dict(sorted(Counter(_failures(answers)).items())),
        median_seconds=median(times) if times else None,
        calls=len(calls),
        input_tokens=sum(call.input_tokens or 0 for call in calls),
        cached_tokens=sum(call.cached_tokens or 0 for call in calls),
        output_tokens=sum(call.output_tokens or 0 for call in calls),
        cost=sum(cost for cost in costs if cost is not None),
        unpriced=costs.count(None),
        price=next((call.price for call in calls if call.price), ""),
        unable=unable,
    )


def _failures(answers: Sequence[Answer]) -> list[str]:
    return [answer.kind for answer in answers if answer.kind != "verdict"]


def _told(name: str, mine: Comparisons | None, material: _Material, *, model: bool) -> ComparedJudge:
    """What the decisions of one judge say."""
    if mine is None or not len(mine):
        return ComparedJudge(name, model, 0, {}, None, None, None, None, None)
    people = material.people
    return ComparedJudge(
        judge=name,
        model=model,
        decisions=len(mine),
        failures={},
        first_seat=maybe(first_wins(mine)),
        flips=maybe(flips(mine)),
        longer=maybe(longer_wins(mine, lengths(mine, material.words))),
        humans=with_people(mine, [name], people) if people is not None else None,
        median_seconds=None,
    )


def _counting(
    essay_ids: Sequence[str], pairs: Sequence[tuple[int, int]], words: Mapping[str, int]
) -> Comparisons | None:
    """What counting words would decide about each pair, once; None where all texts are equally long."""
    rows = [
        (essay_ids[a], essay_ids[b], 1.0 if words[essay_ids[a]] > words[essay_ids[b]] else 0.0)
        for a, b in pairs
        if words[essay_ids[a]] != words[essay_ids[b]]
    ]
    return comparisons(rows, items=essay_ids, judges=[CONTROL] * len(rows)) if rows else None


def _between(data: Comparisons | None, one: str, other: str) -> Proportion | None:
    return None if data is None else maybe(agreement(data, by_judges(data, [one]), by_judges(data, [other])))
