"""Linking a new batch to an earlier scale by common essays, on simulated batches with a known shift."""

import numpy as np
import pytest

from pairmark.stats.bradley_terry import fit
from pairmark.stats.comparisons import comparisons
from pairmark.stats.errors import StatsError
from pairmark.stats.linking import MOVED, link
from pairmark.stats.threads import one_blas_thread
from support.graded import fitted
from support.sizes import size


@pytest.fixture(autouse=True)
def _one_blas_thread():
    with one_blas_thread():
        yield


def batches(seed, *, common=10, apart=1.5, drift=0.0):
    """An earlier and a new batch with common essays first; the new one is better by about `apart` logits."""
    draw = np.random.default_rng(seed)
    shared = draw.normal(0, 1.2, common)
    old = np.concatenate([shared, draw.normal(0, 1.5, 40)])
    new = np.concatenate([shared + drift * draw.normal(0, 1, common), draw.normal(apart, 1.3, 40)])
    return fitted(old, 20, draw, 2 * seed), fitted(new, 20, draw, 2 * seed + 1), old, new


def test_the_shift_and_the_scores_are_recovered_within_their_intervals():
    inside, covered, off = [], [], []
    for seed in range(size(40, 400)):
        earlier, later, old, new = batches(seed, apart=(-1.0, 0.0, 1.5)[seed % 3])
        linked = link(later, range(10), earlier.theta[:10], earlier.standard_error[:10])
        shift = new.mean() - old.mean()
        inside.append(abs(linked.shift - shift) <= 1.96 * linked.shift_se)
        covered.append(np.mean(np.abs(linked.theta - (new - old.mean())) <= 1.96 * linked.standard_error))
        off.append(linked.shift - shift)
    assert np.mean(inside) >= 0.87
    assert 0.93 <= np.mean(covered) <= 0.97
    assert abs(np.mean(off)) < 0.1


def test_common_essays_gain_from_what_was_known_of_them():
    earlier, later, _, _ = batches(1)
    linked = link(later, range(10), earlier.theta[:10], earlier.standard_error[:10])
    assert np.mean(linked.standard_error[:10]) < np.mean(later.standard_error[:10])


def test_an_essay_that_moved_is_told_from_error():
    earlier, later, _, _ = batches(2)
    theta = earlier.theta[:10].copy()
    theta[3] += 4
    assert np.flatnonzero(np.abs(link(later, range(10), theta, np.full(10, 0.05)).z) > MOVED / 2).tolist() == [3]


def test_drift_makes_the_link_less_certain():
    steady, moving = (batches(3, drift=drift) for drift in (0.0, 1.0))
    links = [
        link(later, range(10), earlier.theta[:10], earlier.standard_error[:10])
        for earlier, later, *_ in (steady, moving)
    ]
    assert links[0].drift_sd < links[1].drift_sd
    assert links[0].shift_se < links[1].shift_se


@pytest.mark.parametrize(
    ("common", "theta", "error", "told"),
    [
        ([0], [0.0], [0.1], "two or more"),
        ([0, 0], [0.0, 1.0], [0.1, 0.1], "different essays"),
        ([0, 7], [0.0, 1.0], [0.1, 0.1], "different essays"),
        ([0, 1], [0.0, np.nan], [0.1, 0.1], "finite"),
        ([0, 1], [0.0, 1.0], [0.1, 0.0], "above 0"),
    ],
)
def test_what_cannot_be_linked_is_refused(common, theta, error, told):
    new = fit(comparisons([("a", "b", 1), ("b", "c", 1), ("c", "a", 1)]))
    with pytest.raises(StatsError, match=told):
        link(new, common, theta, error)


def test_only_fits_with_a_prior_can_be_linked():
    new = fit(comparisons([("a", "b", 1), ("b", "c", 1), ("c", "a", 1)]), method="ml")
    with pytest.raises(StatsError, match="method map"):
        link(new, [0, 1], [0.0, 1.0], [0.1, 0.1])
