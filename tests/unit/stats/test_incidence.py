"""Sums over rows and chances by strength, against the plain formulas."""

import numpy as np
import pytest

from pairmark.stats.davidson import FARTHEST, chances, chances_by_strength
from pairmark.stats.incidence import Incidence


@pytest.fixture
def incidence():
    """Six items of which the first, the fourth and the last are never the first of a row."""
    return Incidence(6, np.array([1, 1, 2, 4, 4, 4]), np.array([2, 5, 3, 0, 0, 5]))


def test_sums_per_item(incidence):
    values = np.random.default_rng(1).normal(size=6)
    first, second = np.zeros(6), np.zeros(6)
    np.add.at(first, incidence.first, values)
    np.add.at(second, incidence.second, values)
    np.testing.assert_allclose(incidence.of_first(values), first, rtol=1e-14)
    np.testing.assert_allclose(incidence.balances(values), first - second, rtol=1e-14)
    np.testing.assert_allclose(incidence.totals(values), first + second, rtol=1e-14)


def test_differences_keep_columns(incidence):
    values = np.random.default_rng(2).normal(size=(6, 3))
    expected = values[incidence.first] - values[incidence.second]
    assert incidence.differences(values).tobytes() == expected.tobytes()
    assert incidence.differences(values[:, 0]).tobytes() == expected[:, 0].tobytes()


def test_matrices_do_not_share_their_values(incidence):
    one, other = incidence.matrices(np.arange(6.0)), incidence.matrices(np.ones(6))
    expected = np.zeros((6, 6))
    np.add.at(expected, (incidence.first, incidence.second), np.arange(6.0))
    assert one[0].toarray().tolist() == expected.tolist()
    assert one[1].toarray().tolist() == expected.T.tolist()
    np.testing.assert_array_equal(other[0] @ np.ones(6), np.bincount(incidence.first, minlength=6))
    np.testing.assert_array_equal(other[1] @ np.ones(6), np.bincount(incidence.second, minlength=6))


@pytest.mark.parametrize("n_rows", [5, 40_000])
def test_chances_by_strength_are_those_of_the_logits(n_rows):
    rng = np.random.default_rng(3)
    theta = np.append(rng.normal(0, 3, 50), [-FARTHEST, FARTHEST])
    first, second = rng.integers(0, len(theta), (2, n_rows))
    one, other = chances_by_strength(theta, first, second), chances(theta[first] - theta[second])
    for quick, plain in ((one.first, other.first), (one.second, other.second), (one.variance, other.variance)):
        np.testing.assert_allclose(quick, plain, rtol=1e-12)
    np.testing.assert_allclose(one.mean, other.mean, atol=1e-15)
    assert one.tie is None
