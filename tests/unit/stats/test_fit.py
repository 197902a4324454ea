"""The fit: what it refuses, what it promises at the edges, and that it repeats to the last bit."""

import itertools
import math

import numpy as np
import pytest

from pairmark.stats.bradley_terry import ORDER_SD, TIE_SD, fit
from pairmark.stats.comparisons import comparisons
from pairmark.stats.errors import NoFiniteEstimateError, StatsError, UnconnectedError
from pairmark.stats.newton import mode
from pairmark.stats.simulation import simulate, true_scores
from pairmark.stats.threads import one_blas_thread

CYCLE = [("a", "b", 1), ("b", "c", 1), ("c", "a", 1), ("a", "b", 1)]
FULL_ORDER = [(low, high, 0) for low, high in itertools.combinations("abcdef", 2)]


@pytest.fixture(autouse=True)
def _one_blas_thread():
    with one_blas_thread():
        yield


def session(n_items, per_item, *, sd=1.5, seed=0, order_bias=0.0):
    """Rows of random comparisons, each item `per_item` times on average."""
    rng = np.random.default_rng(seed)
    first = rng.integers(0, n_items, n_items * per_item // 2)
    second = (first + rng.integers(1, n_items, len(first))) % n_items
    ring = np.arange(n_items)
    pairs = np.concatenate([np.stack([first, second], axis=1), np.stack([ring, (ring + 1) % n_items], axis=1)])
    truth = true_scores(n_items, sd, seed)
    outcomes = simulate(truth, pairs, seed, order_bias)
    rows = [(f"e{i:04}", f"e{j:04}", y) for (i, j), y in zip(pairs.tolist(), outcomes.tolist(), strict=True)]
    return rows, truth


def bits(result):
    return result.theta.tobytes(), result.standard_error.tobytes(), result.covariance.tobytes(), result.prior_sd


@pytest.mark.parametrize("n_items", [40, 320])
@pytest.mark.parametrize("order_effect", [False, True])
def test_g14_rows_in_any_order_give_the_same_bits(n_items, order_effect):
    rows = session(n_items, 8)[0] * 4  # each pair often, so that the order of its sum matters
    weights = np.random.default_rng(1).uniform(0.1, 2, len(rows))
    shuffled = np.random.default_rng(2).permutation(len(rows))
    one = fit(comparisons(rows, weights=weights), order_effect=order_effect)
    other = fit(comparisons([rows[k] for k in shuffled], weights=weights[shuffled]), order_effect=order_effect)
    assert bits(one) == bits(other)


def test_g14_the_same_comparisons_told_the_other_way_round_give_the_same_bits():
    rows, _ = session(40, 8)
    turned = [(second, first, 1 - outcome) for first, second, outcome in rows]
    assert bits(fit(comparisons(rows))) == bits(fit(comparisons(turned)))


@pytest.mark.parametrize("n_items", [40, 320])
def test_g14_items_in_any_order_give_the_same_bits(n_items):
    rows, _ = session(n_items, 8)
    items = sorted({row[0] for row in rows} | {row[1] for row in rows})
    order = np.random.default_rng(3).permutation(len(items))
    one, other = fit(comparisons(rows)), fit(comparisons(rows, items=[items[k] for k in order]))
    assert other.items == tuple(items[k] for k in order)
    assert one.theta[order].tobytes() == other.theta.tobytes()
    assert one.covariance[np.ix_(order, order)].tobytes() == other.covariance.tobytes()


def test_scores_of_unconnected_groups_are_refused_and_the_groups_named():
    data = comparisons([("a", "b", 1), ("b", "a", 1), ("x", "y", 1), ("y", "x", 1)])
    for method in ("map", "ml", "sirt"):
        with pytest.raises(UnconnectedError, match=r"2 unconnected groups \(a, b \| x, y\)") as refused:
            fit(data, method=method)
        assert refused.value.groups == (("a", "b"), ("x", "y"))


def test_maximum_likelihood_without_a_finite_answer_is_refused_with_the_reason():
    with pytest.raises(NoFiniteEstimateError, match="f, a won or lost everything; use the method map"):
        fit(comparisons(FULL_ORDER), method="ml")
    two_blocks = [*CYCLE, ("x", "y", 1), ("y", "x", 1), ("a", "x", 1)]
    with pytest.raises(NoFiniteEstimateError, match="some items never lost to the others"):
        fit(comparisons(two_blocks), method="ml")


@pytest.mark.parametrize(
    "rows",
    [
        [("a", "b", 1)],
        [("a", "b", 0.5)],
        [("a", "b", 1)] * 1000,
        FULL_ORDER,
        FULL_ORDER * 20,
        [("a", other, 1) for other in "bcdefgh"],
        [(f"{k:02}", f"{k + 1:02}", 1) for k in range(40)],
        [(f"{k:02}", f"{k + 1:02}", 0.5) for k in range(40)] * 10,
    ],
)
@pytest.mark.parametrize("order_effect", [False, True])
def test_the_prior_keeps_scores_finite_and_errors_above_zero(rows, order_effect):
    result = fit(comparisons(rows), order_effect=order_effect)
    assert np.isfinite(result.theta).all()
    assert result.theta.sum() == pytest.approx(0, abs=1e-9)
    assert (result.standard_error > 1e-3).all()
    assert 0 < result.prior_sd < math.inf


def test_who_wins_everything_is_first_with_the_widest_error():
    result = fit(comparisons(FULL_ORDER * 3))
    assert result.ranks().tolist() == [6, 5, 4, 3, 2, 1]
    assert result.standard_error[0] == pytest.approx(result.standard_error[5])
    assert (result.standard_error[[0, 5]] > result.standard_error[1:5].max()).all()


@pytest.mark.parametrize("method", ["map", "ml"])
@pytest.mark.parametrize("order_effect", [False, True])
def test_the_covariance_is_the_inverse_information_on_the_scores_that_sum_to_zero(method, order_effect):
    rows, _ = session(12, 20, sd=1)
    result = fit(comparisons(rows), method=method, order_effect=order_effect)
    n = len(result.items)
    design = np.zeros((len(rows), n + order_effect))
    design[np.arange(len(rows)), result.comparisons.first] = 1
    design[np.arange(len(rows)), result.comparisons.second] = -1
    point = np.append(result.theta, result.solution.point[n:]) if order_effect else result.theta
    if order_effect:
        design[:, n] = 1
    chance = 1 / (1 + np.exp(-design @ point))
    penalty = np.zeros(n + order_effect)
    if method == "map":
        penalty[:n] = result.prior_sd**-2
        penalty[n:] = ORDER_SD**-2
    information = design.T @ (design * (chance * (1 - chance))[:, None]) + np.diag(penalty)
    np.testing.assert_allclose(design.T @ (result.comparisons.outcome - chance) - penalty * point, 0, atol=1e-6)
    basis = np.linalg.svd(np.ones((1, n)))[2][1:].T
    free = np.zeros((n + order_effect, n - 1 + order_effect))
    free[:n, : n - 1] = basis
    free[n:, n - 1 :] = 1
    expected = free @ np.linalg.inv(free.T @ information @ free) @ free.T
    np.testing.assert_allclose(result.solution.curvature.times(np.eye(len(point))), expected, atol=1e-6)
    np.testing.assert_allclose(result.covariance.sum(axis=0), 0, atol=1e-10)
    if method == "ml":
        np.testing.assert_allclose(result.covariance, expected[:n, :n], atol=1e-6)
        if order_effect:
            assert result.order_effect_se == pytest.approx(math.sqrt(expected[n, n]), abs=1e-6)


def test_the_chain_makes_full_errors_wider_than_item_by_item_ones():
    rows = [row for k in range(20) for row in [(f"{k:02}", f"{k + 1:02}", 1), (f"{k:02}", f"{k + 1:02}", 0)] * 5]
    full, diagonal = fit(comparisons(rows), method="ml"), fit(comparisons(rows), method="sirt")
    assert full.standard_error.mean() > 1.5 * diagonal.standard_error.mean()


@pytest.mark.parametrize("sd", [0.5, 1.0, 2.0])
def test_the_prior_sd_is_found(sd):
    found = [fit(comparisons(session(100, 20, sd=sd, seed=seed)[0])).prior_sd for seed in range(6)]
    assert np.mean(found) == pytest.approx(sd, rel=0.1)


def test_intervals_cover_the_truth_as_often_as_they_say():
    inside = []
    for seed in range(10):
        rows, truth = session(100, 20, sd=1.5, seed=seed)
        result = fit(comparisons(rows, items=[f"e{k:04}" for k in range(100)]))
        low, high = result.interval(0.9)
        inside.append((low <= truth - truth.mean()) & (truth - truth.mean() <= high))
    assert np.mean(inside) == pytest.approx(0.9, abs=0.04)


def test_the_order_effect_is_found_and_kept_apart_from_the_scores():
    rows, truth = session(60, 60, sd=1, order_bias=0.8)
    result = fit(comparisons(rows), order_effect=True)
    assert abs(result.order_effect - 0.8) < 3 * result.order_effect_se < 0.5
    assert np.corrcoef(result.theta, truth)[0, 1] > 0.93
    assert fit(comparisons(rows)).order_effect is None


@pytest.mark.parametrize("n_items", [30, 310])
def test_a_warm_start_saves_time_only(n_items):
    rows, _ = session(n_items, 12)
    cold = fit(comparisons(rows))
    warm = fit(comparisons(rows), start=cold.theta + 0.1)
    known = fit(comparisons(rows), prior_sd=cold.prior_sd)
    for other in (warm, known):
        np.testing.assert_allclose(other.theta, cold.theta, atol=1e-6)
    np.testing.assert_allclose(warm.standard_error, cold.standard_error, atol=1e-6)
    assert known.standard_error.mean() < cold.standard_error.mean()  # no doubt about the SD


@pytest.mark.parametrize("method", ["map", "ml"])
def test_a_start_far_away_leads_to_the_same_scores(method):
    rows = [(f"e{a}", f"e{b}", (a + b + k) % 2) for a in range(8) for b in range(a) for k in range(4)]
    near = fit(comparisons(rows), method=method)
    far = fit(comparisons(rows), method=method, start=np.linspace(-30, 30, 8))
    np.testing.assert_allclose(far.theta, near.theta, atol=1e-6)


@pytest.mark.parametrize("n_items", [30, 310])
def test_a_point_where_nothing_can_be_told_is_refused_in_a_sentence(n_items):
    rows = [row for k in range(n_items) for row in [(f"{k:03}", f"{(k + 1) % n_items:03}", y) for y in (0, 1)]]
    cold, far = fit(comparisons(rows), method="ml"), np.linspace(-1e6, 1e6, n_items)
    with pytest.raises(StatsError, match="singular to working precision"):
        mode(cold.solution.model, far, 0.0)
    np.testing.assert_allclose(fit(comparisons(rows), method="ml", start=far).theta, cold.theta, atol=1e-6)


def test_the_prior_sd_does_not_depend_on_the_start():
    for seed in range(60):
        n_items = (5, 8, 12, 20, 30)[seed % 5]
        data = comparisons(session(n_items, 2 + seed % 3, sd=(1, 2, 4)[seed % 3], seed=seed)[0])
        noise = np.random.default_rng(seed).normal(0, 1, len(data.items))
        found = [fit(data, start=start).prior_sd for start in (None, 3 * noise, -noise)]
        assert max(found) / min(found) < 1 + 1e-5


def test_a_weight_counts_as_so_many_comparisons():
    doubled = fit(comparisons(CYCLE * 2))
    weighted = fit(comparisons(CYCLE, weights=[2] * len(CYCLE)))
    np.testing.assert_allclose(weighted.theta, doubled.theta, atol=1e-12)
    assert weighted.appearances.tolist() == [6.0, 6.0, 4.0]
    assert weighted.wins.tolist() == [4.0, 2.0, 2.0]


def test_equal_scores_share_the_better_rank():
    result = fit(comparisons([("a", "b", 1), ("a", "c", 1), ("b", "c", 0.5), ("b", "d", 1), ("c", "d", 1)]))
    assert result.theta[1] == pytest.approx(result.theta[2], abs=1e-12)
    assert result.ranks().tolist() == [1, 2, 2, 4]


def test_probability_of_winning():
    result = fit(comparisons([("a", "b", 1)] * 3 + [("a", "b", 0)]), method="ml")
    assert result.probability(0, 1) == pytest.approx(0.75)
    assert result.probability(1, 0) == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"method": "guess"}, "The method 'guess' is not one of map, ml and sirt."),
        ({"method": "ml", "prior_sd": 1.0}, "belongs to the method map"),
        ({"prior_sd": 0.0}, "must lie between 1e-06 and"),
        ({"method": "sirt", "order_effect": True}, "The method sirt has no order effect"),
        ({"start": np.zeros(2)}, "one finite score for each of the 3 items"),
        ({"start": np.array([0.0, np.nan, 0.0])}, "one finite score for each of the 3 items"),
    ],
)
def test_options_that_do_not_go_together(options, sentence):
    with pytest.raises(StatsError, match=sentence):
        fit(comparisons(CYCLE), **options)


def test_the_level_of_an_interval_is_checked():
    result = fit(comparisons(CYCLE))
    low, high = result.interval()
    np.testing.assert_allclose(high - low, 2 * 1.959964 * result.standard_error, rtol=1e-6)
    with pytest.raises(StatsError, match="between 0 and 1"):
        result.interval(95)


def tied(rows, every):
    """The same rows with every so many made a tie."""
    return [
        (first, second, 0.5 if number % every == 0 else outcome) for number, (first, second, outcome) in enumerate(rows)
    ]


@pytest.mark.parametrize("order_effect", [False, True])
@pytest.mark.parametrize("n_items", [40, 320])
def test_g14_ties_and_the_order_of_rows_give_the_same_bits(n_items, order_effect):
    rows = tied(session(n_items, 8)[0] * 2, 3)
    shuffled = np.random.default_rng(2).permutation(len(rows))
    one = fit(comparisons(rows), order_effect=order_effect)
    other = fit(comparisons([rows[k] for k in shuffled]), order_effect=order_effect)
    assert bits(one) == bits(other)
    assert one.tie_parameter == other.tie_parameter


def test_the_rate_of_ties_is_found():
    """Two equal texts tie with chance nu / (2 + nu)."""
    rng, nu = np.random.default_rng(4), 0.8
    rows = []
    for first, second in itertools.permutations(range(30), 2):
        gap = (first - second) / 10
        chances = np.array([np.exp(gap / 2), nu, np.exp(-gap / 2)])
        rows.append((f"{first:02}", f"{second:02}", float(rng.choice([1.0, 0.5, 0.0], p=chances / chances.sum()))))
    found = fit(comparisons(rows))
    assert abs(math.log(found.tie_parameter) - math.log(nu)) < 3 * found.log_tie_parameter_se
    truth = np.arange(30) / 10 - 1.45
    assert np.abs(found.theta - truth).max() < 4 * found.standard_error.max()


@pytest.mark.parametrize("order_effect", [False, True])
def test_with_ties_the_slope_of_the_likelihood_is_nought_at_the_mode_and_the_prior_sd_is_the_best(order_effect):
    """By numbers alone: the marginal likelihood (Laplace) falls when the prior SD is moved either way."""
    rows = tied(session(25, 12)[0], 4)
    found = fit(comparisons(rows), order_effect=order_effect)
    near = [
        fit(comparisons(rows), order_effect=order_effect, prior_sd=found.prior_sd * factor) for factor in (0.9, 1, 1.1)
    ]
    heights = [_marginal(one) for one in near]
    assert heights[1] > max(heights[0], heights[2])


def _marginal(found):
    """Log marginal likelihood with the hyperprior, up to a constant, from the public fit."""
    n, variance = len(found.items), found.prior_sd**2
    curvature = found.solution.curvature.matrix[:n, :n]
    sign, determinant = np.linalg.slogdet(curvature + np.full((n, n), 1 / n))
    assert sign > 0
    penalty = found.theta @ found.theta / variance
    if found.order_effect is not None:
        penalty += (found.solution.point[n] / ORDER_SD) ** 2
    penalty += (found.solution.point[-1] / TIE_SD) ** 2
    shape = min(0.25, 2 / n)
    return found.log_likelihood - penalty / 2 + determinant / 2 - (n - 1) / 2 * math.log(variance) + shape * math.log(
        variance) - variance / 8  # fmt: skip


def test_all_ties_and_a_single_tie_stay_finite():
    all_ties = fit(comparisons([("a", "b", 0.5), ("b", "c", 0.5), ("c", "a", 0.5)]))
    assert np.allclose(all_ties.theta, 0)
    assert all_ties.tie_parameter > 1
    single = fit(comparisons([*FULL_ORDER, ("a", "b", 0.5)]))
    assert np.isfinite(single.theta).all()
    with pytest.raises(NoFiniteEstimateError, match="Every comparison is a tie"):
        fit(comparisons([("a", "b", 0.5), ("b", "a", 0.5)]), method="ml")


def test_an_unknown_rule_for_ties_is_refused():
    with pytest.raises(StatsError, match="'third' for ties"):
        fit(comparisons(CYCLE), ties="third")
