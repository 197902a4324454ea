"""Intervals hold the truth as often as they say: scores, differences, ranks and the order effect, on simulated judges."""

import numpy as np
import pytest

from pairmark.stats.bradley_terry import fit
from pairmark.stats.comparisons import comparisons
from pairmark.stats.spread import drawn_spread
from support.sizes import size

DESIGNS = [(20, 20, 1.0), (30, 10, 1.5), (30, 20, 2.0), (60, 10, 1.0), (60, 20, 2.0), (100, 20, 1.5)]
"""Essays, comparisons per essay, SD of the true scores."""


def drawn(essays, per_essay, sd, seed, first_share=0.5):
    """A session of rounds in which every essay is paired once, at random, and its truth, centred."""
    rng = np.random.default_rng([seed, essays, per_essay])
    truth = rng.normal(0, sd, essays)
    pairs = np.concatenate([rng.permutation(essays).reshape(-1, 2) for _ in range(per_essay)])
    bias = np.log(first_share / (1 - first_share))
    chance = 1 / (1 + np.exp(truth[pairs[:, 1]] - truth[pairs[:, 0]] - bias))
    arrays = (pairs[:, 0], pairs[:, 1], (rng.random(len(pairs)) < chance).astype(float))
    return comparisons(arrays, items=[f"{k:04}" for k in range(essays)]), truth - truth.mean()


def test_intervals_of_scores_differences_and_ranks_cover():
    """Averaged over essays drawn from the population and over the designs; the soak runs 1,002 sessions."""
    scores, differences, ranks, widths = [], [], [], []
    for essays, per_essay, sd in DESIGNS:
        for seed in range(size(15, 167)):
            data, truth = drawn(essays, per_essay, sd, seed)
            result = fit(data)
            low, high = result.interval()
            scores.append(np.mean((low <= truth) & (truth <= high)))
            spread, upper = result.covariance, np.triu_indices(essays, 1)
            variance = np.add.outer(np.diag(spread), np.diag(spread)) - 2 * spread
            off = np.subtract.outer(result.theta - truth, result.theta - truth)
            differences.append(np.mean(np.abs(off[upper]) <= 1.96 * np.sqrt(variance[upper])))
            best, worst = result.rank_interval(draws=size(500, 2000))
            rank = np.argsort(np.argsort(-truth)) + 1
            ranks.append(np.mean((best <= rank) & (rank <= worst)))
            widths.append(np.mean(worst - best + 1) / essays)
    print(f"\ncover: scores {np.mean(scores):.3f}, differences {np.mean(differences):.3f}, ranks {np.mean(ranks):.3f} "
          f"at {np.mean(widths):.2f} of all places on average")  # fmt: skip
    assert 0.93 <= np.mean(scores) <= 0.97
    assert 0.93 <= np.mean(differences) <= 0.97
    assert np.mean(ranks) >= 0.93
    assert np.mean(widths) < 0.6


@pytest.mark.parametrize("first_share", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_the_order_effect_is_recovered_within_its_interval_and_leaves_the_scores_unbiased(first_share):
    runs, truth_of_effect = size(24, 200), np.log(first_share / (1 - first_share))
    inside, found, favours = [], [], []
    for seed in range(runs):
        data, truth = drawn(30, 30, 1.0, seed, first_share)
        result = fit(data, order_effect=True)
        inside.append(abs(result.order_effect - truth_of_effect) <= 1.96 * result.order_effect_se)
        found.append(result.order_effect)
        favours.append([favour(data, each.theta - truth) for each in (result, fit(data))])
    error = np.sqrt(0.95 * 0.05 / runs)
    assert np.mean(inside) >= 0.95 - 2 * error - 0.01
    assert abs(np.mean(found) - truth_of_effect) < 0.06 + 3 * np.std(found) / np.sqrt(runs)
    with_effect, without = np.mean(favours, axis=0)
    assert abs(with_effect) < 0.02 + 3 * np.std(favours, axis=0)[0] / np.sqrt(runs)
    assert first_share == 0.5 or without * np.sign(truth_of_effect) > 0.2  # what it would be worth to be shown first


def favour(data, off):
    """How many logits too high an essay comes out, in proportion to how often it was shown first rather than second."""
    seats = np.bincount(data.first, minlength=30) - np.bincount(data.second, minlength=30)
    share = seats / data.appearances
    return np.sum(share * off) / np.sum(share**2)


@pytest.mark.parametrize(("kind", "enough"), [("random", 0.03), ("chain", 0.2)])
def test_errors_from_draws_are_those_of_the_full_covariance(kind, enough):
    """What fits of many thousand items rest on, where both ways are open."""
    rng = np.random.default_rng(3)
    if kind == "random":
        data, _ = drawn(400, 16, 1.5, 1)
    else:
        rows = [(f"{k:04}", f"{k + 1:04}", float(rng.random() < 0.5)) for k in range(399) for _ in range(3)]
        data = comparisons(rows)
    result = fit(data, order_effect=kind == "random")
    model, point, precision = result.solution.model, result.solution.point, result.solution.precision
    errors = np.sqrt(drawn_spread(model, point, precision).variances())
    full = np.sqrt(np.diag(result.solution.curvature.times(np.eye(model.size))))
    assert np.abs(errors / full - 1).max() < enough
    assert (errors > 0).all()
