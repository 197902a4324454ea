"""The mode: as near as it says, and from starts of every kind."""

import numpy as np
import pytest

from pairmark.stats import newton
from pairmark.stats.bradley_terry import fit
from pairmark.stats.comparisons import comparisons
from pairmark.stats.hessian import DENSE_UP_TO
from pairmark.stats.newton import LARGE_TOLERANCE, TOLERANCE, mode
from pairmark.stats.posterior import Model, evaluate, gradient, hessian


def random_model(n_items, n_rows, sd, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, sd, n_items)
    first = np.append(rng.integers(0, n_items, n_rows), np.arange(n_items))
    second = (first + np.append(rng.integers(1, n_items, n_rows), np.ones(n_items, dtype=int))) % n_items
    outcome = (rng.random(len(first)) < 1 / (1 + np.exp(truth[second] - truth[first]))).astype(float)
    data = comparisons((first, second, outcome), items=[f"{k:05}" for k in range(n_items)])
    return Model(n_items, data.pairs, 0, False, np.zeros((0, 0)))


def exact_mode(model, precision):
    """By plain Newton steps with the dense matrix, until nothing moves."""
    point = np.zeros(model.n_items)
    for _ in range(50):
        at = evaluate(model, point, precision)
        step = np.linalg.solve(hessian(model, at, precision).dense(), gradient(model, at, precision))
        point = point + step * min(1.0, 1.5 / np.ptp(step))
        if np.abs(step).max() < 1e-13:
            return point - point.mean()
    raise AssertionError("no mode")


@pytest.mark.parametrize(
    ("n_items", "n_rows", "sd"),
    [(40, 300, 1), (40, 300, 3), (400, 600, 1), (400, 4_000, 1), (400, 4_000, 3), (400, 20_000, 0.3)],
)
@pytest.mark.parametrize("start", [0.0, 1.0, 6.0])
def test_the_mode_is_as_near_as_it_says(n_items, n_rows, sd, start):
    model = random_model(n_items, n_rows, sd)
    begin = start * np.random.default_rng(1).normal(size=n_items)
    found = mode(model, begin - begin.mean(), sd**-2)
    within = TOLERANCE if n_items <= DENSE_UP_TO else LARGE_TOLERANCE
    np.testing.assert_allclose(found, exact_mode(model, sd**-2), rtol=0, atol=within)


def test_a_step_within_reach_needs_no_heights(monkeypatch):
    """Heights are compared only for steps that might go down."""
    model, asked = random_model(400, 4_000, 1), []
    height = newton.At.height.func
    monkeypatch.setattr(newton.At, "height", property(lambda at: asked.append(at) or height(at)))
    near = mode(model, exact_mode(model, 1.0) + np.linspace(-0.3, 0.3, 400), 1.0)
    assert not asked
    far = mode(model, np.linspace(-20, 20, 400), 1.0)
    assert asked
    np.testing.assert_allclose(near, far, atol=2 * LARGE_TOLERANCE)


def test_the_guess_saves_time_only():
    rng = np.random.default_rng(5)
    first = rng.integers(0, 400, 6_000)
    second = (first + rng.integers(1, 400, 6_000)) % 400
    data = comparisons((first, second, (first > second).astype(float)), items=[f"{k:03}" for k in range(400)])
    guessed = fit(data, prior_sd=2.0)
    told = fit(data, prior_sd=2.0, start=np.linspace(-5, 5, 400))
    np.testing.assert_allclose(guessed.theta, told.theta, atol=2 * LARGE_TOLERANCE)
