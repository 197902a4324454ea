"""Pairing rules on the replay of real votes: how well the order agrees with that of all votes, after a part of them.

All rules in one run, the same 50 seeds and the same votes drawn; differences are paired by seed and topic.
"""

from functools import partial

import numpy as np
import pytest

from pairmark.stats.pairing import plan_wave
from pairmark.stats.rules import RULES, closest_score
from pairmark.stats.threads import one_blas_thread
from support.replay import agreement, topics

pytestmark = pytest.mark.benchmark

SEEDS, MARKS = range(50), (10, 14, 20)
STRICT = "closest-score, the closest pair always"
EVEN = "value in steps, equal appearances"
ALL = dict(RULES) | {STRICT: partial(closest_score, at_random=0.0), EVEN: plan_wave}


def test_rules_on_recorded_votes(record):
    with one_blas_thread():
        found = {
            name: np.array([[agreement(topic, rule, seed, MARKS) for seed in SEEDS] for topic in topics().values()])
            for name, rule in ALL.items()
        }
    for place, mark in enumerate(MARKS):
        at = f"{mark} comparisons per essay"
        for name in ALL:
            record(
                f"replay, {at}: {name}", float(found[name][..., place].mean()), "Spearman", against="fit of all votes"
            )
        for peer in (STRICT, "closest-score", "equal-appearances"):
            gain = (found["adaptive"] - found[peer])[..., place].ravel()
            reach = 1.96 * gain.std(ddof=1) / len(gain) ** 0.5
            interval = f"95 % interval {gain.mean() - reach:+.4f} to {gain.mean() + reach:+.4f}"
            record(
                f"replay, {at}: adaptive minus {peer}", float(gain.mean()), "Spearman", at_least=0.0, against=interval
            )
