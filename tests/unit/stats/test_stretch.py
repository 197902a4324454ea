"""What all scores of a fit share of their errors, on simulated sessions and on constructed scores."""

import numpy as np

from pairmark.stats.anchors import grading
from pairmark.stats.stretch import Stretch, shared, stretch
from pairmark.stats.threads import one_blas_thread
from support.graded import fitted
from support.sizes import size

PLACES = np.linspace(-2, 2, 9)


def test_a_planted_stretch_is_recovered():
    own, factor, drawn_in = 0.3, 0.15, 0.1
    about_mean = factor**2 * np.outer(PLACES, PLACES) + np.diag(own**2 * np.ones(9))
    offset = drawn_in * PLACES
    covariance = about_mean + np.outer(offset, offset)
    found = shared(PLACES, np.diag(covariance), covariance @ PLACES, offset)
    np.testing.assert_allclose([found.centre, found.mean, found.sd], [0, 1 + drawn_in, factor], atol=1e-12)
    np.testing.assert_allclose(found.own(PLACES, np.sqrt(np.diag(covariance))), own / (1 + drawn_in))


def test_equal_scores_have_no_stretch():
    assert shared(np.zeros(3), np.ones(3), np.zeros(3), np.zeros(3)) == Stretch(0.0)


def test_the_factor_between_scores_and_truth_lies_where_it_is_said_to_lie():
    inside, off, sessions = [], [], size(60, 1000)
    with one_blas_thread():
        for seed in range(sessions):
            draw = np.random.default_rng([seed, 5])
            truth = draw.normal(0, (1, 2)[seed % 2], (40, 100)[seed // 2 % 2])
            fit = fitted(truth, (12, 20)[seed // 4 % 2], draw, seed)
            found, theta = stretch(fit), fit.theta - fit.theta.mean()
            factor = float(theta @ (truth - truth.mean()) / (theta @ theta))
            sampling = float(
                np.mean(fit.standard_error**2) / (theta @ theta)
            )  # errors of their own do not cancel in full
            inside.append(abs(factor - found.mean) <= 1.96 * (found.sd**2 + sampling) ** 0.5)
            off.append(factor - found.mean)
    assert np.mean(inside) >= 0.95 - 2.5 * (0.05 * 0.95 / sessions) ** 0.5
    assert abs(np.mean(off)) <= 0.05


def test_the_order_of_items_does_not_matter():
    draw = np.random.default_rng(3)
    fit = fitted(draw.normal(0, 1.5, 30), 12, draw, 3)
    theta = fit.theta - fit.theta.mean()
    by_matrix = shared(fit.theta, fit.standard_error**2, fit.covariance @ theta, fit.mean_offset)
    found = stretch(fit)
    np.testing.assert_allclose([found.mean, found.sd], [by_matrix.mean, by_matrix.sd], rtol=1e-9)


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
