"""Reliability on simulated judges with a known truth: what the headline says, and where separation reliability fails."""

import numpy as np
import pytest

from pairmark.stats.bradley_terry import fit
from pairmark.stats.comparisons import comparisons
from pairmark.stats.errors import StatsError
from pairmark.stats.pairing import plan_wave
from pairmark.stats.reliability import empirical_bayes, ssr, ssr_observed
from pairmark.stats.simulation import simulate, true_scores
from pairmark.stats.threads import one_blas_thread

ITEMS = [f"e{k:03}" for k in range(100)]
SEEDS = range(10)


@pytest.fixture(autouse=True)
def _one_blas_thread():
    with one_blas_thread():
        yield


def judged(sd, per_item, seed, *, adaptive):
    """A session of 100 items in waves of two comparisons per item; returns the fit and the truth."""
    truth = true_scores(len(ITEMS), sd, seed)
    pairs, outcomes, result = np.zeros((0, 2), dtype=np.int64), np.zeros(0), None
    for wave in range(per_item // 2):
        theta = result.theta if adaptive and result else None
        new = plan_wave(len(ITEMS), pairs[:, 0], pairs[:, 1], size=len(ITEMS), theta=theta, seed=seed, wave=wave)
        pairs = np.concatenate([pairs, new])
        outcomes = np.concatenate([outcomes, simulate(truth, new, seed * 1000 + wave)])
        if adaptive or wave == per_item // 2 - 1:
            result = fit(comparisons((pairs[:, 0], pairs[:, 1], outcomes), items=ITEMS))
    return result, truth


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("per_item", [10, 20])
def test_coin_tosses_are_not_called_reliable(per_item, adaptive):
    headline = [empirical_bayes(judged(0, per_item, seed, adaptive=adaptive)[0]) for seed in range(40)]
    assert np.mean(headline) <= 0.10


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("sd", [1, 2])
def test_the_headline_is_the_squared_correlation_with_the_truth(sd, adaptive):
    sessions = [judged(sd, 20, seed, adaptive=adaptive) for seed in SEEDS]
    headline = np.mean([empirical_bayes(result) for result, _ in sessions])
    true = np.mean([np.corrcoef(result.theta, truth)[0, 1] ** 2 for result, truth in sessions])
    assert headline == pytest.approx(true, abs=0.05)


def test_the_observed_formula_calls_coin_tosses_half_reliable():
    tosses = [judged(0, 20, seed, adaptive=False)[0].comparisons for seed in SEEDS]
    likely = [fit(data, method="ml") for data in tosses]
    assert np.mean([ssr_observed(one.theta, one.standard_error) for one in likely]) > 0.45
    assert np.mean([ssr(one.theta, one.standard_error) for one in likely]) < 0.20


def test_formulas_by_hand():
    theta, error = np.array([-1.0, 0.0, 1.0]), np.array([0.5, 0.5, 0.5])
    assert ssr(theta, error) == pytest.approx(0.75)
    assert ssr_observed(theta, error) == pytest.approx(0.8)
    assert ssr(theta * 0.1, error) == 0.0
    assert ssr(theta * 0, error) == ssr_observed(theta * 0, error) == 0.0


def test_reliability_is_refused_where_it_means_nothing():
    data = comparisons([("a", "b", 1), ("b", "a", 1)])
    with pytest.raises(StatsError, match="needs a fit by the method map, not ml"):
        empirical_bayes(fit(data, method="ml"))
    for error in (np.array([0.0, 1.0]), np.array([1.0])):
        with pytest.raises(StatsError, match="each with a standard error above 0"):
            ssr(np.array([0.0, 1.0]), error)


def test_few_comparisons_of_few_essays_do_not_reach_a_target():
    one_win = fit(comparisons([("a", "b", 1)]))
    an_order = fit(comparisons([("a", "b", 1), ("a", "c", 1), ("b", "c", 1)]))
    assert empirical_bayes(one_win) < empirical_bayes(an_order) < 0.6


def test_errors_of_two_equal_texts_stay_near_those_of_the_data_alone():
    even = comparisons([("a", "b", 1)] * 5 + [("a", "b", 0)] * 5)
    assert fit(even).standard_error[0] > 0.6 * fit(even, method="ml").standard_error[0]
