"""The search for the prior SD: traces by probes, and starts from an earlier fit."""

import numpy as np
import pytest

from pairmark.stats.bradley_terry import fit
from pairmark.stats.comparisons import comparisons
from pairmark.stats.posterior import curvature_change, evaluate, hessian
from pairmark.stats.probes import FEW, MANY, SOME, Probed, probes
from pairmark.stats.spread import Full
from pairmark.stats.starts import LEAST_START_SD, begin
from pairmark.stats.threads import one_blas_thread


@pytest.fixture(autouse=True)
def _one_blas_thread():
    with one_blas_thread():
        yield


def rows_of(n_items, n_rows, *, ties=False, seed=0, sd=1.5):
    """First and second indices and outcomes of random pairs and a ring, in which nobody is left out."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, sd, n_items)
    first = np.append(rng.integers(0, n_items, n_rows), np.arange(n_items))
    second = (first + np.append(rng.integers(1, n_items, n_rows), np.ones(n_items, dtype=int))) % n_items
    outcome = (rng.random(len(first)) < 1 / (1 + np.exp(truth[second] - truth[first]))).astype(float)
    if ties:
        outcome[rng.random(len(first)) < 0.2] = 0.5
    return first, second, outcome


def data_of(rows, n_items, left_out=0, **options):
    """The data without the `left_out` last of the random rows; the ring stays."""
    keep = np.append(np.arange(len(rows[0]) - n_items - left_out), np.arange(len(rows[0]) - n_items, len(rows[0])))
    judges = [f"j{k % 4}" for k in keep]
    names = [f"e{k:04}" for k in range(n_items)]
    return comparisons(tuple(part[keep] for part in rows), items=names, judges=judges, **options)


@pytest.mark.parametrize("options", [{}, {"order_effect": "judge", "ties": "davidson"}])
def test_traces_by_probes_are_near_the_exact_ones(options):
    rows = rows_of(400, 4_000, ties=bool(options))
    solution = fit(data_of(rows, 400), **options).solution
    at = evaluate(solution.model, solution.point, solution.precision)
    curve = hessian(solution.model, at, solution.precision)
    change = curvature_change(solution.model, at, solution.point)
    exact, probed = Full(solution.model, curve.inverse()), Probed.by(curve, solution.point)
    np.testing.assert_allclose(probed.asked, exact.times(solution.point), atol=1e-4)
    assert probed.theta_trace() == pytest.approx(exact.theta_trace(), rel=0.02)
    assert probed.trace_with(change) == pytest.approx(exact.trace_with(change), rel=0.02)
    assert probed.square() == pytest.approx(exact.square(), rel=0.05)


@pytest.mark.parametrize("options", [{}, {"order_effect": "judge", "ties": "davidson"}])
@pytest.mark.parametrize("n_items", [40, 320])
def test_the_change_of_the_curvature_is_its_derivative(n_items, options):
    solution = fit(data_of(rows_of(n_items, 900, ties=bool(options)), n_items), prior_sd=1.0, **options).solution
    way, step = np.random.default_rng(1).normal(size=solution.model.size), 1e-5
    ends = [evaluate(solution.model, solution.point + sign * step * way, 1.0) for sign in (1, -1)]
    matrices = [hessian(solution.model, end, 0.0) for end in ends]
    change = curvature_change(solution.model, evaluate(solution.model, solution.point, 1.0), way)
    vector = np.random.default_rng(2).normal(size=solution.model.size)
    vector[:n_items] -= vector[:n_items].mean()  # the anchor of the constant direction aside
    numeric = (matrices[0].times(vector) - matrices[1].times(vector)) / (2 * step)
    np.testing.assert_allclose(change.times(vector), numeric, atol=1e-6)


@pytest.mark.parametrize("n_items", [310, 4001])
def test_probes_are_exact_where_the_data_say_nothing(n_items):
    signs = probes(n_items, n_items + 2, MANY)
    assert signs.shape == (n_items + 2, MANY)
    np.testing.assert_allclose(np.sum(signs[:n_items] ** 2, axis=0), n_items - 1)
    np.testing.assert_allclose(np.sum(signs[:n_items], axis=0), 0, atol=1e-9)
    assert (np.abs(signs[n_items:]) == 1).all()


@pytest.mark.parametrize("n_items", [40, 320, 1000])
@pytest.mark.parametrize("options", [{}, {"order_effect": "judge"}, {"ties": "davidson"}])
def test_a_start_from_an_earlier_fit_saves_time_only(n_items, options):
    rows = rows_of(n_items, 8 * n_items, ties="ties" in options)
    data = data_of(rows, n_items)
    cold = fit(data, **options)
    for earlier in (fit(data_of(rows, n_items, 100), **options), cold, fit(data_of(rows, n_items, 100), prior_sd=3.0)):
        warm = fit(data, start=earlier, **options)
        np.testing.assert_allclose(warm.theta, cold.theta, atol=1e-6)
        assert warm.prior_sd == pytest.approx(cold.prior_sd, rel=1e-6)
        np.testing.assert_allclose(warm.standard_error, cold.standard_error, atol=1e-6)


@pytest.mark.parametrize("n_items", [40, 320])
def test_an_earlier_fit_may_have_fewer_items_in_another_order(n_items):
    rows = rows_of(n_items, 8 * n_items)
    fewer = [f"e{k:04}" for k in reversed(range(n_items - 5))]
    place = {item: k for k, item in enumerate(fewer)}
    inside = (rows[0] < n_items - 5) & (rows[1] < n_items - 5)
    first, second = (np.array([place[f"e{k:04}"] for k in rows[end][inside]]) for end in (0, 1))
    earlier = fit(comparisons((first, second, rows[2][inside]), items=fewer))
    data = data_of(rows, n_items)
    for method in ("map", "ml"):
        if method == "ml" and not data.strongly_connected:
            continue
        warm, cold = fit(data, method=method, start=earlier), fit(data, method=method)
        np.testing.assert_allclose(warm.theta, cold.theta, atol=1e-6)


def test_g14_a_start_from_an_earlier_fit_gives_the_same_bits_for_rows_and_items_in_any_order():
    rows = rows_of(320, 3_000)
    earlier = fit(data_of(rows, 320, 100))
    one = fit(data_of(rows, 320), start=earlier)
    rng = np.random.default_rng(4)
    order, shuffled = rng.permutation(320), rng.permutation(len(rows[0]))
    place = order.argsort()
    turned = tuple(part[shuffled] for part in (place[rows[0]], place[rows[1]], rows[2]))
    other = fit(comparisons(turned, items=[f"e{k:04}" for k in order]), start=earlier)
    assert one.theta[order].tobytes() == other.theta.tobytes()
    assert one.prior_sd == other.prior_sd


@pytest.mark.parametrize(("per_item", "count", "share"), [(40, FEW, 0.1), (12, SOME, 0.1), (6, MANY, 0.25)])
def test_the_sd_by_probes_is_that_of_exact_traces(per_item, count, share, monkeypatch):
    """Within this share of its own error, on the mean over sessions."""
    off = []
    for seed in range(6):
        data, by_limit = data_of(rows_of(320, (per_item - 2) * 160, seed=seed), 320), {}
        for limit in (0, 10_000):
            monkeypatch.setattr("pairmark.stats.prior.DENSE_UP_TO", limit)
            by_limit[limit] = fit(data).solution.settled
        probed, exact = by_limit[0], by_limit[10_000]
        assert probed.products.shape[1] == 1 + count
        assert exact.products is None
        off.append((probed.log_variance - exact.log_variance) * exact.information**0.5)
    assert np.sqrt(np.mean(np.square(off))) < share


def test_a_start_from_sparse_data_serves_denser_data():
    """The number of probes differs."""
    rows = rows_of(400, 4_000)
    earlier, data = fit(data_of(rows, 400, 3_000)), data_of(rows, 400)
    warm, cold = fit(data, start=earlier), fit(data)
    assert earlier.solution.settled.products.shape != warm.solution.settled.products.shape
    np.testing.assert_allclose(warm.theta, cold.theta, atol=1e-6)


@pytest.mark.parametrize("n_items", [40, 320])
def test_a_start_from_scores_without_spread_finds_the_spread_of_later_ones(n_items):
    """Coin tosses have an SD near 0, and from there the way back is long: it is not begun there."""
    tossed, rows = rows_of(n_items, 6 * n_items, sd=0.0, seed=2), rows_of(n_items, 12 * n_items)
    earlier, data = fit(data_of(tossed, n_items)), data_of(rows, n_items)
    warm, cold = fit(data, start=earlier), fit(data)
    assert earlier.prior_sd < LEAST_START_SD < begin(cold.solution.model, data, earlier, None).sd
    assert warm.prior_sd == pytest.approx(cold.prior_sd, rel=1e-6)
    np.testing.assert_allclose(warm.theta, cold.theta, atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_a_ring_tells_little_of_the_spread_and_still_the_same_from_any_start(seed):
    """So little that an error of the traces counts ten times in the SD."""
    data = data_of(rows_of(320, 0, seed=seed), 320)
    cold = fit(data)
    for warm in (fit(data, start=cold), fit(data, start=np.linspace(-2, 2, 320)), fit(data, start_sd=5.0)):
        assert warm.prior_sd == pytest.approx(cold.prior_sd, rel=1e-6)
        np.testing.assert_allclose(warm.theta, cold.theta, atol=1e-6)
