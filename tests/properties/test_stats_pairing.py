"""Waves of pairs: what holds for every history, and that small batches end."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pairmark.stats.connectivity import weak_labels
from pairmark.stats.pairing import plan_wave

seeds = st.integers(0, 2**31)
few = settings(max_examples=80, deadline=None, derandomize=True)


def codes(n_items, pairs):
    return pairs.min(axis=1) * n_items + pairs.max(axis=1)


def components(n_items, pairs):
    return len(np.unique(weak_labels(n_items, pairs[:, 0], pairs[:, 1])))


def books(n_items, pairs):
    """Appearances of each item, its first seats minus second seats, and times asked per unordered pair."""
    first, second = (np.bincount(pairs[:, seat], minlength=n_items) for seat in (0, 1))
    return first + second, first - second, np.unique(codes(n_items, pairs), return_counts=True)[1]


@st.composite
def histories(draw, most_items=12):
    n_items = draw(st.integers(2, most_items))
    item = st.integers(0, n_items - 1)
    pair = st.tuples(item, item).filter(lambda ends: ends[0] != ends[1])
    asked = np.array(draw(st.lists(pair, max_size=60)), dtype=np.int64).reshape(-1, 2)
    return n_items, asked, draw(st.lists(pair, max_size=10))


@few
@given(histories(), st.integers(1, 60), st.integers(1, 4), seeds, st.booleans())
def test_any_history_gives_allowed_pairs_and_as_many_as_are_left(history, size, limit, seed, scored):
    n_items, asked, blocked = history
    theta = np.random.default_rng(seed).normal(0, 3, n_items) if scored else None
    wave = plan_wave(
        n_items, asked[:, 0], asked[:, 1], size=size, theta=theta, seed=seed, pair_limit=limit, blocked=blocked
    )
    closed = {(min(pair), max(pair)) for pair in blocked}
    times = {(low, high): 0 for high in range(n_items) for low in range(high)}
    for first, second in asked.tolist():
        times[min(first, second), max(first, second)] += 1
    room = sum(max(limit - count, 0) for pair, count in times.items() if pair not in closed)
    assert wave.shape == (min(size, room), 2)
    left = {pair for pair, count in times.items() if count < limit and pair not in closed}
    distinct = {(min(pair), max(pair)) for pair in wave.tolist()}
    assert len(distinct) == len(wave) or distinct == left
    for first, second in wave.tolist():
        pair = min(first, second), max(first, second)
        times[pair] += 1
        assert first != second
        assert pair not in closed
        assert times[pair] <= limit


@few
@given(st.integers(2, 12), st.lists(st.integers(1, 30), min_size=1, max_size=4), st.integers(1, 4), seeds)
def test_small_batches_ask_every_pair_up_to_the_limit_and_end(n_items, sizes, limit, seed):
    asked, wave = np.zeros((0, 2), dtype=np.int64), 0
    while True:
        theta = np.random.default_rng(wave).normal(0, 2, n_items) if wave else None
        new = plan_wave(
            n_items, asked[:, 0], asked[:, 1], size=sizes[wave % len(sizes)], theta=theta, seed=seed, pair_limit=limit,
            wave=wave,
        )  # fmt: skip
        if len(new) == 0:
            break
        asked, wave = np.concatenate([asked, new]), wave + 1
        low_first = np.bincount(codes(n_items, new[new[:, 0] < new[:, 1]]), minlength=n_items**2)
        assert low_first.max() <= limit
    _, lead, times = books(n_items, asked)
    assert len(times) == n_items * (n_items - 1) // 2
    assert (times == limit).all()
    assert np.abs(lead).max() <= n_items - 1


@few
@given(st.integers(2, 12), st.integers(1, 12), seeds)
def test_a_repeat_always_has_the_other_order(n_items, size, seed):
    asked = np.zeros((0, 2), dtype=np.int64)
    for wave in range(12):
        new = plan_wave(n_items, asked[:, 0], asked[:, 1], size=size, seed=seed, wave=wave)
        asked = np.concatenate([asked, new])
        lead = np.zeros(n_items**2, dtype=np.int64)
        np.add.at(lead, codes(n_items, asked), np.where(asked[:, 0] < asked[:, 1], 1, -1))
        assert np.abs(lead).max() <= 1


@few
@given(st.integers(8, 60), st.floats(0.5, 2), seeds, st.booleans())
def test_waves_are_balanced_connected_and_without_repeats_inside(n_items, share, seed, scored):
    size = round(share * n_items)
    scores = np.random.default_rng(seed).normal(0, 2, n_items)
    asked, wave = np.zeros((0, 2), dtype=np.int64), 0
    while len(asked) + size <= n_items * (n_items - 1) // 4:
        theta = scores if scored and wave > 1 else None
        new = plan_wave(n_items, asked[:, 0], asked[:, 1], size=size, theta=theta, seed=seed, wave=wave)
        assert len(np.unique(codes(n_items, new))) == len(new) == size
        asked, wave = np.concatenate([asked, new]), wave + 1
        appearances, lead, _ = books(n_items, asked)
        assert np.ptp(appearances) <= 1
        assert np.abs(lead).max() <= 1
        if size >= n_items - 1 or wave > 1:
            assert components(n_items, asked) == 1


@few
@given(histories(most_items=30), seeds, st.integers(0, 20))
def test_a_wave_joins_whatever_hangs_apart_if_it_is_long_enough(history, seed, longer):
    n_items, asked, _ = history
    pieces = components(n_items, asked)
    limit = 1 + (int(books(n_items, asked)[2].max()) if len(asked) else 0)
    new = plan_wave(n_items, asked[:, 0], asked[:, 1], size=max(pieces - 1, 1) + longer, seed=seed, pair_limit=limit)
    assert components(n_items, np.concatenate([asked, new])) == 1


@few
@given(histories(), st.integers(1, 30), seeds)
def test_the_same_arguments_give_the_same_plan(history, size, seed):
    n_items, asked, blocked = history
    plans = [
        plan_wave(n_items, asked[:, 0], asked[:, 1], size=size, seed=seed, blocked=set(blocked), wave=3)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*plans)
