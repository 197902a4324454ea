"""Pairing rules: what holds for every one of them, and the balance of the adaptive one on simulated judges."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pairmark.stats.assignment import NOBODY, assign, unseen_by_all
from pairmark.stats.rules import RULES, adaptive, rule
from pairmark.stats.sessions import run, simulated_judges
from pairmark.stats.simulation import true_scores

names = st.sampled_from(sorted(RULES))
seeds = st.integers(0, 2**31)
few = settings(max_examples=60, deadline=None, derandomize=True)


@st.composite
def histories(draw, most_items=12):
    n_items = draw(st.integers(2, most_items))
    item = st.integers(0, n_items - 1)
    pair = st.tuples(item, item).filter(lambda ends: ends[0] != ends[1])
    asked = np.array(draw(st.lists(pair, max_size=40)), dtype=np.int64).reshape(-1, 2)
    return n_items, asked, draw(st.lists(pair, max_size=10))


@few
@given(names, histories(), st.integers(1, 60), st.integers(1, 4), seeds, st.booleans())
def test_every_rule_gives_allowed_pairs_and_as_many_as_are_left(name, history, size, limit, seed, scored):
    n_items, asked, blocked = history
    theta = np.random.default_rng(seed).normal(0, 2, n_items) if scored else None
    wave = rule(name)(
        n_items, asked[:, 0], asked[:, 1], size=size, theta=theta, seed=seed, pair_limit=limit, blocked=blocked
    )
    closed = {(min(pair), max(pair)) for pair in blocked}
    times = {(low, high): 0 for high in range(n_items) for low in range(high)}
    for first, second in asked.tolist():
        times[min(first, second), max(first, second)] += 1
    room = sum(max(limit - count, 0) for pair, count in times.items() if pair not in closed)
    assert wave.shape == (min(size, room), 2)
    for first, second in wave.tolist():
        pair = min(first, second), max(first, second)
        times[pair] += 1
        assert first != second
        assert pair not in closed
        assert times[pair] <= limit


@few
@given(names, histories(), st.integers(1, 30), seeds, st.booleans())
def test_the_same_arguments_give_the_same_plan(name, history, size, seed, scored):
    n_items, asked, blocked = history
    theta = np.random.default_rng(seed).normal(0, 2, n_items) if scored else None
    plans = [
        rule(name)(n_items, asked[:, 0], asked[:, 1], size=size, theta=theta, seed=seed, blocked=set(blocked), wave=3)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*plans)


@few
@given(st.integers(2, 12), st.lists(st.integers(1, 30), min_size=1, max_size=4), st.integers(1, 4), seeds)
def test_the_adaptive_rule_asks_every_pair_of_a_small_batch_up_to_the_limit_and_ends(n_items, sizes, limit, seed):
    asked, wave = np.zeros((0, 2), dtype=np.int64), 0
    while True:
        theta = np.random.default_rng(wave).normal(0, 2, n_items) if wave else None
        size = sizes[wave % len(sizes)]
        new = adaptive(
            n_items, asked[:, 0], asked[:, 1], size=size, theta=theta, seed=seed, pair_limit=limit, wave=wave
        )  # fmt: skip
        if not len(new):
            break
        asked, wave = np.concatenate([asked, new]), wave + 1
    assert len(asked) == n_items * (n_items - 1) // 2 * limit


@pytest.mark.parametrize("order_bias", [0.0, 1.0])
@pytest.mark.parametrize("n_items", [12, 13, 35, 120, 160])
def test_the_adaptive_rule_balances_sides_and_bounds_appearances_whatever_judges_answer(n_items, order_bias):
    """After every wave, while no more than half the pairs are asked."""
    last = min(5, n_items // 4)
    items = [f"e{k:03}" for k in range(n_items)]
    judges = simulated_judges(true_scores(n_items, 1.5, seed=n_items), n_items, order_bias=order_bias)
    waves = list(run(items, adaptive, judges, sizes=[n_items] * last, seed=1))
    assert len(waves) == last
    for wave, standing in enumerate(waves, start=1):
        data = standing.comparisons
        first, second = (np.bincount(seat, minlength=n_items) for seat in (data.first, data.second))
        assert len(data) == wave * n_items
        assert np.abs(first - second).max() <= 1
        assert np.abs(first + second - 2 * wave).max() <= max(wave, 2), "within half of the mean, or 2"


@few
@given(st.integers(5, 90), st.integers(1, 40), seeds, st.floats(0.2, 3.0))
@example(n_items=81, size=15, seed=315, sd=0.5179412408961623)
@example(n_items=112, size=7, seed=194, sd=0.477450668892722)
def test_waves_of_any_size_keep_sides_balanced_and_appearances_in_bounds(n_items, size, seed, sd):
    """After one round, waves of a single pair too, whatever the scores, up to a third of all pairs."""
    rng = np.random.default_rng(seed)
    asked = adaptive(n_items, [], [], size=n_items, seed=seed)
    for wave in range(1, 20):
        if len(asked) + size > n_items * (n_items - 1) // 6:
            break
        theta = rng.normal(0, sd, n_items)
        new = adaptive(n_items, asked[:, 0], asked[:, 1], size=size, theta=theta, seed=seed, wave=wave)
        assert len(new) == len(np.unique(np.sort(new, axis=1), axis=0)) == size
        asked = np.concatenate([asked, new])
        first, second = (np.bincount(asked[:, seat], minlength=n_items) for seat in (0, 1))
        counts = first + second
        assert np.abs(first - second).max() <= 1
        assert np.abs(counts - counts.mean()).max() <= max(counts.mean() / 2, 2) + 1e-9


@few
@given(st.data(), st.integers(2, 12), st.integers(1, 30), st.integers(1, 3), seeds)
def test_the_adaptive_rule_with_many_pairs_closed_asks_what_is_left_and_nothing_else(data, n_items, size, limit, seed):
    """Any share of pairs blocked, up to all but one, in connected and unconnected histories."""
    pairs = [(low, high) for high in range(n_items) for low in range(high)]
    blocked = data.draw(st.sets(st.sampled_from(pairs), max_size=len(pairs) - 1))
    times, wave = dict.fromkeys(pairs, 0), 0
    asked = np.zeros((0, 2), dtype=np.int64)
    while wave < 6:
        theta = np.random.default_rng(seed + wave).normal(0, 2, n_items)
        new = adaptive(
            n_items, asked[:, 0], asked[:, 1], size=size, theta=theta, seed=seed, pair_limit=limit,
            blocked=iter(blocked), wave=wave,
        )  # fmt: skip
        left = sum(limit - count for pair, count in times.items() if pair not in blocked)
        assert len(new) == min(size, left)
        for first, second in new.tolist():
            times[min(first, second), max(first, second)] += 1
        asked, wave = np.concatenate([asked, new]), wave + 1
    assert all(count <= limit for count in times.values())
    assert not any(times[pair] for pair in blocked)


@few
@given(st.data(), st.integers(2, 10), st.integers(1, 12), st.integers(1, 30), seeds)
def test_every_planned_pair_has_a_judge_who_may_see_it_and_has_not(data, n_items, judges, size, seed):
    """Judges with own work, with quotas used up, and with pairs seen before: what is blocked is exactly what nobody is left for."""
    judge, item = st.integers(0, judges - 1), st.integers(0, n_items - 1)
    hidden = data.draw(st.lists(st.tuples(judge, item), max_size=3 * judges))
    seen = data.draw(st.lists(st.tuples(judge, item, item).filter(lambda row: row[1] != row[2]), max_size=40))
    quotas = data.draw(st.lists(st.sampled_from([0, 99]), min_size=judges, max_size=judges))
    blocked = unseen_by_all(n_items, judges, hidden, quotas, seen=seen)
    past = {(who, min(one, other), max(one, other)) for who, one, other in seen}
    nobody = [
        (low, high)
        for low in range(n_items)
        for high in range(low + 1, n_items)
        if not any(
            quotas[who] and not {(who, low), (who, high)} & set(hidden) and (who, low, high) not in past
            for who in range(judges)
        )
    ]
    assert list(map(tuple, blocked.tolist())) == nobody
    theta = np.random.default_rng(seed).normal(0, 2, n_items)
    wave = adaptive(n_items, [], [], size=size, theta=theta, seed=seed, pair_limit=1, blocked=blocked)
    assert (assign(wave, judges, hidden, quotas, seen=seen) != NOBODY).all()
