"""Data at the edge: all won, all lost, hardly connected, not connected. Scores stay finite and errors say what is not known."""

import itertools

import numpy as np
import pytest

from pairmark.stats.bradley_terry import fit
from pairmark.stats.comparisons import comparisons
from pairmark.stats.errors import StatsError, UnconnectedError
from pairmark.stats.reliability import empirical_bayes

CLIQUES = [
    (f"{name}{i}", f"{name}{j}", float(k < 3))
    for name in "ab"
    for i, j in itertools.combinations(range(6), 2)
    for k in range(4)
]


def test_whoever_won_or_lost_everything_has_a_finite_score_and_a_larger_error():
    rows = [*CLIQUES[:60], *[("top", f"a{k}", 1.0) for k in range(6)], *[("low", f"a{k}", 0.0) for k in range(6)]]
    result = fit(comparisons(rows))
    errors = dict(zip(result.items, result.standard_error, strict=True))
    assert np.isfinite(result.theta).all()
    assert (result.ranks()[-1], result.ranks()[-2]) == (1, len(result.items))
    assert min(errors["top"], errors["low"]) > 1.3 * max(errors[f"a{k}"] for k in range(6))


def test_a_single_bridge_leaves_the_distance_of_two_groups_in_doubt():
    bridged = fit(comparisons([*CLIQUES, ("a0", "b0", 1.0)]))
    firm = fit(comparisons([*CLIQUES, *[(f"a{i}", f"b{j}", float((i + j) % 2)) for i in range(6) for j in range(6)]]))
    within = bridged.items.index("a1"), bridged.items.index("a2")
    across = bridged.items.index("a1"), bridged.items.index("b1")
    assert bridged.difference_se(*across) > 1.1 * bridged.difference_se(*within)
    assert bridged.difference_se(*across) > 1.3 * firm.difference_se(*across)
    assert bridged.standard_error.mean() > firm.standard_error.mean()


@pytest.mark.parametrize("n_items", [2, 3, 40, 400])
@pytest.mark.parametrize("shape", ["chain", "star", "one sided"])
def test_no_error_is_ever_nought(n_items, shape):
    ends = {"chain": lambda k: (k, k + 1), "star": lambda k: (0, k + 1), "one sided": lambda k: (k // 2, k + 1)}[shape]
    rows = [(*(f"{end:03}" for end in ends(k)), float(shape == "one sided" or k % 2)) for k in range(n_items - 1)]
    result = fit(comparisons(rows), order_effect=True)
    assert np.isfinite(result.theta).all()
    assert (result.standard_error > 0.05).all()
    assert result.order_effect_se > 0.05
    assert 0 <= empirical_bayes(result) < 1


def test_unconnected_groups_come_with_the_fewest_comparisons_that_join_them():
    rows = [*CLIQUES, ("x", "y", 1), ("p", "q", 0.5)]
    with pytest.raises(UnconnectedError, match="3 at least, such as a0 with b0, a1 with p, a2 with x") as refused:
        fit(comparisons(rows))
    joining = refused.value.joining
    assert len(joining) == len(refused.value.groups) - 1
    joined = fit(comparisons([*rows, *[(one, other, 1.0) for one, other in joining]]))
    assert np.isfinite(joined.theta).all()
    for left_out in range(len(joining)):
        fewer = joining[:left_out] + joining[left_out + 1 :]
        with pytest.raises(UnconnectedError):
            fit(comparisons([*rows, *[(one, other, 1.0) for one, other in fewer]]))


def test_a_large_star_is_fitted_without_a_matrix_of_items_by_items():
    n_items = 4000
    rng = np.random.default_rng(1)
    leaves = np.repeat(np.arange(1, n_items), 2)
    data = (np.zeros_like(leaves), leaves, rng.integers(0, 2, len(leaves)).astype(float))
    result = fit(comparisons(data, items=[f"{k:05}" for k in range(n_items)]))
    assert (result.standard_error > 0).all()
    assert result.standard_error[0] < result.standard_error[1:].min()
    assert result.difference_se(1, 2) > result.standard_error[1]
    assert result.draws(3).shape == (3, n_items)
    with pytest.raises(StatsError, match="4,000 items does not fit into memory"):
        result.covariance  # noqa: B018


@pytest.mark.parametrize("n_items", [40, 320, 2600])
def test_g14_errors_and_draws_do_not_depend_on_the_order_of_rows_or_items(n_items):
    rng = np.random.default_rng(2)
    first = np.concatenate([np.arange(n_items)] * 4)
    second = (first + rng.integers(1, n_items, len(first))) % n_items
    outcome = rng.integers(0, 3, len(first)) / 2
    items = [f"{k:05}" for k in range(n_items)]
    one = fit(comparisons((first, second, outcome), items=items), order_effect=True)
    rows, order = rng.permutation(len(first)), rng.permutation(n_items)
    place = np.argsort(order)
    shuffled = (place[first[rows]], place[second[rows]], outcome[rows])
    other = fit(comparisons(shuffled, items=[items[k] for k in order]), order_effect=True)
    assert one.theta[order].tobytes() == other.theta.tobytes()
    assert one.standard_error[order].tobytes() == other.standard_error.tobytes()
    assert one.draws(5)[:, order].tobytes() == other.draws(5).tobytes()
    assert (one.order_effect, one.order_effect_se) == (other.order_effect, other.order_effect_se)
