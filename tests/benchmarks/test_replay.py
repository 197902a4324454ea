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
from support.topics_alike import topic_alike

pytestmark = pytest.mark.benchmark

SEEDS, MARKS = range(50), (10, 14, 20)
TOPICS = 30
STRICT = "closest-score, the closest pair always"
EVEN = "value in steps, equal appearances"
ALL = dict(RULES) | {STRICT: partial(closest_score, at_random=0.0), EVEN: plan_wave}


def test_rules_on_recorded_votes(record):
    compared(record, "replay", list(topics().values()), SEEDS)


def test_rules_on_topics_like_the_recorded_ones(record):
    """Rules were chosen while looking at the two recorded topics, so these tell what to expect of others."""
    compared(record, "topics alike", [topic_alike(seed) for seed in range(TOPICS)], range(10))


def compared(record, what, replayed, seeds):
    with one_blas_thread():
        found = {
            name: np.array([[agreement(topic, rule, seed, MARKS) for seed in seeds] for topic in replayed])
            for name, rule in ALL.items()
        }
    for place, mark in enumerate(MARKS):
        at = f"{what}, {mark} comparisons per essay"
        for name in ALL:
            record(f"{at}: {name}", float(found[name][..., place].mean()), "Spearman", against="fit of all votes")
        for peer in (STRICT, "closest-score", "equal-appearances"):
            gain = (found["adaptive"] - found[peer])[..., place].ravel()
            reach = 1.96 * gain.std(ddof=1) / len(gain) ** 0.5
            interval = f"95 % interval {gain.mean() - reach:+.4f} to {gain.mean() + reach:+.4f}"
            record(f"{at}: adaptive minus {peer}", float(gain.mean()), "Spearman", at_least=0.0, against=interval)
