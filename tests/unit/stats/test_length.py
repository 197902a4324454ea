"""Dependence on length against SciPy and against sessions built to have it or not."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from pairmark.stats.comparisons import comparisons
from pairmark.stats.errors import StatsError
from pairmark.stats.length import decisions_by_length, partial_rank_correlation, rank_correlation


def test_the_rank_correlation_is_that_of_scipy_with_ties():
    draw = np.random.default_rng(1)
    a, b = draw.normal(size=60), draw.integers(0, 8, 60)
    found = rank_correlation(a, b)
    assert found.value == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)
    assert -1 <= found.low < found.value < found.high <= 1


def test_the_interval_covers_the_correlation_of_the_population():
    rho, covered = 0.6, []
    spearman = 6 / np.pi * np.arcsin(rho / 2)  # of a bivariate normal
    for seed in range(300):
        draw = np.random.default_rng(seed)
        a = draw.normal(size=50)
        b = rho * a + np.sqrt(1 - rho**2) * draw.normal(size=50)
        found = rank_correlation(a, b)
        covered.append(found.low <= spearman <= found.high)
    assert 0.92 <= np.mean(covered) <= 0.98


def test_what_two_things_share_only_through_length_vanishes():
    draw = np.random.default_rng(2)
    words = draw.normal(size=4000)
    a, b = words + draw.normal(size=4000), words + draw.normal(size=4000)
    assert rank_correlation(a, b).value > 0.4
    assert abs(partial_rank_correlation(a, b, words)) < 0.05
    assert partial_rank_correlation(a, a + 0.1 * draw.normal(size=4000), words) > 0.9


def test_decisions_are_held_against_length_and_against_scores():
    data = comparisons([("a", "b", 1), ("a", "c", 1), ("b", "c", 0), ("c", "d", 0.5), ("a", "d", 0)])
    found = decisions_by_length(data, [2.0, 0.0, 1.0, -1.0], [100, 105, 50, np.nan])
    assert (found.longer_won, found.unequal) == (pytest.approx(1 / 3), 3)
    assert (found.matched_accuracy, found.matched) == (1.0, 1)
    assert found.accuracy == 1.0


def test_without_lengths_there_is_nothing_to_say():
    data = comparisons([("a", "b", 1)])
    found = decisions_by_length(data, [1.0, -1.0], [np.nan, np.nan])
    assert (found.longer_won, found.accuracy, found.matched_accuracy) == (None, None, None)


@pytest.mark.parametrize(
    ("a", "b"), [([1, 2, 3], [1, 2, 3]), ([1, 1, 1, 1], [1, 2, 3, 4]), ([1, 2, 3, np.inf], [1, 2, 3, 4])]
)
def test_correlations_that_do_not_exist_are_refused(a, b):
    with pytest.raises(StatsError):
        rank_correlation(a, b)
