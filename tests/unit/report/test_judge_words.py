"""Sentences about models: what they cost and failed at, how far people agree, and what is no more than it is."""

from dataclasses import replace

import pytest

from pairmark.domain.judged import CallsMade, Cost, HumanAgreement, Money, Proportion
from pairmark.report import judge_charts, judge_words, words
from pairmark.report.figures import money, percent, tokens
from support import report_samples as samples


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "not known"),
        (0, "$0.00"),
        (0.00031, "$0.00031"),
        (0.0423, "$0.042"),
        (0.5, "$0.50"),
        (1234.5, "$1,234.50"),
    ],
)
def test_money_is_never_rounded_to_nothing(value: float | None, shown: str) -> None:
    assert money(value) == shown


def test_counts_of_tokens_are_short() -> None:
    assert [tokens(number) for number in (812, 4100, 62_000, 1_250_000, 31_000_000)] == [
        "812",
        "4.1k",
        "62k",
        "1.2M",
        "31M",
    ]
    assert percent(None) == "\u2013"


def test_an_unknown_cost_is_never_shown_as_nothing() -> None:
    unknown = CallsMade(calls=9, verdicts=9, unpriced=9)
    assert judge_words.paid(unknown) == "not known"
    assert judge_words.paid(replace(unknown, unpriced=2, cost=0.5)) == "$0.50 and more"
    assert judge_words.paid(replace(unknown, unpriced=0, cost=0.5)) == "$0.50"
    told = judge_words.cost_sentence(Cost(Money(1.2, 5.0, 0.03), calls=40, unpriced=2, lost=1, reused=3))
    assert told == (
        "$1.20 of at most $5.00 spent, perhaps $0.030 more for 40 calls; 3 verdicts taken from earlier calls for nothing; the cost "
        "of 2 calls is not known; 1 call without a recorded end, perhaps charged."
    )


def test_failures_are_named_by_kind() -> None:
    made = CallsMade(calls=9, verdicts=4, failures={"refused": 3, "timed_out": 1}, lost=1)
    assert judge_words.failures(made) == "3 refused, 1 timed out, 1 without a recorded end"
    assert judge_words.failures(CallsMade(calls=1, verdicts=1)) == "none"
    assert judge_words.failures(None) == "\u2013"


def test_a_suspended_judge_and_a_favourite_seat_are_told_first() -> None:
    result = samples.judged_by_models()
    told = " ".join(judge_words.alarms(result))
    assert "openai:large chose the text shown first in 63\u00a0%" in told
    assert "was suspended: it chose an empty text" in told
    assert "named another winner in 18\u00a0%" in told


def agreed(value: float, low: float, surface: float | None = 0.66) -> HumanAgreement:
    control = None if surface is None else Proportion(surface, surface - 0.03, surface + 0.03, 900, 300)
    return HumanAgreement("votes.csv", 900, Proportion(value, low, value + 0.05, 200, 200), surface=control)


@pytest.mark.parametrize(
    ("humans", "level", "part"),
    [
        (None, "fair", "nobody has held it against people"),
        (agreed(0.83, 0.79), "good", "Fit for ranking: reliability 0.87"),
        (agreed(0.64, 0.58), "weak", "counting words (66\u00a0%)"),
        (agreed(0.55, 0.47, None), "weak", "coin tosses"),
    ],
)
def test_models_that_only_agree_with_themselves_are_not_called_fit(
    humans: HumanAgreement | None, level: str, part: str
) -> None:
    fitness = words.fitness(replace(samples.judged_by_models(), humans=humans))
    assert fitness.level == level
    assert part in fitness.sentence


def test_where_people_judged_most_models_decide_nothing_about_fitness() -> None:
    result = samples.judged_by_models()
    person = replace(result.judges[0], judge="anna", model=False, human=True, comparisons=9_000, made=None)
    assert words.fitness(replace(result, judges=[*result.judges, person], humans=None)).level == "good"


def test_the_chart_beside_people_has_controls_in_grey() -> None:
    humans = samples.judged_by_models().humans
    assert humans is not None
    spec = judge_charts.with_people(humans)
    assert spec is not None
    shown = {value["name"]: value["control"] for value in spec["data"]["values"]}
    assert shown == {
        "all models": False, "anthropic:small": False, "openai:large": False, "two people": True,
        "counting words (control)": True,
    }  # fmt: skip
    assert judge_charts.with_people(replace(humans, models=None)) is None
