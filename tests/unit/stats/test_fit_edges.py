"""A fit at the edge of what may be asked: absurd starts, extreme weights, items in any order, wrong arguments."""

import numpy as np
import pytest

from pairmark.stats.bradley_terry import fit
from pairmark.stats.comparisons import comparisons
from pairmark.stats.errors import StatsError
from pairmark.stats.simulation import simulate, true_scores

CYCLE = [("a", "b", 1), ("b", "c", 1), ("c", "a", 1), ("a", "b", 1)]


def session(n_items, per_item, seed=0):
    """Rows of random comparisons that connect all items."""
    draw = np.random.default_rng(seed)
    first = np.concatenate([np.arange(n_items), draw.integers(0, n_items, n_items * per_item // 2)])
    second = (
        first + np.concatenate([np.ones(n_items, int), draw.integers(1, n_items, len(first) - n_items)])
    ) % n_items
    pairs = np.stack([first, second], axis=1)
    won = simulate(true_scores(n_items, 1.5, seed), pairs, seed)
    return [(f"e{one:04}", f"e{other:04}", float(y)) for (one, other), y in zip(pairs.tolist(), won, strict=True)]


@pytest.mark.parametrize("order_effect", [False, True])
def test_absurd_starts_lead_to_the_same_scores(order_effect):
    rows = session(700, 10)
    cold = fit(comparisons(rows), order_effect=order_effect)
    elsewhere = session(60, 4)
    ends = np.linspace(-1, 1, len(cold.items))
    starts = [1e3 * ends, 1e300 * ends, list(-cold.theta), fit(comparisons(elsewhere), prior_sd=50.0)]
    for start in starts:
        warm = fit(comparisons(rows), order_effect=order_effect, start=start)
        np.testing.assert_allclose(warm.theta, cold.theta, atol=1e-6)
        assert warm.prior_sd == pytest.approx(cold.prior_sd, abs=1e-6)
    far = fit(comparisons(rows), order_effect=order_effect, start_sd=1e9)
    np.testing.assert_allclose(far.theta, cold.theta, atol=1e-6)


@pytest.mark.parametrize("weight", [1e-9, 1e9])
def test_the_smallest_and_the_largest_weights_are_reckoned_with(weight):
    data = comparisons(CYCLE, weights=[weight, 1, weight, 1], judges=["kim", "lou", "kim", "lou"])
    result = fit(data)
    assert np.isfinite(result.theta).all()
    assert (result.standard_error > 0).all()
    assert np.isfinite(result.essay_misfit(simulations=20).infit).all()


def test_what_is_counted_and_planned_is_the_same_for_items_in_any_order():
    rows, rng = session(30, 12), np.random.default_rng(8)
    weights = rng.choice([0.1, 0.3, 1.7], len(rows))
    items = sorted({end for row in rows for end in row[:2]})
    judges = [f"j{k % 3}" for k in range(len(rows))]
    turned = [items[k] for k in rng.permutation(len(items))]
    one, other = (fit(comparisons(rows, items=ids, weights=weights, judges=judges)) for ids in (items, turned))
    back = [turned.index(item) for item in items]
    np.testing.assert_array_equal(one.wins, other.wins[back])
    np.testing.assert_array_equal(one.appearances, other.appearances[back])
    hidden = {"j0": items[:3]}
    plans = [scores.next_pairs(12, judges=["j0", "j1", "j2"], may_not_see=hidden).to_dict() for scores in (one, other)]
    assert plans[0] == plans[1]


def test_nothing_of_a_fit_can_be_written_to():
    scores = fit(comparisons(CYCLE), order_effect=True)
    for array in (scores.theta, scores.standard_error, scores.wins, scores.appearances, scores.order_effects,
                  scores.comparisons.wins, scores.comparisons.appearances):  # fmt: skip
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 99.0


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda scores: fit(CYCLE), "from what comparisons"),
        (lambda scores: fit(scores.comparisons, prior_sd=1e-300), r"between 1e-06 and 1e\+06"),
        (lambda scores: fit(scores.comparisons, start=["x", "y", "z"]), "one finite score for each of the 3"),
        (lambda scores: scores.index(1.5), "no item number 1.5"),
        (lambda scores: scores.draws(-1), "number of draws"),
        (lambda scores: scores.rank_interval(draws=0), "number of draws .* from 1 up"),
        (lambda scores: scores.split_half("comparisons", splits=0), "number of splits"),
        (lambda scores: scores.essay_misfit(simulations=-1), "number of simulations"),
        (lambda scores: scores.screen(false_alarms=2), "share of false alarms"),
        (lambda scores: scores.surprises(1.5), "number of comparisons to show"),
        (lambda scores: scores.next_pairs(2, pair_limit=0), "pair limit of 1 or more"),
    ],
)
def test_what_cannot_be_asked_is_told_in_a_sentence(ask, said):
    scores = fit(comparisons(CYCLE, judges=["kim", "lou", "kim", "lou"]))
    with pytest.raises(StatsError, match=said):
        ask(scores)
