"""What all scores of a fit share of their errors, on simulated sessions and on constructed scores."""

import math

import numpy as np
import pytest

from pairmark.stats.anchors import grading
from pairmark.stats.bradley_terry import fit
from pairmark.stats.comparisons import comparisons
from pairmark.stats.simulation import simulate
from pairmark.stats.stretch import Stretch, shared, stretch
from pairmark.stats.threads import one_blas_thread
from support.graded import fitted
from support.sizes import size

PLACES = np.linspace(-2, 2, 9)
EDGES = np.linspace(-3, 3, 61)


@pytest.fixture(autouse=True)
def _one_blas_thread():
    with one_blas_thread():
        yield


def graded(found, n_grades=2):
    """Boundaries of a fit with its lowest and its highest score as anchors."""
    order = np.argsort(found.theta)
    anchors, grades = [order[0], order[-1]], [0, n_grades - 1]
    return grading(found.theta, found.standard_error, anchors, grades, n_grades, stretch(found))


def two(won, lost):
    """A fit of two essays."""
    return fit(comparisons([("anna", "bela", 1)] * won + [("anna", "bela", 0)] * lost))


def test_a_planted_stretch_is_recovered():
    own, factor, drawn_in = 0.3, 0.15, 0.1
    about_mean = factor**2 * np.outer(PLACES, PLACES) + np.diag(own**2 * np.ones(9))
    offset = drawn_in * PLACES
    covariance = about_mean + np.outer(offset, offset)
    found = shared(PLACES, np.diag(covariance), covariance @ PLACES, offset)
    np.testing.assert_allclose([found.centre, found.mean, found.sd], [0, 1 + drawn_in, factor], atol=1e-12)
    np.testing.assert_allclose(found.own(PLACES, np.sqrt(np.diag(covariance))), own / (1 + drawn_in))


@pytest.mark.parametrize("theta", [np.zeros(3), np.array([0, 1e-12, -1e-12])])
def test_equal_scores_tell_no_size_and_keep_their_errors(theta):
    found = shared(theta, np.ones(3), theta, np.zeros(3))
    assert not found.known
    np.testing.assert_array_equal(found.own(theta, np.ones(3)), np.ones(3))


def test_the_factor_between_scores_and_truth_lies_where_it_is_said_to_lie_and_is_not_said_to_be_vaguer():
    off, likely, sessions = [], [], size(60, 1000)
    for seed in range(sessions):
        draw = np.random.default_rng([seed, 5])
        truth = draw.normal(0, (1, 2)[seed % 2], (40, 100)[seed // 2 % 2])
        found_fit = fitted(truth, (12, 20)[seed // 4 % 2], draw, seed)
        found, place = stretch(found_fit), found_fit.theta - found_fit.theta.mean()
        own = found.mean * found.own(found_fit.theta, found_fit.standard_error)
        factor = float(place @ (truth - truth.mean()) / (place @ place))
        off.append(factor - found.mean)
        likely.append((found.sd**2 + float(place**2 @ own**2) / float(place @ place) ** 2) ** 0.5)
    z, slack = np.array(off) / np.array(likely), (2 * sessions) ** -0.5
    assert np.mean(np.abs(z) <= 1.96) >= 0.95 - 2.5 * (0.05 * 0.95 / sessions) ** 0.5
    assert 0.9 - 1.5 * slack <= np.std(z) <= 1.1 + 2.5 * slack
    assert abs(np.mean(off)) <= 0.05


def test_the_order_of_items_does_not_matter():
    draw = np.random.default_rng(3)
    truth, items = draw.normal(0, 1.5, 30), [f"e{number:02}" for number in range(30)]
    pairs = draw.permuted(np.tile(np.arange(30), (180, 1)), axis=1)[:, :2]
    outcome, moved = simulate(truth, pairs, 3), draw.permutation(30)
    plain = fit(comparisons((pairs[:, 0], pairs[:, 1], outcome), items=items))
    mixed = [items[number] for number in np.argsort(moved)]
    other = fit(comparisons((moved[pairs[:, 0]], moved[pairs[:, 1]], outcome), items=mixed))
    assert other.items != plain.items
    np.testing.assert_allclose(other.theta[moved], plain.theta, atol=1e-12)
    one, two_ = stretch(plain), stretch(other)
    np.testing.assert_allclose([two_.mean, two_.sd], [one.mean, one.sd], rtol=1e-9)
    np.testing.assert_allclose(graded(other, 3).interval(), graded(plain, 3).interval(), rtol=1e-6)


def test_it_is_that_of_the_whole_covariance():
    draw = np.random.default_rng(3)
    found = fitted(draw.normal(0, 1.5, 30), 12, draw, 3)
    place = found.theta - found.theta.mean()
    outer = np.outer(place, place) - np.diag(place**2)
    about = found.covariance - np.outer(found.mean_offset, found.mean_offset)
    assert stretch(found).sd == pytest.approx((np.sum(outer * about) / np.sum(outer**2)) ** 0.5, rel=1e-9)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("essays", "per_essay"), [(100, 10), (30, 20)])
def test_coin_tosses_do_not_tell_the_size_of_the_scale(seed, essays, per_essay):
    found = fitted(np.zeros(essays), per_essay, np.random.default_rng(seed), seed)
    assert not stretch(found).known
    assert graded(found, 5).interval() is None
    assert np.isfinite(graded(found, 5).boundaries()).all()


def test_coin_tosses_seldom_look_like_a_scale():
    sessions = size(60, 1000)
    known = [
        stretch(fitted(np.zeros(40), 12, np.random.default_rng([seed, 9]), seed)).known for seed in range(sessions)
    ]
    assert np.mean(known) <= 0.05 + 2.5 * (0.05 * 0.95 / sessions) ** 0.5


@pytest.mark.parametrize(("won", "lost", "known"), [(31, 30, False), (30, 30, False), (6, 4, False), (80, 20, True)])
def test_two_essays_tell_it_only_if_one_is_clearly_better(won, lost, known):
    result = graded(two(won, lost))
    assert (result.interval() is not None) == known
    if known:
        assert np.abs(result.interval()).max() < 3


@pytest.mark.parametrize("essays", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("seed", range(6))
def test_few_essays_have_an_interval_of_the_size_of_their_scores_or_none(essays, seed):
    draw = np.random.default_rng([seed, essays])
    found = fitted(draw.normal(0, 1.5, essays), (6, 20)[seed % 2], draw, seed)
    ends, together = graded(found).interval(), stretch(found)
    assert (ends is None) == (1.96 * together.sd > together.mean)
    if ends is not None:
        reach = np.abs(found.theta).max() + 3 * found.standard_error.max()
        assert np.abs(ends).max() < together.mean * 3 * reach


def test_a_place_is_stretched_as_draws_of_place_and_factor_say():
    """One even distribution of places from -1 to 2, and a factor whose mean and SD are those stated."""
    known = Stretch(0.5, mean=1.3, sd=0.5)
    cumulative = np.clip((EDGES + 1) / 3, 0, 1)
    draw, log_variance = np.random.default_rng(1), math.log1p((0.5 / 1.3) ** 2)
    factor = 1.3 * np.exp(draw.normal(0, log_variance**0.5, 1_000_000) - log_variance / 2)
    np.testing.assert_allclose([factor.mean(), factor.std()], [1.3, 0.5], atol=0.003)
    true = 0.5 + factor * (draw.uniform(-1, 2, 1_000_000) - 0.5)
    for share in (0.025, 0.3, 0.5, 0.9, 0.975):
        assert known.quantile(share, EDGES, cumulative) == pytest.approx(float(np.quantile(true, share)), abs=0.02)


def test_wide_edges_do_not_widen_what_is_narrow():
    """A factor that may be large reaches far out; the places themselves stay where they are."""
    edges = np.linspace(-8, 8, 281)
    found = Stretch(0.0, mean=2.0, sd=1.0).quantile(0.975, edges, np.clip(0.5 + edges / 0.2, 0, 1))
    assert 0.2 < found < 0.4


def test_many_anchors_do_not_average_the_stretch_away_and_essays_keep_their_grades():
    scores = np.concatenate([np.repeat(PLACES, 8), np.linspace(-2.2, 2.2, 30)])
    error, anchors = np.full(len(scores), 0.4), np.arange(72)
    alone = grading(scores, error, anchors, anchors // 8, 9)
    together = grading(scores, error, anchors, anchors // 8, 9, Stretch(0.0, mean=1.1, sd=0.15))

    def width(result):
        low, high = result.interval()
        return high - low

    assert width(together)[0] > 1.3 * width(alone)[0]
    assert width(together)[3] < 1.3 * width(alone)[3], "near the mean there is nothing to stretch"
    low, high = together.interval()
    at = together.boundaries()
    assert np.all((low <= at) & (at <= high))
    assert high[-1] - at[-1] > at[-1] - low[-1], "scores are drawn in, true boundaries lie farther out"
    most = together.probabilities(PLACES, np.full(9, 0.4)).argmax(axis=1)
    assert most.tolist() == list(range(9))
