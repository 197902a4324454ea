"""Waves of pairs on single designs: closeness, seeds, blocked pairs, and what is refused."""

import numpy as np
import pytest

from pairmark.stats.errors import StatsError
from pairmark.stats.pairing import plan_wave
from pairmark.stats.simulation import true_scores


def test_scores_draw_close_pairs_together_without_losing_balance():
    theta = true_scores(100, 2.0, seed=1)
    start = plan_wave(100, [], [], size=100, seed=1)
    blind = plan_wave(100, start[:, 0], start[:, 1], size=100, seed=1, wave=1)
    scored = plan_wave(100, start[:, 0], start[:, 1], size=100, theta=theta, seed=1, wave=1)
    gap, blind_gap = (np.abs(theta[pairs[:, 0]] - theta[pairs[:, 1]]).mean() for pairs in (scored, blind))
    assert gap < blind_gap / 5
    assert (np.bincount(scored.ravel(), minlength=100) == 2).all()


def test_a_new_pair_comes_before_a_repeat_of_equal_value():
    asked = plan_wave(6, [], [], size=6, seed=1)
    again = plan_wave(6, asked[:, 0], asked[:, 1], size=6, theta=np.zeros(6), seed=1, wave=1)
    assert not {tuple(sorted(pair)) for pair in asked.tolist()} & {tuple(sorted(pair)) for pair in again.tolist()}


@pytest.mark.parametrize("scored", [False, True])
def test_no_pair_is_repeated_while_there_is_plenty_of_new_ones(scored):
    asked = np.zeros((0, 2), dtype=np.int64)
    theta = true_scores(60, 2.0, seed=1) if scored else None
    for wave in range(6):
        new = plan_wave(60, asked[:, 0], asked[:, 1], size=60, theta=theta, seed=1, wave=wave)
        asked = np.concatenate([asked, new])
    assert len(np.unique(np.sort(asked, axis=1), axis=0)) == len(asked) == 360


def test_a_wave_with_one_place_each_leaves_the_choice_of_seat_to_closeness():
    theta = np.arange(40.0)
    asked = plan_wave(40, [], [], size=40, seed=1)
    new = plan_wave(40, asked[:, 0], asked[:, 1], size=20, theta=theta, seed=1, wave=1)
    assert np.mean(np.abs(theta[new[:, 0]] - theta[new[:, 1]]) == 1) >= 0.8


def test_the_lower_score_does_not_always_come_first():
    theta = true_scores(200, 2.0, seed=1)
    asked = plan_wave(200, [], [], size=200, seed=1)
    new = plan_wave(200, asked[:, 0], asked[:, 1], size=100, theta=theta, seed=1, wave=1)
    assert 0.35 < np.mean(theta[new[:, 0]] < theta[new[:, 1]]) < 0.65


def test_scores_that_hardly_differ_do_not_turn_the_graph_into_a_chain():
    theta = np.linspace(-0.05, 0.05, 200)
    asked = plan_wave(200, [], [], size=200, seed=1)
    new = plan_wave(200, asked[:, 0], asked[:, 1], size=200, theta=theta, seed=1, wave=1)
    assert np.mean(np.abs(new[:, 0] - new[:, 1]) <= 2) < 0.3


@pytest.mark.parametrize("n_items", [3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("seed", range(5))
def test_a_wave_as_long_as_all_pairs_holds_each_once(n_items, seed):
    wave = plan_wave(n_items, [], [], size=n_items * (n_items - 1) // 2, seed=seed)
    assert len(np.unique(np.sort(wave, axis=1), axis=0)) == len(wave) == n_items * (n_items - 1) // 2


@pytest.mark.parametrize("n_items", range(4, 13))
def test_small_batches_stay_balanced_until_every_pair_was_asked_once(n_items):
    for seed in range(5):
        asked = np.zeros((0, 2), dtype=np.int64)
        for wave in range(n_items - 1):
            new = plan_wave(n_items, asked[:, 0], asked[:, 1], size=n_items // 2, seed=seed, wave=wave)
            asked = np.concatenate([asked, new])
            first, second = (np.bincount(asked[:, seat], minlength=n_items) for seat in (0, 1))
            assert np.ptp(first + second) <= 1
            assert np.abs(first - second).max() <= 1


def test_a_repeat_comes_before_a_pair_that_tells_nothing():
    theta = np.array([0.0, 0.1, 9.0, 9.1])
    again = plan_wave(4, [0, 1, 2, 3], [1, 2, 3, 0], size=2, theta=theta, seed=1, wave=1)
    assert {tuple(pair) for pair in again.tolist()} == {(1, 0), (3, 2)}


def test_seed_and_wave_change_the_plan():
    plans = [plan_wave(30, [], [], size=30, seed=seed, wave=wave).tolist() for seed, wave in [(1, 0), (2, 0), (1, 1)]]
    assert plans[0] != plans[1]
    assert plans[0] != plans[2]


def test_blocked_pairs_may_come_as_a_set_or_an_array_in_either_order():
    one = plan_wave(4, [], [], size=99, seed=1, pair_limit=1, blocked={(3, 0), (1, 2)})
    other = plan_wave(4, [], [], size=99, seed=1, pair_limit=1, blocked=np.array([[0, 3], [2, 1]]))
    np.testing.assert_array_equal(one, other)
    assert sorted(tuple(sorted(pair)) for pair in one.tolist()) == [(0, 1), (0, 2), (1, 3), (2, 3)]


def test_a_group_that_fell_behind_in_connection_is_joined_even_at_the_cost_of_balance():
    """Items 0 to 2 were asked far more often than 3 to 5, and nothing joins them."""
    first, second = [0, 1, 2] * 3 + [3, 4], [1, 2, 0] * 3 + [4, 5]
    new = plan_wave(6, first, second, size=1, seed=1, pair_limit=9)
    assert {int(end) // 3 for end in new[0]} == {0, 1}


def test_nothing_is_planned_for_size_zero_or_when_all_is_asked():
    assert plan_wave(3, [], [], size=0, seed=1).shape == (0, 2)
    assert plan_wave(2, [0, 1], [1, 0], size=5, seed=1, pair_limit=2).shape == (0, 2)


def test_a_wave_longer_than_all_pairs_asks_some_twice_in_both_orders():
    wave = plan_wave(3, [], [], size=6, seed=1)
    assert sorted(map(tuple, wave.tolist())) == [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"n_items": 1}, "two items and a pair limit of 1 or more, not 1 and 4"),
        ({"pair_limit": 0}, "two items and a pair limit of 1 or more, not 3 and 0"),
        ({"first": [0], "second": [0]}, "of different items"),
        ({"first": [0, 1], "second": [1]}, "two indices each"),
        ({"first": [0], "second": [3]}, "whole-number indices from 0 to 2"),
        ({"first": [-1], "second": [1]}, "whole-number indices from 0 to 2"),
        ({"first": [0.5], "second": [1]}, "whole-number indices from 0 to 2"),
        ({"blocked": [(0, 3)]}, "whole-number indices from 0 to 2"),
        ({"theta": [0.0, 1.0]}, "one finite score for each of the 3 items"),
        ({"theta": [0.0, 1.0, np.nan]}, "one finite score for each of the 3 items"),
    ],
)
def test_refused(arguments, sentence):
    with pytest.raises(StatsError, match=sentence):
        plan_wave(**{"n_items": 3, "first": [], "second": [], "size": 2, "seed": 1} | arguments)
