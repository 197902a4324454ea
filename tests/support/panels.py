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


def least_likely(data, truth, simulations=1000, seed=1):
    """For each judge how often a sound one would decide as unlikely as this one did, the true scores being known.

    The likelihood ratio of a sound judge against a coin with everything known: no test of one judge's decisions finds
    more coins at the same share of false alarms (Neyman & Pearson 1933).
    """
    rng, p_values = np.random.default_rng(seed), []
    for judge in range(len(data.judges)):
        mine = data.judge == judge
        chance = 1 / (1 + np.exp(truth[data.second[mine]] - truth[data.first[mine]]))
        gain, loss = np.log(2 * chance), np.log(2 * (1 - chance))
        drawn = np.where(rng.random((simulations, len(chance))) < chance, gain, loss).sum(axis=1)
        p_values.append(np.mean(drawn <= np.where(data.outcome[mine] == 1, gain, loss).sum()))
    return np.array(p_values)
