"""Memory of large fits: what is held per row of data, and that working in parts changes nothing."""

import tracemalloc

import numpy as np

from pairmark.stats import spread
from pairmark.stats.bradley_terry import fit
from pairmark.stats.comparisons import comparisons
from pairmark.stats.davidson import averages


def test_averages_hold_few_values_per_row():
    logit, variance = np.linspace(-3, 3, 200_000), np.full(200_000, 0.3)
    tracemalloc.start()
    averages(logit, variance, -0.5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30 * logit.nbytes  # 5 results and what one node takes; values of all nodes held at once take 55


def test_noise_drawn_in_parts_gives_the_same_errors(monkeypatch):
    n = spread.FULL_UP_TO + 100
    draw = np.random.default_rng(5)
    first = np.tile(np.arange(n), 5)
    second = (first + draw.integers(1, n, len(first))) % n
    strength = draw.normal(0, 1.5, n)
    outcome = (draw.random(len(first)) < 1 / (1 + np.exp(strength[second] - strength[first]))) * 1.0
    outcome[::7] = 0.5
    data = comparisons((first, second, outcome), items=[f"{k:04}" for k in range(n)])
    whole = fit(data, order_effect=True)
    monkeypatch.setattr(spread, "PART", 997)
    parts = fit(data, order_effect=True)
    assert parts.standard_error.std() > 0.01
    np.testing.assert_allclose(parts.standard_error, whole.standard_error, rtol=1e-6)
    np.testing.assert_allclose(parts.order_effect_se, whole.order_effect_se, rtol=1e-6)
