"""Which judges should be looked at: those whose decisions are more likely from chance, from one seat, or from the contrary.

Numbers of what judges did are in `judges`. A screening finds reasons to look; it does not drop anybody.
"""

from dataclasses import dataclass, replace
from typing import Literal, cast

import numpy as np

from pairmark.stats.arrays import Floats, Ints, counted, summed
from pairmark.stats.bradley_terry import fit as refit
from pairmark.stats.comparisons import Comparisons
from pairmark.stats.consensus import Consensus, consensus
from pairmark.stats.display import Columns
from pairmark.stats.errors import StatsError
from pairmark.stats.fitted import Fit, TieRule

Finding = Literal["consensus", "random", "dissenting", "one seat"]

FINDINGS: tuple[Finding, ...] = ("consensus", "random", "dissenting", "one seat")
FALSE_ALARMS = 0.05  # share of judges like the others that may be found all the same
SIMULATIONS = 4000
SEED = 909
SHARE = 0.1  # of judges who may be unlike the others, before their decisions are looked at
LEAST_TRUST = 0.001  # weight of a judge unlike the others; above 0, so that the essays stay connected
ROUNDS, SETTLED = 5, 0.01  # of scales and trust in turn; until no trust changes by more
SLOPE_SD, NEWTON_STEPS, TINY = 0.3, 8, 1e-9  # of the slope that calibrates chances: about 1 beforehand
ONE_SEAT = 0.95  # share of decisions for the favourite seat of a judge who looks at nothing else
LEAST_CHANCE = 0.005  # a judge like the others still slips now and then; keeps one slip from deciding


@dataclass(frozen=True, eq=False, repr=False)
class Screening(Columns):
    """One entry per judge of `ids`.

    `finding`: "consensus" unless `p` is at most the share of false alarms allowed; then the most likely other. `p`: how
    often a judge who decides as the others predict would look as unlike them as this one, on the same pairs.
    `log_likelihood`: of the decisions under each finding, shape (n_judges, 4), columns as in `FINDINGS`.
    `decisions`: how many were decided.
    """

    ids: tuple[str, ...]
    finding: tuple[Finding, ...]
    p: Floats
    log_likelihood: Floats
    decisions: Ints


def screen(fit: Fit, false_alarms: float = FALSE_ALARMS) -> Screening:
    """Find judges whose decisions the scale of the others does not explain, and say what explains them best.

    consensus: decides as the scale of all other judges predicts. random: tosses a coin. dissenting: decides as the
    contrary of that scale predicts. one seat: decides for the text shown first (or second) whatever it is, if seats are
    known. A judge is found if the log likelihood ratio of consensus against random is lower than chance allows (Neyman &
    Pearson 1933; its distribution is simulated). Each judge makes up the scale of the others by the probability of being
    like them, found with the scale in turn (Dempster, Laird & Rubin 1977), because the unlike ones blur it. A judge who
    looks for something that has nothing to do with the scale cannot be told from a random one; and pairs of texts close
    to each other tell little about anybody.

    Examples
    --------
    >>> from pairmark.stats import comparisons, fit
    >>> votes = [("anna", "bela", 1), ("bela", "cleo", 1), ("cleo", "anna", 0), ("anna", "bela", 0)] * 12
    >>> contrary = [("anna", "cleo", 0), ("cleo", "anna", 1)] * 4
    >>> judges = ["kim"] * 16 + ["lou"] * 16 + ["max"] * 16 + ["noa"] * 8
    >>> screen(fit(comparisons(votes + contrary, judges=judges))).finding
    ('consensus', 'consensus', 'consensus', 'dissenting')
    """
    if not 0 < false_alarms <= 1:
        raise StatsError(f"The share of false alarms lies between 0 and 1, not {false_alarms}.")
    trust = np.ones(len(fit.comparisons.judges))
    found = told_apart(fit, trust, false_alarms)
    for _ in range(ROUNDS):
        trust, before = _trust(found.log_likelihood), trust
        if np.abs(trust - before).max() < SETTLED:
            break
        found = told_apart(fit, trust, false_alarms)
    return found


def told_apart(fit: Fit, trust: Floats, false_alarms: float = FALSE_ALARMS) -> Screening:
    """One round of a screening: `trust` (n_judges,) from 0 to 1 is how much each judge counts for the scale of the others."""
    data, n_judges = fit.comparisons, len(fit.comparisons.judges)
    trust = np.maximum(trust, LEAST_TRUST)
    others = consensus(fit) if (trust == 1).all() else consensus(_fit_of(fit, data, trust), data, trust)
    others = _calibrated(others, trust)
    p, likely = _p_values(others, n_judges), _log_likelihoods(others, n_judges)
    if not data.seats:
        likely[:, FINDINGS.index("one seat")] = -np.inf
    chosen = np.where(p <= false_alarms, 1 + np.argmax(likely[:, 1:], axis=1), 0)
    return Screening(data.judges, tuple(FINDINGS[k] for k in chosen), p, likely, counted(others.judge, n_judges))


def _trust(likely: Floats) -> Floats:
    """Probability that each judge is like the others, if `SHARE` of all are not, the other findings equally likely."""
    beforehand = np.log([1 - SHARE, SHARE / 3, SHARE / 3, SHARE / 3])
    weight = likely + beforehand
    weight = np.exp(weight - weight.max(axis=1, keepdims=True))
    return np.asarray(weight[:, 0] / weight.sum(axis=1))


def _fit_of(fit: Fit, data: Comparisons, trust: Floats) -> Fit:
    """The same kind of fit with the comparisons of each judge weighted."""
    assert data.judge is not None
    orders, ties = fit.solution.model.n_orders, "davidson" if fit.tie_parameter is not None else "half"
    kind: bool | Literal["judge"] = "judge" if orders == len(data.judges) > 1 else orders > 0
    weighted = replace(data, weight=data.weight * trust[data.judge])
    return refit(weighted, order_effect=kind, ties=cast(TieRule, ties), start=fit)


def _p_values(others: Consensus, n_judges: int) -> Floats:
    """For each judge how often simulated decisions like the others' have as low a likelihood ratio; never 0."""
    chance = _chance(others)
    gain, loss = np.log(2 * chance), np.log(2 * (1 - chance))
    observed = summed(others.judge, np.where(others.outcome == 1, gain, loss), n_judges)
    rng, lower = np.random.default_rng(SEED), np.zeros(n_judges)
    for _ in range(SIMULATIONS):
        drawn = summed(others.judge, np.where(rng.random(len(chance)) < chance, gain, loss), n_judges)
        lower += drawn <= observed
    return np.asarray((1 + lower) / (1 + SIMULATIONS))


def _log_likelihoods(others: Consensus, n_judges: int) -> Floats:
    """Of each judge's decisions under each finding, shape (n_judges, 4)."""
    chance, won = _chance(others), others.outcome == 1
    decisions, first = counted(others.judge, n_judges), summed(others.judge, others.outcome, n_judges)
    like = summed(others.judge, np.log(np.where(won, chance, 1 - chance)), n_judges)
    contrary = summed(others.judge, np.log(np.where(won, 1 - chance, chance)), n_judges)
    seats = [first * np.log(p) + (decisions - first) * np.log(1 - p) for p in (ONE_SEAT, 1 - ONE_SEAT)]
    return np.stack([like, decisions * np.log(0.5), contrary, np.logaddexp(*seats) - np.log(2)], axis=1)


def _chance(others: Consensus) -> Floats:
    return LEAST_CHANCE + (1 - 2 * LEAST_CHANCE) * others.chance


def _calibrated(others: Consensus, trust: Floats) -> Consensus:
    """The chances made as far from one half as the decisions of trusted judges bear out (Platt 1999, slope only).

    Without it they are too near one half, because scores are drawn in, and decisions of sound judges look better than chance
    allows, so fewer false alarms are raised than allowed, and fewer planted judges found.
    """
    chance = np.clip(others.chance, TINY, 1 - TINY)
    logit, weight, slope = np.log(chance / (1 - chance)), trust[others.judge], 1.0
    for _ in range(NEWTON_STEPS):
        now = 1 / (1 + np.exp(-slope * logit))
        uphill = float(np.sum(weight * logit * (others.outcome - now))) - (slope - 1) / SLOPE_SD**2
        bend = float(np.sum(weight * logit**2 * now * (1 - now))) + SLOPE_SD**-2
        slope = min(max(slope + uphill / bend, 0.5), 2.0)
    return replace(others, chance=1 / (1 + np.exp(-slope * logit)))
