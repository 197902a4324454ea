"""Which judges should be looked at: those whose decisions are more likely from chance, from one seat, or from the contrary.

Numbers of what judges did are in `judges`. A screening finds reasons to look; it does not drop anybody.
"""

from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

from pairmark.stats.arrays import Flags, Floats, Ints, counted, summed
from pairmark.stats.bradley_terry import fit as refit
from pairmark.stats.comparisons import Comparisons
from pairmark.stats.consensus import Consensus, consensus
from pairmark.stats.display import Columns
from pairmark.stats.errors import UnconnectedError
from pairmark.stats.fitted import Fit, TieRule

Finding = Literal["consensus", "random", "dissenting", "one seat"]

FINDINGS: tuple[Finding, ...] = ("consensus", "random", "dissenting", "one seat")
FALSE_ALARMS = 0.05  # share of judges like the others that may be found all the same
SIMULATIONS = 4000
SEED = 909
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
    known. A judge is
    found if the log likelihood ratio of consensus against random is lower than chance allows (Neyman & Pearson 1933;
    its distribution is simulated). Judges found in a first round do not make up the scale of
    the second, because they blur it. A judge who looks for something that has nothing to do with the scale cannot be told
    from a random one; and pairs of texts close to each other tell little about anybody.

    Examples
    --------
    >>> from pairmark.stats import comparisons, fit
    >>> votes = [("anna", "bela", 1), ("bela", "cleo", 1), ("cleo", "anna", 0), ("anna", "bela", 0)] * 12
    >>> contrary = [("anna", "cleo", 0), ("cleo", "anna", 1)] * 4
    >>> judges = ["kim"] * 16 + ["lou"] * 16 + ["max"] * 16 + ["noa"] * 8
    >>> screen(fit(comparisons(votes + contrary, judges=judges))).finding
    ('consensus', 'consensus', 'consensus', 'dissenting')
    """
    data = fit.comparisons
    others = consensus(fit)
    p = _p_values(others, len(data.judges))
    trusted = p > false_alarms
    if not trusted.all():
        better = _fit_of(fit, data, trusted)
        if better is not None:
            others = consensus(better, data, trusted)
            p = _p_values(others, len(data.judges))
    likely = _log_likelihoods(others, len(data.judges))
    if not data.seats:
        likely[:, FINDINGS.index("one seat")] = -np.inf
    chosen = np.where(p <= false_alarms, 1 + np.argmax(likely[:, 1:], axis=1), 0)
    return Screening(
        data.judges, tuple(FINDINGS[k] for k in chosen), p, likely, counted(others.judge, len(data.judges))
    )


def _fit_of(fit: Fit, data: Comparisons, trusted: Flags) -> Fit | None:
    """The same kind of fit to the comparisons of trusted judges; None if those no longer connect the items."""
    assert data.judge is not None
    orders, ties = fit.solution.model.n_orders, "davidson" if fit.tie_parameter is not None else "half"
    kind: bool | Literal["judge"] = "judge" if orders == len(data.judges) > 1 else orders > 0
    try:
        return refit(data.only(trusted[data.judge]), order_effect=kind, ties=cast(TieRule, ties), start=fit)
    except UnconnectedError:
        return None


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
