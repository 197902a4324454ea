"""Boundaries and grades from anchors, on constructed scores and on simulated sessions with known grades."""

import numpy as np
import pytest

from pairmark.stats.anchors import grading
from pairmark.stats.calibration import reliability_diagram
from pairmark.stats.errors import StatsError
from pairmark.stats.threads import one_blas_thread
from support.graded import tallied
from support.sizes import size

EVEN = np.linspace(-3, 3, 7)


@pytest.fixture(autouse=True)
def _one_blas_thread():
    with one_blas_thread():
        yield


def even(error=0.3, *, per_grade=1, grades=7):
    """Anchors one logit apart, `per_grade` at each of the lowest `grades` places, and other essays between them."""
    theta = np.concatenate([np.repeat(EVEN[:grades], per_grade), np.linspace(-3.4, 3.4, 30)])
    anchors = np.arange(grades * per_grade)
    return grading(theta, np.full(len(theta), error), anchors, anchors // per_grade, 7)


def test_boundaries_lie_between_their_anchors_in_order():
    at = even().boundaries()
    assert np.all(np.diff(at) > 0)
    assert np.all((EVEN[:-1] < at) & (at < EVEN[1:]))
    np.testing.assert_allclose(at, (EVEN[:-1] + EVEN[1:]) / 2, atol=0.1)


@pytest.mark.parametrize("n_grades", [2, 3, 5, 8, 10])
@pytest.mark.parametrize("seed", range(3))
def test_an_essay_equal_to_an_anchor_most_probably_has_its_grade(n_grades, seed):
    """One anchor per grade, in order, neighbours at least one standard error apart, bands uneven up to 3 to 1."""
    gaps = np.random.default_rng(seed).uniform(1, 3, n_grades - 1)
    theta = np.concatenate([[0], np.cumsum(gaps)])
    scores = np.concatenate([theta, np.linspace(theta[0] - 1, theta[-1] + 1, 30)])
    error = np.full(len(scores), gaps.min())
    result = grading(scores, error, np.arange(n_grades), np.arange(n_grades), n_grades)
    assert result.probabilities(theta, error[:n_grades]).argmax(axis=1).tolist() == list(range(n_grades))


@pytest.mark.parametrize("known", [[1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 3, 5, 7, 9], [2, 5, 8]])
def test_that_holds_too_where_grades_below_between_and_above_have_no_anchor(known):
    gaps = np.random.default_rng(3).uniform(1, 2, 9)
    theta = np.concatenate([[0], np.cumsum(gaps)])
    scores = np.concatenate([theta[known], np.linspace(theta[0] - 1, theta[-1] + 1, 30)])
    error = np.full(len(scores), gaps.min() / 1.5)
    result = grading(scores, error, np.arange(len(known)), known, 10)
    assert result.probabilities(theta[known], error[: len(known)]).argmax(axis=1).tolist() == known


def test_probabilities_are_no_certainties_and_sum_to_one():
    chance = even().probabilities(np.linspace(-4, 4, 50), np.full(50, 0.4))
    np.testing.assert_allclose(chance.sum(axis=1), 1)
    assert chance.min() >= 0
    assert 0.3 < np.median(chance.max(axis=1)) < 0.95


def test_more_anchors_and_smaller_errors_make_boundaries_more_certain():
    def width(**how):
        low, high = even(**how).interval()
        return np.mean(high - low)

    assert width(per_grade=4) < width(per_grade=1)
    assert width(error=0.1) < width(error=0.5)


def test_boundaries_without_anchors_are_placed_by_the_others_with_more_uncertainty():
    known, lacking = even(), even(grades=4)
    low, high = lacking.interval()
    assert np.all((low <= known.boundaries()) & (known.boundaries() <= high))
    assert np.all(np.diff((high - low)[2:]) > 0), "the farther from the anchors, the less certain"


def test_a_missing_grade_in_the_middle_keeps_its_band():
    theta = np.concatenate([EVEN, np.linspace(-3.4, 3.4, 30)])
    keep = np.array([0, 1, 2, 4, 5, 6])
    result = grading(theta, np.full(len(theta), 0.3), keep, keep, 7)
    assert result.probabilities([0.0], [0.3]).argmax() == 3
    low, high = result.interval()
    assert (high - low)[2:4].min() > (high - low)[[1, 4]].max()


def test_intervals_across_a_boundary_are_marked():
    result = even()
    at = result.boundaries()
    assert result.crosses(at - 0.1, at + 0.1).all()
    assert not result.crosses(at + 0.01, at + 0.02).any()


def test_an_anchor_with_the_wrong_grade_is_found_and_the_others_are_not():
    theta = np.concatenate([np.repeat(EVEN, 3), np.linspace(-3.4, 3.4, 30)])
    grades = np.repeat(np.arange(7), 3)
    grades[4] = 5
    found = grading(theta, np.full(len(theta), 0.3), np.arange(21), grades, 7).displacement()
    assert np.flatnonzero(found.displaced).tolist() == [4]
    assert found.distance[4] < -2
    assert np.all(found.p_value[found.displaced] < 1e-3)


def test_inverted_anchors_of_few_comparisons_are_no_error():
    theta = np.concatenate([[-1.0, 0.2, 0.0, 1.2], np.linspace(-2, 2, 30)])
    result = grading(theta, np.full(len(theta), 0.5), np.arange(4), np.arange(4), 4)
    assert np.all(np.diff(result.boundaries()) > 0)
    assert not result.displacement().displaced.any()


def hundreds(grades):
    theta = np.linspace(-2, 2, len(grades))
    return grading(theta, np.full(len(theta), 0.2), np.arange(len(theta)), grades, 4)


def test_hundreds_of_anchors_place_boundaries_where_they_are():
    found = hundreds(np.repeat(np.arange(4), 300))
    np.testing.assert_allclose(found.boundaries(), [-1, 0, 1], atol=0.02)
    assert not found.displacement().displaced.any()
    assert np.isfinite(found.displacement().p_value).all()


def test_hundreds_of_anchors_on_a_scale_that_stands_on_its_head_are_refused():
    with pytest.raises(StatsError, match="1,200 anchors go so much against their scores"):
        hundreds(np.repeat(np.arange(4), 300)[::-1])


def test_the_order_of_anchors_does_not_matter():
    theta, error = np.concatenate([EVEN, np.linspace(-3, 3, 30)]), np.full(37, 0.3)
    order = np.array([3, 0, 6, 2, 5, 1, 4])
    ordered = grading(theta, error, np.arange(7), np.arange(7), 7)
    shuffled = grading(theta, error, order, order, 7)
    assert np.array_equal(ordered.boundaries(), shuffled.boundaries())
    assert np.array_equal(ordered.displacement().p_value[order], shuffled.displacement().p_value)


@pytest.mark.parametrize(
    ("anchors", "grades", "n_grades", "told"),
    [
        ([0, 1], [0, 0], 3, "two different grades"),
        ([], [], 3, "two different grades"),
        ([0, 9], [0, 1], 3, "not one of the essays"),
        ([0, 1], [0, 3], 3, "outside the 3 grades"),
        ([0, 0], [0, 1], 3, "twice"),
        ([0, 1], [0], 3, "one grade"),
        ([0, 1], [0, 1], 1, "two or more grades"),
    ],
)
def test_what_cannot_be_graded_is_refused(anchors, grades, n_grades, told):
    with pytest.raises(StatsError, match=told):
        grading([0.0, 1.0, 2.0], [0.3, 0.3, 0.3], anchors, grades, n_grades)


def test_intervals_cover_and_probabilities_come_true():
    """Coverage 93 to 97 %, calibration error at most .03; with some slack for few sessions, whose boundaries go together."""
    tally, slack = tallied(range(size(30, 1000))), size(0.03, 0.0)
    assert 0.93 - slack <= np.mean(tally.covered) <= 0.97 + slack
    assert reliability_diagram(tally.stated, tally.right).expected_calibration_error <= 0.03 + slack / 2
    assert reliability_diagram(tally.each_stated, tally.each_right).expected_calibration_error <= 0.03
    assert np.mean(tally.false_alarms) <= 0.05
