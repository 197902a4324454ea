"""Charts on quality and grades place the numbers they are given, all of them and only those."""

from dataclasses import replace

import pytest

from pairmark.report import charts, convergence_charts, grade_charts, quality_charts
from support import score_samples as samples


def layer(spec, name):
    (found,) = [one for one in spec["layer"] if one.get("name") == name]
    return found


def test_bands_follow_the_boundaries_and_stop_where_the_intervals_do():
    result = samples.graded()
    bands = grade_charts.bands(result.grades.grades, result.grades.boundaries)
    assert [(band.grade, band.low, band.high) for band in bands] == [
        ("F", float("-inf"), -1), ("E", -1, 0), ("C", 0, 1), ("A", 1, float("inf")),
    ]  # fmt: skip
    spec = charts.caterpillar(result, bands)
    labels = layer(spec, "label")["data"]["values"]
    least, most = min(essay.ci_low for essay in result.essays), max(essay.ci_high for essay in result.essays)
    assert [label["grade"] for label in labels] == ["F", "E", "C", "A"]
    assert [label["low"] for label in labels] == [least, -1, 0, 1]
    assert labels[-1]["high"] == most
    assert [band["grade"] for band in layer(spec, "band")["data"]["values"]] == ["F", "C"]
    assert len(spec["data"]["values"]) == 30


def test_bands_that_no_interval_reaches_are_left_out_and_without_grades_nothing_changes():
    result = samples.scored()
    far = [charts.Band("low", float("-inf"), -9), charts.Band("high", -9, float("inf"))]
    spec = charts.caterpillar(result, far)
    assert [label["grade"] for label in layer(spec, "label")["data"]["values"]] == ["high"]
    assert [one["name"] for one in charts.caterpillar(result)["layer"]] == ["reference", "interval", "point"]


@pytest.mark.parametrize("value", [0.0, 0.456, 1.0])
def test_the_hand_of_the_dial_stands_at_the_value(value):
    spec = quality_charts.reliability_dial(value, 0.9)
    (hand,) = layer(spec, "hand")["data"]["values"]
    assert hand["low"] <= value <= hand["high"]
    assert 0 <= hand["low"] < hand["high"] <= 1
    assert layer(spec, "goal")["data"]["values"][0]["high"] == pytest.approx(0.903)
    zones = [layer(spec, name)["data"]["values"][0] for name in ("weak", "fair", "good")]
    assert [(zone["low"], zone["high"]) for zone in zones] == [(0.0, 0.7), (0.7, 0.8), (0.8, 1.0)]


def test_no_value_is_no_dial_and_no_target_no_mark():
    assert quality_charts.reliability_dial(None) is None
    assert quality_charts.reliability_dial(float("nan")) is None
    assert not [one for one in quality_charts.reliability_dial(0.5)["layer"] if one["name"] == "goal"]


@pytest.mark.parametrize(
    ("comparisons", "bars"),
    [
        ([], []),
        ([3], [(3, 4, 1)]),
        ([3, 5, 5, 4.5], [(3, 4, 1), (4, 5, 1), (5, 6, 2)]),
        ([1, 100], [(1, 5, 1), *[(low, low + 4, 0) for low in range(5, 97, 4)], (97, 101, 1)]),
    ],
)
def test_degrees_are_counted_in_few_bars(comparisons, bars):
    assert quality_charts.degrees(comparisons) == bars
    assert len(bars) <= quality_charts.MOST_BARS


def test_the_histogram_has_the_bars_of_its_table():
    spec = quality_charts.degree_histogram([3, 5, 5])
    assert [(row["told"], row["essays"]) for row in spec["data"]["values"]] == [("3", 1), ("4", 0), ("5", 2)]
    assert quality_charts.degree_histogram([3]) is None


def test_judges_stand_by_their_infit_and_those_above_are_told_apart_by_shape_too():
    rows = [("a", 0.9, 0.7, 1.3), ("b", 1.8, 0.6, 1.4), ("c", 1.0, None, None)]
    spec = quality_charts.misfit("judge", "Infit", rows)
    assert [(row["name"], row["value"], row["above"]) for row in spec["data"]["values"]] == [
        ("b", 1.8, True), ("c", 1.0, False), ("a", 0.9, False),
    ]  # fmt: skip
    assert "Infit of 3 judges; 1 above the band" in spec["description"]
    assert layer(spec, "outlier")["mark"]["shape"] != layer(spec, "point")["mark"]["shape"]
    assert quality_charts.misfit("judge", "Infit", []) is None


@pytest.mark.parametrize(("most", "end"), [(1.1, 2.0), (3.0, 3.3), (2776.4, quality_charts.CAP)])
def test_a_wild_outfit_does_not_squeeze_the_others(most, end):
    spec = quality_charts.misfit("essay", "Outfit", [("a", 1.0, 0.5, 1.5), ("b", most, 0.1, 9999.0)])
    scale = layer(spec, "point")["encoding"]["x"]["scale"]
    assert scale["domain"] == [0, pytest.approx(end)]
    assert scale["clamp"]


def test_many_judges_are_drawn_by_their_place_within_bounds():
    spec = quality_charts.misfit("judge", "Outfit", [(f"j{k}", 1 + k / 1000, 0.5, 1.5) for k in range(753)])
    assert spec["encoding"]["y"]["field"] == "place"
    assert spec["height"] <= charts.TALLEST
    assert len(spec["data"]["values"]) == 753


def test_a_course_without_waves_is_drawn_against_the_judgements():
    course = samples.course()
    for by_wave, field in ((True, "wave"), (False, "comparisons")):
        spec = convergence_charts.reliability(course.steps, 0.9, by_wave=by_wave)
        assert layer(spec, "point")["encoding"]["x"]["field"] == field
        assert [row["comparisons"] for row in spec["data"]["values"]] == list(range(60, 301, 30))
    assert "9 shares of the judgements" in spec["description"]
    assert len(convergence_charts.change(course.steps)["data"]["values"]) == 8


def test_the_distribution_shows_counts_and_expectations():
    grades = samples.graded().grades
    rows = grade_charts.grade_distribution(grades)["data"]["values"]
    assert [(row["grade"], row["essays"], row["expected"]) for row in rows] == [
        (share.grade, share.essays, share.expected) for share in grades.distribution
    ]
    unseen = replace(grades, distribution=[replace(grades.distribution[0], grade="\x1b[2J")])
    assert grade_charts.grade_distribution(unseen)["data"]["values"][0]["grade"] == "\\u001b[2J"
