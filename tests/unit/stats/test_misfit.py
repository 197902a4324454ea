"""Infit, outfit and their bands; split halves; what a fit answers about pairs and ranks."""

import csv
from pathlib import Path

import numpy as np
import pytest

from pairmark.stats.bradley_terry import fit
from pairmark.stats.comparisons import comparisons
from pairmark.stats.errors import StatsError
from pairmark.stats.misfit import essay_misfit, judge_misfit
from pairmark.stats.split_half import split_half
from support.panels import panel
from support.sizes import size

SANGWIN = Path(__file__).parents[2] / "reference" / "data" / "sangwin2021" / "judgement_data.csv"


def by_hand(result, names, row_names):
    """Infit and outfit, written out one comparison after the other."""
    sums = {name: np.zeros(4) for name in names}
    data = result.comparisons
    for row, names_of_row in enumerate(row_names):
        chance = result.probability(data.first[row], data.second[row])
        squared, variance = (data.outcome[row] - chance) ** 2, chance * (1 - chance)
        for name in names_of_row:
            sums[name] += squared, variance, squared / variance, 1
    table = np.array([sums[name] for name in names])
    return table[:, 0] / table[:, 1], table[:, 2] / table[:, 3]


@pytest.mark.parametrize("method", ["map", "sirt"])
def test_infit_and_outfit_are_those_of_the_textbook(method):
    data, _ = panel(judges=4, decisions=30, essays=10, sd=1, seed=1)
    result = fit(data, method=method)
    judges, essays = judge_misfit(result, 0), essay_misfit(result, 0)
    row_judges = [[data.judges[k]] for k in data.judge]
    row_essays = [[data.items[i], data.items[j]] for i, j in zip(data.first, data.second, strict=True)]
    for found, row_names in ((judges, row_judges), (essays, row_essays)):
        infit, outfit = by_hand(result, found.ids, row_names)
        np.testing.assert_allclose(found.infit, infit, atol=1e-12)
        np.testing.assert_allclose(found.outfit, outfit, atol=1e-12)
    assert judges.infit_p is None
    assert essays.comparisons.sum() == 2 * len(data)


def test_p_values_are_even_where_the_model_holds():
    shares = []
    for seed in range(size(8, 100)):
        result = fit(panel(judges=10, decisions=40, essays=40, sd=1.5, seed=seed)[0], order_effect=seed % 2 == 0)
        shares += [*judge_misfit(result, 200).infit_p, *essay_misfit(result, 200).infit_p]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.05)
    assert np.mean(np.array(shares) <= 0.1) == pytest.approx(0.1, abs=0.04)


def test_a_random_judge_is_outside_the_band_and_the_band_depends_on_the_pairs_met():
    data, _ = panel(judges=10, decisions=60, essays=30, planted=1, seed=2)
    found = judge_misfit(fit(data))
    assert found.infit[0] > found.infit_high[0]
    assert found.infit_p[0] <= 1 / 200
    assert (found.infit_p > 0).all()
    assert np.ptp(found.infit_high[1:] - found.infit_low[1:]) > 0.01
    assert np.mean((found.infit_low <= found.infit)[1:] & (found.infit <= found.infit_high)[1:]) >= 7 / 9


def test_bands_with_ties_and_order_effects_of_judges():
    data, _ = panel(judges=6, decisions=60, essays=20, sd=1, seed=3)
    outcome = np.where(np.arange(len(data)) % 5 == 0, 0.5, data.outcome)
    judges = [data.judges[k] for k in data.judge]
    tied = comparisons((data.first, data.second, outcome), items=data.items, judges=judges)
    found = judge_misfit(fit(tied, order_effect="judge"))
    assert ((found.infit_low < found.infit) & (found.infit < found.infit_high)).all()
    with pytest.raises(StatsError, match="no simulated bands"):
        judge_misfit(fit(tied, method="sirt"))


def test_rows_in_any_order_give_the_same_bits():
    data, _ = panel(judges=6, decisions=20, essays=20, seed=4)
    turned = data.only(np.random.default_rng(1).permutation(len(data)))
    one, other = fit(data), fit(turned)
    for question in (judge_misfit, essay_misfit):
        assert question(one).infit.tobytes() == question(other).infit.tobytes()
        assert question(one).outfit_high.tobytes() == question(other).outfit_high.tobytes()
    for over in ("judges", "comparisons"):
        halves = [split_half(each, over, 20).correlations.tobytes() for each in (one, other)]
        assert halves[0] == halves[1]
    for ours, theirs in zip(one.rank_interval(), other.rank_interval(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def session(dimension):
    with SANGWIN.open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["dimension"] == dimension]
    return comparisons([(row["Won"], row["Lost"], 1) for row in rows], judges=[row["JudgeID"] for row in rows])


@pytest.mark.parametrize(("dimension", "recorded"), [("rigour", 0.906), ("insight", 0.723)])
def test_halves_of_real_judges_are_as_alike_as_recorded(dimension, recorded):
    """The recorded medians are of plain fits; the prior moves scores of half the data a little."""
    found = split_half(fit(session(dimension)), "judges")
    assert found.median == pytest.approx(recorded, abs=0.02)
    assert found.low < found.median < found.high
    assert len(found.correlations) == 1000
    assert "adaptively" in found.caveat


def test_a_half_is_scored_as_a_fit_of_its_rows_would_be():
    data, _ = panel(judges=2, decisions=100, essays=12, seed=5)
    whole = fit(data)
    found = split_half(whole, "judges", 1)
    one, other = (fit(data.only(data.judge == k), prior_sd=whole.prior_sd).theta for k in (0, 1))
    assert found.median == pytest.approx(np.corrcoef(one, other)[0, 1], abs=1e-4)


def test_halves_are_of_equal_size_and_need_two_judges():
    result = fit(panel(judges=1, decisions=60, essays=12, seed=6)[0])
    with pytest.raises(StatsError, match="two judges or more"):
        split_half(result, "judges")
    with pytest.raises(StatsError, match="not over 'essays'"):
        split_half(result, "essays")
    assert split_half(result, "comparisons", 50).high <= 1
    with pytest.raises(StatsError, match="method map, not ml"):
        split_half(fit(panel(essays=10, sd=1)[0], method="ml"), "judges")


def test_tosses_of_a_coin_have_halves_that_know_nothing_of_each_other():
    medians = [split_half(fit(panel(essays=40, sd=0, seed=seed)[0]), "comparisons", 50).median for seed in range(8)]
    assert abs(np.mean(medians)) < 0.15


def test_a_probability_comes_with_its_error_and_interval():
    result = fit(panel(essays=10, seed=7)[0])
    spread, i, j = result.covariance, 2, 5
    error = np.sqrt(spread[i, i] + spread[j, j] - 2 * spread[i, j])
    assert result.difference_se(i, j) == pytest.approx(error, abs=1e-12)
    found = result.win_probability(i, j, level=0.9)
    assert found.value == result.probability(i, j)
    assert found.standard_error == pytest.approx(found.value * (1 - found.value) * error)
    difference = result.theta[i] - result.theta[j]
    assert np.log(found.low / (1 - found.low)) == pytest.approx(difference - 1.644854 * error, abs=1e-5)
    assert np.log(found.high / (1 - found.high)) == pytest.approx(difference + 1.644854 * error, abs=1e-5)


def test_chances_of_each_outcome_add_up():
    result = fit(comparisons([("a", "b", 1), ("b", "c", 0.5), ("a", "c", 1), ("b", "a", 0.5), ("c", "b", 0)]))
    won, tied, lost = result.outcome_chances(0, 2)
    assert won + tied + lost == pytest.approx(1)
    assert won / (won + lost) == pytest.approx(result.probability(0, 2))
    assert tied / np.sqrt(won * lost) == pytest.approx(result.tie_parameter)
    assert fit(panel(essays=10)[0]).outcome_chances(0, 1)[1] == 0


def test_draws_have_the_covariance_of_the_fit_and_repeat():
    result = fit(panel(essays=12, seed=8)[0])
    draws = result.draws(20_000)
    off = draws - result.theta  # the covariance is that around the reported scores, the modes
    np.testing.assert_allclose(off.T @ off / len(off), result.covariance, atol=0.03)
    np.testing.assert_allclose(draws.sum(axis=1), 0, atol=1e-9)
    np.testing.assert_array_equal(draws, result.draws(20_000))


def test_a_rank_interval_holds_the_rank_and_is_narrow_where_scores_are_far_apart():
    rows = [(f"{i}", f"{j}", float(k < 9)) for i in range(6) for j in range(i + 1, 6) for k in range(10)]
    result = fit(comparisons(rows))
    best, worst = result.rank_interval()
    assert ((best <= result.ranks()) & (result.ranks() <= worst)).all()
    assert worst[0] <= 2
    wide = fit(comparisons([*rows[:40], ("5", "0", 1.0)]))
    assert np.mean(np.subtract(*wide.rank_interval()[::-1])) > np.mean(worst - best)
