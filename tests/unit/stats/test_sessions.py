"""Simulated sessions: judges as described, waves as ordered, and an early end when nothing is left to ask."""

import numpy as np
import pytest

from pairmark.stats.rules import rule
from pairmark.stats.sessions import run, simulated_judges

PAIRS = np.tile([0, 1], (20_000, 1))


def share_of_first(**judge):
    return simulated_judges(np.array([1.0, 0.0]), 3, **judge)(PAIRS, 0)[1].mean()


def test_judges_follow_the_model_noise_and_chance():
    assert share_of_first() == pytest.approx(1 / (1 + np.exp(-1)), abs=0.015)
    assert share_of_first(judge_noise=2.0) == pytest.approx(1 / (1 + np.exp(-0.5)), abs=0.015)
    assert share_of_first(order_bias=-1.0) == pytest.approx(0.5, abs=0.015)
    assert share_of_first(random_share=0.5) == pytest.approx(0.25 + 0.5 / (1 + np.exp(-1)), abs=0.015)


def test_waves_of_one_session_and_sessions_of_neighbouring_seeds_differ():
    drawn = [simulated_judges(np.zeros(2), seed)(PAIRS[:200], wave)[1].tolist() for seed in (1, 2) for wave in (0, 1)]
    assert len({tuple(one) for one in drawn}) == 4


def test_a_session_ends_when_every_pair_was_asked_up_to_the_limit():
    judges = simulated_judges(np.zeros(4), 1)
    waves = list(run(list("abcd"), rule("adaptive"), judges, sizes=[4] * 99, seed=1, pair_limit=2))
    assert [len(standing.comparisons) for standing in waves] == [4, 8, 12]
    assert all(standing.fit is not None for standing in waves)


def test_there_is_no_fit_while_items_hang_apart():
    judges = simulated_judges(np.zeros(20), 1)
    first = next(run([f"{k:02}" for k in range(20)], rule("equal-appearances"), judges, sizes=[5], seed=1))
    assert len(first.comparisons) == 5
    assert first.fit is None
