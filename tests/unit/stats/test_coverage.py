"""Intervals hold the truth as often as they say: scores, differences, ranks and the order effect, on simulated judges."""

import numpy as np
import pytest

from pairmark.stats.bradley_terry import fit
from pairmark.stats.comparisons import comparisons
from pairmark.stats.spread import drawn_spread
from support.coverage import averaged, covered, in_rounds
from support.sizes import size

DESIGNS = [(20, 20, 1.0), (30, 10, 1.5), (30, 20, 2.0), (60, 10, 1.0), (60, 20, 2.0), (100, 20, 1.5)]
SPARSE = [(12, 6, 2.0), (20, 6, 1.0), (30, 6, 3.0), (30, 10, 0.5), (60, 6, 3.0), (60, 10, 3.0)]
"""Essays, comparisons per essay, SD of the true scores; where intervals held in 86 to 92 % before errors were averaged."""


def checked(design, runs, draws=500):
    return averaged(covered(fit(data), truth, draws) for data, truth in (in_rounds(*design, k) for k in range(runs)))


@pytest.mark.parametrize("designs", [DESIGNS, SPARSE], ids=["central", "sparse"])
def test_intervals_of_scores_differences_and_ranks_cover(designs):
    """Averaged over essays drawn from the population and over the designs."""
    found = averaged(checked(design, size(12, 167), size(500, 2000)) for design in designs)
    print(f"\ncover: {found}")
    assert 0.93 <= found.scores <= 0.97
    assert 0.93 <= found.differences <= 0.97
    assert found.ranks >= 0.93
    assert found.places < 0.8


@pytest.mark.soak
@pytest.mark.parametrize("design", [*DESIGNS, *SPARSE], ids=str)
def test_intervals_cover_in_each_design(design):
    found = checked(design, size(20, 1000))
    print(f"\n{design}: {found}")
    assert 0.93 <= found.scores <= 0.97
    assert 0.93 <= found.differences <= 0.97
    assert found.ranks >= 0.93


@pytest.mark.parametrize(("per_essay", "sd"), [(10, 1.0), (10, 2.0), (20, 3.0)])
def test_intervals_of_many_essays_cover(per_essay, sd):
    """Errors come another way above 300 essays."""
    found = checked((400, per_essay, sd), size(3, 60), 100)
    print(f"\n{found}")
    assert 0.93 - size(0.01, 0) <= found.scores <= 0.97
    assert 0.93 - size(0.01, 0) <= found.differences <= 0.97


@pytest.mark.parametrize("first_share", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_the_order_effect_is_recovered_within_its_interval_and_leaves_the_scores_unbiased(first_share):
    runs, truth_of_effect = size(24, 1000), np.log(first_share / (1 - first_share))
    inside, found, favours = [], [], []
    for seed in range(runs):
        data, truth = in_rounds(30, 30, 1.0, seed, truth_of_effect)
        result = fit(data, order_effect=True)
        inside.append(abs(result.order_effect - truth_of_effect) <= 1.96 * result.order_effect_se)
        found.append(result.order_effect)
        favours.append([favour(data, each.theta - truth) for each in (result, fit(data))])
    print(
        f"\nfirst seat {first_share}: effect {np.mean(found):.3f} of {truth_of_effect:.3f}, inside {np.mean(inside):.3f}"
    )
    lowest, highest = size((0.85, 1.0), (0.93, 0.97))
    assert lowest <= np.mean(inside) <= highest
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
        data, _ = in_rounds(400, 16, 1.5, 1)
    else:
        rows = [(f"{k:04}", f"{k + 1:04}", float(rng.random() < 0.5)) for k in range(399) for _ in range(3)]
        data = comparisons(rows)
    result = fit(data, order_effect=kind == "random")
    model, point, precision = result.solution.model, result.solution.point, result.solution.precision
    errors = np.sqrt(drawn_spread(model, point, precision).variances())
    full = np.sqrt(np.diag(result.solution.curvature.times(np.eye(model.size))))
    assert np.abs(errors / full - 1).max() < enough
    assert (errors > 0).all()
