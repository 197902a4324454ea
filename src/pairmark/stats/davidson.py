"""Probabilities of the three outcomes of one comparison, and the moments that estimation needs.

With d the logit difference of the two texts (order effect included) and nu the tie parameter, Davidson (1970, Journal of
the American Statistical Association 65) has P(first) : P(tie) : P(second) = exp(d/2) : nu : exp(-d/2). Without ties
(log nu = None) this is Bradley-Terry. It is an exponential family: x = 1/2, 0, -1/2 (first, tie, second) goes with d and
t = 1 for a tie goes with log nu, so first derivatives of the log normaliser are means of (x, t), second ones covariances,
third ones third central moments.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from pairmark.stats.arrays import Floats, Ints

BLOCK = 16_384  # rows
FARTHEST = 300.0  # logits; exp of twice as much is finite
NODES = 9  # of the quadrature; the moments are smooth in d
SMALL = 2_000  # rows; of so few, all nodes together fit the cache


@dataclass(frozen=True)
class Chances:
    """Probability that the first wins, of a tie, and that the second wins; one per row."""

    first: Floats
    tie: Floats | None
    second: Floats

    def log_normaliser(self, logit: Floats) -> Floats:
        """Logarithm of exp(d/2) + nu + exp(-d/2); `logit` is d of every row."""
        return np.asarray(np.abs(logit) / 2 - np.log(np.maximum(self.first, self.second)))

    @property
    def mean(self) -> Floats:
        """Mean of x."""
        mean = self.first - self.second
        mean *= 0.5
        return mean

    @property
    def variance(self) -> Floats:
        """Variance of x: the information of a comparison about d."""
        return self.first * self.second if self.tie is None else (self.first + self.second) / 4 - self.mean**2

    @property
    def shared(self) -> Floats | None:
        """Covariance of x and t."""
        return None if self.tie is None else -self.tie * self.mean

    @property
    def tie_variance(self) -> Floats | None:
        """Variance of t: the information of a comparison about log nu."""
        return None if self.tie is None else self.tie * (1 - self.tie)

    def draw(self, rng: np.random.Generator) -> Floats:
        """An outcome for each row: 1, 1/2 or 0."""
        chance = rng.random(self.first.shape)
        if self.tie is None:
            return (chance < self.first).astype(np.float64)
        return ((chance < self.first).astype(np.float64) + (chance < self.first + self.tie)) / 2


@dataclass(frozen=True)
class Averages:
    """What `Chances` has, averaged over a normal distribution of d; log nu stays fixed."""

    mean: Floats
    variance: Floats
    log_normaliser: Floats
    tie: Floats | None
    shared: Floats | None
    tie_variance: Floats | None


def averages(logit: Floats, variance: Floats, log_nu: float | None = None) -> Averages:
    """Moments and log normaliser averaged over d normal around `logit` with this variance, by Gauss-Hermite quadrature."""
    reach, sums = np.sqrt(np.maximum(variance, 0)), list[Floats | None]()
    for nodes, shares in _quadrature() if len(logit) > SMALL else [_all_nodes()]:
        there = logit + nodes * reach
        at = chances(there, log_nu)
        moments = [at.mean, at.variance, at.log_normaliser(there), at.tie, at.shared, at.tie_variance]
        sums = _added(sums, shares, moments)
    mean, spread, normaliser = sums[:3]
    assert mean is not None
    assert spread is not None
    assert normaliser is not None
    return Averages(mean, spread, normaliser, *sums[3:])


@cache
def _all_nodes() -> tuple[Floats, Floats]:
    """Nodes and weights of a normal distribution, one per row; finding them takes longer than a small average."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    return nodes[:, None], (weights / weights.sum())[:, None]


@cache
def _quadrature() -> list[tuple[Floats, Floats]]:
    """The same, each node for itself."""
    nodes, weights = _all_nodes()
    return list(zip(nodes, weights, strict=True))


def _added(sums: list[Floats | None], share: Floats, values: list[Floats | None]) -> list[Floats | None]:
    """Each of `sums` with the share of one node in it, or of all: of a long column, one node's values are held at a time."""
    if not sums and len(share) > 1:
        return [None if value is None else np.sum(share * value, axis=0) for value in values]
    if not sums:
        return [None if value is None else share * value for value in values]
    for total, value in zip(sums, values, strict=True):
        if total is not None and value is not None:
            np.add(total, share * value, out=total)
    return sums


def chances(logit: Floats, log_nu: float | Floats | None = None) -> Chances:
    """The three probabilities for each d in `logit`, without overflow. `log_nu` is one number or one per column."""
    size = np.abs(logit)
    if log_nu is None:
        behind = np.exp(-size)
        ahead = 1 / (1 + behind)
        behind *= ahead
        tie = None
    else:
        exponent = log_nu - size / 2
        top = np.maximum(exponent, 0)
        ahead, behind, tie = np.exp(-top), np.exp(-size - top), np.exp(exponent - top)
        total = ahead + behind + tie
        ahead, behind, tie = ahead / total, behind / total, tie / total
    wins = logit >= 0
    return Chances(np.where(wins, ahead, behind), tie, np.where(wins, behind, ahead))


def chances_by_strength(theta: Floats, first: Ints, second: Ints) -> Chances:
    """Without ties, rows of the items `first` and `second`: exp(theta) is needed once for each item, not for each row.

    Scores must lie within `FARTHEST` of 0. In blocks that fit the cache, which for a million rows takes half the time.
    """
    strength = np.exp(theta)
    ahead, behind = np.empty(len(first)), np.empty(len(first))
    for begin in range(0, len(first), BLOCK):
        rows = slice(begin, begin + BLOCK)
        one = np.take(strength, first[rows], out=ahead[rows], mode="clip")
        other = np.take(strength, second[rows], out=behind[rows], mode="clip")
        share = np.reciprocal(one + other)
        one *= share
        other *= share
    return Chances(ahead, None, behind)


def third_moments(at: Chances) -> tuple[Floats, Floats, Floats, Floats]:
    """Third central moments xxx, xxt, xtt and ttt of each row; the last three are 0 without ties."""
    if at.tie is None:
        zero = np.zeros(())
        return -2 * at.variance * at.mean, zero, zero, zero
    mean, tie = at.mean, at.tie
    up, level, down = 0.5 - mean, -mean, -0.5 - mean
    xxx = at.first * up**3 + tie * level**3 + at.second * down**3
    xxt = -tie * (at.first * up**2 + at.second * down**2) + tie * (1 - tie) * level**2
    xtt = tie**2 * (at.first * up + at.second * down) + tie * (1 - tie) ** 2 * level
    return xxx, xxt, xtt, tie * (1 - tie) * (1 - 2 * tie)
