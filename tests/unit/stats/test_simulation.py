"""Known truths and drawn judgements."""

import numpy as np
import pytest

from pairmark.stats.simulation import simulate, true_scores


def test_truths_have_the_sd_asked_for_and_repeat_by_seed():
    assert true_scores(20_000, 1.5, seed=1).std() == pytest.approx(1.5, rel=0.02)
    np.testing.assert_array_equal(true_scores(5, 1.5, seed=1), true_scores(5, 1.5, seed=1))
    assert not np.any(true_scores(5, 0, seed=1))


@pytest.mark.parametrize(("gap", "bias"), [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (-1.0, 0.5)])
def test_the_first_wins_as_often_as_the_model_says(gap, bias):
    won = simulate([gap, 0.0], np.tile([0, 1], (20_000, 1)), seed=2, order_bias=bias)
    assert set(won.tolist()) == {0.0, 1.0}
    assert won.mean() == pytest.approx(1 / (1 + np.exp(-gap - bias)), abs=0.015)
