"""Planning one wave late in a batch: 20 comparisons per essay asked, scores known."""

import time
from statistics import median

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from pairmark.stats.assignment import NOBODY, assign
from pairmark.stats.rules import adaptive
from pairmark.stats.threads import one_blas_thread

pytestmark = pytest.mark.benchmark

WAVES = 10


@pytest.mark.parametrize(("essays", "at_most"), [(140, 50.0), (400, 50.0), (1_000, 50.0), (10_000, 1_000.0)])
def test_one_wave(record, essays, at_most):
    theta = np.random.default_rng(1).normal(size=essays)
    first, second = history(essays, theta)

    def plan():
        assert (
            len(adaptive(essays, first, second, size=essays, theta=theta, seed=1, pair_limit=4, wave=WAVES)) == essays
        )

    with one_blas_thread():
        plan()
        spent = median(timed(plan) for _ in range(5))
    peer = None
    if essays == 400:
        distance = np.abs(theta[:, None] - theta[None, :]) + np.diag(np.full(essays, 1e9))
        peer = median(timed(lambda: linear_sum_assignment(distance)) for _ in range(3))
    against = "SciPy's assignment on the 400 x 400 distances; 72 s on the incident's platform (not measured here)"
    record(
        f"planning one wave, {essays:,} essays",
        1000 * spent,
        "ms",
        at_most=at_most,
        peer=peer and 1000 * peer,
        against=against if peer else "",
    )


@pytest.mark.parametrize(("essays", "at_most"), [(1_000, 50), (10_000, 1_000)])
def test_one_wave_after_pairs_that_nobody_balanced(record, essays, at_most):
    """20 comparisons per essay from elsewhere: seats are uneven, and pairs have to be turned round."""
    rng = np.random.default_rng(1)
    theta = rng.normal(size=essays)
    asked = np.concatenate([rng.permutation(essays).reshape(-1, 2) for _ in range(20)])
    plan = lambda: adaptive(essays, asked[:, 0], asked[:, 1], size=essays // 2, theta=theta, seed=1)  # noqa: E731
    with one_blas_thread():
        plan()
        spent = median(timed(plan) for _ in range(5))
    record(f"planning one wave after uneven seats, {essays:,} essays", 1000 * spent, "ms", at_most=at_most)


def test_judges_for_one_wave(record):
    """1,000 essays of 1,000 pupils who judge each other's work, nobody their own."""
    pairs = adaptive(1_000, [], [], size=1_000, seed=1)
    own = [(pupil, pupil) for pupil in range(1_000)]

    def give():
        assert (assign(pairs, 1_000, own, 1) != NOBODY).all()

    record("judges for one wave, 1,000 pairs and judges", 1000 * median(timed(give) for _ in range(3)), "ms")


def history(essays: int, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of the waves before, 20 comparisons per essay."""
    first = second = np.array([], dtype=np.int64)
    for wave in range(WAVES):
        pairs = adaptive(
            essays, first, second, size=essays, theta=theta if wave else None, seed=1, pair_limit=4, wave=wave
        )
        first, second = np.append(first, pairs[:, 0]), np.append(second, pairs[:, 1])
    return first, second


def timed(work) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
