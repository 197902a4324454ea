"""How many comparisons an item is worth: by the doubt about its rank, within bounds, and exactly as many as the wave has."""

import numpy as np
import pytest

from pairmark.stats.rules import adaptive
from pairmark.stats.wave_history import history_of
from pairmark.stats.wave_worth import appearances, blind_share, errors, reach, rivals


def history(n_items, rounds, seed=1):
    rng = np.random.default_rng(seed)
    first = np.concatenate([rng.permutation(n_items) for _ in range(rounds)])
    return history_of(n_items, first, np.roll(first.reshape(rounds, -1), 1, axis=1).ravel(), 4, None)


def test_density_is_the_sum_over_rivals_where_they_are_few():
    theta, variance = np.array([0.0, 0.5, 2.0]), np.array([0.3, 0.2, 0.5])
    gap, both = theta[:, None] - theta, variance[:, None] + variance
    each = np.exp(-(gap**2) / (2 * both)) / np.sqrt(both)
    np.testing.assert_allclose(rivals(theta, variance), each.sum(axis=1) - np.diag(each))


def test_density_of_thousands_is_that_of_the_sum_within_a_hundredth_of_the_highest():
    rng = np.random.default_rng(1)
    theta, variance = rng.normal(0, 1.5, 3_000), rng.uniform(0.1, 0.4, 3_000)
    gap, both = theta[:, None] - theta, variance[:, None] + variance
    each = np.exp(-(gap**2) / (2 * both)) / np.sqrt(both)
    exact = each.sum(axis=1) - np.diag(each)
    np.testing.assert_allclose(rivals(theta, variance), exact, rtol=0, atol=0.01 * exact.max())


def test_more_comparisons_leave_less_variance():
    before, after = (errors(history(20, rounds), np.linspace(-1, 1, 20)) for rounds in (2, 8))
    assert (after < before).all()


@pytest.mark.parametrize("size", [1, 2, 19, 20, 57, 400])
def test_as_many_places_as_the_wave_has_within_reach_of_the_mean(size):
    past = history(20, 3)
    given = appearances(past, np.linspace(-2, 2, 20) ** 3, size, np.random.default_rng(1))
    total = past.counts + given
    assert given.sum() == 2 * size
    assert given.min() >= 0
    assert np.abs(total - total.mean()).max() <= reach(total)


def test_the_thick_of_the_scale_gets_more_than_its_ends_whose_scores_count_too():
    past = history(60, 4)
    theta = np.concatenate([np.linspace(-4, -2, 10), np.linspace(-0.3, 0.3, 40), np.linspace(2, 4, 10)])
    total = past.counts + appearances(past, theta, 120, np.random.default_rng(1))
    assert 1.1 < total[10:50].mean() / total[[*range(10), *range(50, 60)]].mean() < 1.4


def test_scores_that_do_not_differ_get_the_same():
    past = history(60, 4)
    given = appearances(past, np.zeros(60), 90, np.random.default_rng(1))
    assert np.ptp(given) == 0


def test_an_item_that_fell_behind_catches_up():
    first = np.array([0, 1, 2, 3] * 6 + [4])
    second = np.array([1, 2, 3, 0] * 6 + [0])
    past = history_of(5, first, second, 9, None)
    assert past.counts[4] == 1
    given = appearances(past, np.zeros(5), 3, np.random.default_rng(1))
    assert given[4] == given.max() >= 5


def test_a_wave_too_short_for_all_that_fell_behind_helps_the_furthest_behind_first():
    """Items 4 to 9 hang on by one comparison each, and the wave has two places only."""
    first = np.concatenate([[0, 1, 2, 3] * 10, [4, 5, 6, 7, 8, 9]])
    second = np.concatenate([[1, 2, 3, 0] * 10, [0, 1, 2, 3, 0, 1]])
    given = appearances(history_of(10, first, second, 99, None), np.zeros(10), 1, np.random.default_rng(1))
    assert given.sum() == 2
    assert given[:4].sum() == 0
    wave = adaptive(10, first, second, size=1, theta=np.zeros(10), seed=1, pair_limit=99)
    assert len(wave) == 1


def test_waves_go_by_scores_once_these_are_half_reliable():
    assert blind_share(history(60, 2), np.random.default_rng(1).normal(0, 0.2, 60)) > 0.3
    assert blind_share(history(60, 20), np.random.default_rng(1).normal(0, 2.0, 60)) == 0.0
