"""The headline reliability under every pairing rule: coin tosses are not called reliable, and real differences are as they are."""

import numpy as np
import pytest

from pairmark.stats.reliability import empirical_bayes
from pairmark.stats.rules import RULES
from pairmark.stats.threads import one_blas_thread
from support.simulated import PER_ESSAY, sessions
from support.sizes import size

SEEDS = range(size(12, 50))
CHANCE = 2 * 0.12 / np.sqrt(len(SEEDS)) if len(SEEDS) < 50 else 0.0
"""Two standard errors of a mean over fewer seeds, since one session's headline on coin tosses varies with an SD of .12."""


@pytest.fixture(autouse=True)
def _one_blas_thread():
    with one_blas_thread():
        yield


@pytest.mark.parametrize("name", RULES)
def test_coin_tosses_are_not_called_reliable_under_any_rule(name):
    """10 to 20 comparisons per essay."""
    headline = {
        (per_essay, seed): empirical_bayes(standing.fit)
        for seed in SEEDS
        for per_essay, standing in sessions(name, 0.0, seed)[1]
        if per_essay >= 10 and standing.fit is not None
    }
    assert max(headline.values()) <= 0.45
    for per_essay in range(10, PER_ESSAY + 1, 2):
        at_this = [value for (now, _), value in headline.items() if now == per_essay]
        assert len(at_this) >= 0.9 * len(SEEDS)
        assert np.mean(at_this) <= 0.10 + CHANCE


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("sd", [1.0, 2.0])
def test_the_headline_is_the_squared_correlation_with_the_truth_under_every_rule(name, sd):
    headline, true = [], []
    for seed in SEEDS:
        truth, waves = sessions(name, sd, seed)
        fitted = dict(waves)[PER_ESSAY].fit
        headline.append(empirical_bayes(fitted))
        true.append(np.corrcoef(fitted.theta, truth)[0, 1] ** 2)
    assert np.mean(headline) == pytest.approx(np.mean(true), abs=0.05)
