"""Panels of simulated judges with a known truth, some of them planted to be found."""

import numpy as np

from pairmark.stats.comparisons import comparisons


def panel(*, judges=30, decisions=20, essays=60, sd=2.0, seed=0, planted=0, kind="random", seconds=None):
    """Comparisons of `judges` who decide `decisions` pairs each; the first `planted` of them are of another `kind`.

    Every essay is paired once in each round, at random, and pairs are dealt out in turn. Kinds: random, dissenting (the contrary of
    the truth), one seat (nearly always the first).
    """
    rng = np.random.default_rng([seed, 71])
    truth = rng.normal(0, sd, essays)
    total, half = judges * decisions, essays // 2
    rounds = [rng.permutation(essays)[: 2 * half].reshape(half, 2) for _ in range(-(-total // half))]
    pairs = np.concatenate(rounds)[:total]
    judge = np.arange(total) % judges
    logit = truth[pairs[:, 0]] - truth[pairs[:, 1]]
    other = {"random": 0 * logit, "dissenting": -logit, "one seat": 0 * logit + 4}[kind]
    logit = np.where(judge < planted, other, logit)
    outcome = (rng.random(total) < 1 / (1 + np.exp(-logit))).astype(float)
    arrays = (pairs[:, 0], pairs[:, 1], outcome)
    items = [f"e{k:04}" for k in range(essays)]
    return comparisons(arrays, items=items, judges=[f"j{k:03}" for k in judge], seconds=seconds), truth
