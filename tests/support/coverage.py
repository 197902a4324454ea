"""How often intervals hold the truth, on simulated judges with known scores."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pairmark.stats.comparisons import Comparisons, comparisons
from pairmark.stats.fitted import Fit
from pairmark.stats.rules import rule as rule_of
from pairmark.stats.sessions import run, simulated_judges


@dataclass(frozen=True)
class Covered:
    """Of one session or many: shares of scores, of differences and of ranks within their 95 % intervals; the mean
    standard error in logits, and the mean width of a rank interval as a share of all places.
    """

    scores: float
    differences: float
    ranks: float
    error: float
    places: float

    def __str__(self) -> str:
        return (
            f"scores {self.scores:.3f}, differences {self.differences:.3f} at a mean error of {self.error:.2f}, "
            f"ranks {self.ranks:.3f} at {self.places:.2f} of all places"
        )


def covered(result: Fit, truth: np.ndarray, draws: int = 500) -> Covered:
    """Hold one fit against its truth, shape (n_items,), of mean 0."""
    low, high = result.interval()
    spread, upper = result.covariance, np.triu_indices(len(truth), 1)
    variance = np.add.outer(np.diag(spread), np.diag(spread)) - 2 * spread
    off = np.subtract.outer(result.theta - truth, result.theta - truth)
    best, worst = result.rank_interval(draws=draws)
    rank = np.argsort(np.argsort(-truth)) + 1
    return Covered(
        float(np.mean((low <= truth) & (truth <= high))),
        float(np.mean(np.abs(off[upper]) <= 1.96 * np.sqrt(variance[upper]))),
        float(np.mean((best <= rank) & (rank <= worst))),
        float(np.mean(result.standard_error)),
        float(np.mean(worst - best + 1) / len(truth)),
    )


def averaged(all_of_them: Iterable[Covered]) -> Covered:
    """The mean over sessions or designs."""
    return Covered(*np.mean([list(vars(each).values()) for each in all_of_them], axis=0).tolist())


def planned(rule: str, essays: int, per_essay: int, sd: float, seed: int) -> tuple[Comparisons, np.ndarray] | None:
    """A session under a pairing rule, and its truth, centred; None where its groups are unconnected.

    Adaptive sessions are fitted after every two appearances per essay, others planned in one go.
    """
    truth = np.random.default_rng([seed, essays, per_essay, round(10 * sd)]).normal(0, sd, essays)
    total = essays * per_essay // 2
    wave = essays if rule == "adaptive" else total
    sizes = [min(wave, total - begin) for begin in range(0, total, wave)]
    answer = simulated_judges(truth, seed)
    *_, last = run(named(essays), rule_of(rule), answer, sizes=sizes, seed=seed, pair_limit=8)
    return None if last.fit is None else (last.comparisons, truth - truth.mean())


def in_rounds(essays: int, per_essay: int, sd: float, seed: int, bias: float = 0.0) -> tuple[Comparisons, np.ndarray]:
    """A session of rounds in which every essay is paired once, at random, and its truth, centred; `bias` in logits
    favours the text shown first.
    """
    rng = np.random.default_rng([seed, essays, per_essay])
    truth = rng.normal(0, sd, essays)
    pairs = np.concatenate([rng.permutation(essays).reshape(-1, 2) for _ in range(per_essay)])
    chance = 1 / (1 + np.exp(truth[pairs[:, 1]] - truth[pairs[:, 0]] - bias))
    outcome = (rng.random(len(pairs)) < chance).astype(float)
    return comparisons((pairs[:, 0], pairs[:, 1], outcome), items=named(essays)), truth - truth.mean()


def named(essays: int) -> list[str]:
    """Ids in sorted order."""
    return [f"{k:04}" for k in range(essays)]
