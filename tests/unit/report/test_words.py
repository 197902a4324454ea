"""Sentences: one for every status and reason, and none that a number contradicts."""

from dataclasses import replace

import pytest

from pairmark.domain.statuses import Status, StopReason
from pairmark.report import words
from pairmark.report.figures import decimal, plain, visible
from support import report_samples as samples


def test_every_status_and_every_reason_has_words() -> None:
    assert set(words.STATUS_WORDS) == set(Status)
    assert set(words.STOP_WORDS) == set(StopReason)


@pytest.mark.parametrize(
    ("value", "level", "part"),
    [
        (0.93, "good", "reliability 0.93 reaches the 0.80"),
        (0.8, "good", "reliability 0.80 reaches the 0.80"),
        (0.7999, "fair", "reliability 0.7999 is below 0.8000"),
        (0.70, "fair", "reliability 0.70 is below 0.80"),
        (0.31, "weak", "reliability 0.31 is below 0.70"),
        (None, "none", "Too little was compared"),
    ],
)
def test_fitness_follows_the_published_bars(value: float | None, level: str, part: str) -> None:
    fitness = words.fitness(replace(samples.ranked(), reliability={"value": value, "target": None}))
    assert fitness.level == level
    assert part in fitness.sentence


def test_a_missed_target_never_looks_reached() -> None:
    result = replace(samples.ranked(), reliability={"value": 0.8496, "target": 0.85})
    assert words.target_sentence(result) == "0.8496 misses the target of 0.8500."


def test_few_judges_are_named_many_are_counted() -> None:
    result = samples.ranked()
    assert "by one judge, voter-001." in words.headline(replace(result, judges=result.judges[:1]))
    assert "voter-001 (" in words.headline(replace(result, judges=result.judges[:3]))
    assert "by 12 judges." in words.headline(result)


def test_only_a_clean_check_passes() -> None:
    clean = {"duplicates": 0, "lost": 0, "charged_twice": 0, "findings": []}
    assert words.self_check_passed(clean)
    assert not words.self_check_passed({**clean, "lost": 1})
    assert not words.self_check_passed({**clean, "findings": ["a row without its twin"]})
    assert not words.self_check_passed({})


def test_numbers_as_people_read_them() -> None:
    assert decimal(-0.001) == "0.00"
    assert decimal(-1.256) == "-1.26"
    assert decimal(float("nan")) == decimal(None) == "\u2013"
    assert plain(12000) == "12,000"
    assert plain(0.5) == "0.50"


def test_unseen_characters_are_written_out() -> None:
    assert visible("a\x1b[0m\u202eb\ud800") == "a\\u001b[0m\\u202eb\\ud800"
    assert visible("Åsa \U0001f469\u200d\U0001f52c") == "Åsa \U0001f469\u200d\U0001f52c"


def test_a_steady_baseline_is_not_praised() -> None:
    sentence = words.reliability_sentence(replace(samples.ranked(), baseline=True))
    assert "nothing about how good the essays are" in sentence
    assert "%" not in sentence
