"""Specifications place the numbers of the result, all of them, and only those."""

import json
from dataclasses import replace
from typing import Any

import pytest

from pairmark.domain.result import AssessmentResult
from pairmark.report import charts, convergence_charts
from support import report_samples as samples


def values_of(spec: dict[str, Any] | None) -> list[dict[str, Any]]:
    assert spec is not None
    values: list[dict[str, Any]] = spec["data"]["values"]
    return values


def reliability(result: AssessmentResult) -> dict[str, Any] | None:
    return convergence_charts.reliability(result.convergence, result.reliability.get("target"))


@pytest.mark.parametrize("essays", [2, 35, 80, 81, 1000])
def test_every_essay_is_placed_best_first(essays: int) -> None:
    result = samples.ranked(essays)
    rows = values_of(charts.caterpillar(replace(result, essays=result.essays[::-1])))
    assert [(row["essay"], row["rank"], row["score"], row["low"], row["high"]) for row in rows] == [
        (essay.essay_id, essay.rank, essay.theta, essay.ci_low, essay.ci_high) for essay in result.essays
    ]


def test_rows_have_names_until_they_are_too_many() -> None:
    few, many, very_many = (charts.caterpillar(samples.ranked(essays)) for essays in (80, 81, 1000))
    assert few is not None
    assert many is not None
    assert very_many is not None
    assert few["encoding"]["y"]["field"] == "essay"
    assert many["encoding"]["y"]["field"] == "position"
    assert many["height"] <= very_many["height"] <= charts.TALLEST
    assert very_many["encoding"]["y"]["axis"]["values"] == [1, *range(50, 1001, 50)]


def test_nothing_to_draw_is_no_chart() -> None:
    for result in (samples.single(), samples.failed()):
        assert charts.caterpillar(result) is None
        assert reliability(result) is None
        assert convergence_charts.change(result.convergence) is None


def test_waves_without_a_value_are_left_out() -> None:
    result = samples.ranked()
    assert [row["wave"] for row in values_of(convergence_charts.change(result.convergence))] == list(range(2, 11))
    assert [row["reliability"] for row in values_of(reliability(result))] == [
        wave.reliability for wave in result.convergence
    ]


def test_the_target_is_drawn_only_if_there_is_one() -> None:
    result = samples.ranked()
    with_target = json.dumps(reliability(result))
    without = json.dumps(reliability(replace(result, reliability={"value": 0.8, "target": None})))
    assert "target 0.85" in with_target
    assert "target" not in without


def test_specifications_are_json_in_plain_words() -> None:
    result = samples.ranked()
    for spec in (charts.caterpillar(result), reliability(result), convergence_charts.change(result.convergence)):
        assert spec is not None
        json.dumps(spec, allow_nan=False)
        assert len(spec["description"]) > 40
    assert "further right = judged better" in json.dumps(charts.caterpillar(result))
