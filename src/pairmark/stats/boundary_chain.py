"""The posterior of ordered grade boundaries on a grid of scores, exact by passing messages along the chain.

The boundaries b_1 < b_2 < ... form a chain: an anchor of grade g tells about b_g and b_{g+1} only, and the prior ties
neighbours. So sums over all boundaries are products of matrices (Rabiner 1989, forward-backward). What the result says
about essays and anchors is in `anchors`.
"""

from dataclasses import dataclass, replace

import numpy as np

from pairmark.stats.arrays import Floats, Ints
from pairmark.stats.errors import StatsError
from pairmark.stats.normal import cumulative

POINTS = 280  # of the grid
SCALE_STEPS = np.linspace(-1.6, 1.6, 9)  # log of band width over its expected value
SCALE_SD = 0.7  # of that log: the width is known within a factor of 4
GAP_SD = 0.5  # SD of the log width of single bands: widths within one scale differ up to a factor of 2.7 either way
NOISE = ((0.03, 0.30), (0.1, 0.25), (0.2, 0.20), (0.4, 0.15), (0.8, 0.10))  # SD over that of the scores, prior weight
MISTAKE = 0.01  # share of anchors whose grade has nothing to do with their quality


@dataclass(frozen=True)
class Anchored:
    """Anchors as the chain needs them: score, standard error and grade (from 0), shape (n_anchors,) each."""

    theta: Floats
    error: Floats
    grade: Ints


@dataclass(frozen=True, eq=False)
class Chain:
    """The posterior over the grid.

    `grid` (POINTS,) in logits; `boundaries` (n_grades - 1, POINTS): probability of each boundary at each point;
    `pairs`: per SD of the noise (logits) and per grade the joint weight of its two boundaries, with the prior in it.
    """

    grid: Floats
    boundaries: Floats
    pairs: dict[float, list[Floats]]


@dataclass(frozen=True, eq=False)
class _Factor:
    """What the anchors of one grade say about its two boundaries, up to exp(`log_scale`); largest value 1."""

    likelihood: Floats
    log_scale: float


@dataclass(frozen=True, eq=False)
class _Pass:
    """Messages along the chain, shape (n_grades - 1, POINTS), rows summing to 1, at one width and one SD of the noise.

    `reached` (n_grades - 1,): what each message from below summed to before it was scaled.
    """

    forward: Floats
    backward: Floats
    reached: Floats
    log_evidence: float

    @property
    def marginal(self) -> Floats:
        """Probability of each boundary at each point."""
        weights = self.forward * self.backward
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def posterior(anchors: Anchored, n_grades: int, centre: float, spread: float, reach: float) -> Chain:
    """Sum over band widths and noise; `spread` is the SD of the scores, `reach` the distance to the farthest score."""
    expected = 4 * spread / n_grades  # bands that share out the middle 95 % of the scores
    grid = centre + np.linspace(-1, 1, POINTS) * (reach + 4 * expected)
    transitions = [_transition(grid, float(width)) for width in expected * np.exp(SCALE_STEPS)]
    noises = [noise * spread for noise, _ in NOISE]
    factors = [[_factor(anchors, grade, n_grades, grid, noise) for grade in range(n_grades)] for noise in noises]
    room = np.empty((max(n_grades - 2, 0), POINTS, POINTS))
    with np.errstate(divide="ignore", invalid="ignore"):  # told below
        passes = [[_pass(each, transition, room) for transition in transitions] for each in factors]
    beforehand = -((SCALE_STEPS / SCALE_SD) ** 2) / 2 + np.log([[share] for _, share in NOISE])
    logs = beforehand + np.array([[one.log_evidence for one in row] for row in passes])
    logs[~np.isfinite(logs)] = -np.inf
    if not np.isfinite(logs).any():
        raise StatsError(
            f"The grades of these {len(anchors.grade):,} anchors go so much against their scores that no boundaries fit them."
        )
    probability = np.exp(logs - logs.max())
    probability /= probability.sum()
    boundaries = sum(
        share * one.marginal
        for row, shares in zip(passes, probability, strict=True)
        for one, share in zip(row, shares, strict=True)
        if share
    )
    pairs = [_pairs(*each, transitions) for each in zip(factors, passes, probability, strict=True)]
    return Chain(grid, np.asarray(boundaries), dict(zip(noises, pairs, strict=True)))


def label_probability(theta: float, error: float, noise: float, grid: Floats) -> Floats:
    """Probability, at each point as a boundary, that an essay with this score is graded below it."""
    return cumulative((grid - theta) / float(np.hypot(error, noise)))


def own_grade(below: Floats, grade: int, n_grades: int) -> Floats:
    """Likelihood of an anchor's grade over its two boundaries (rows: lower, columns: upper), or over the only one."""
    if grade == 0:
        inside = below[None, :]
    elif grade == n_grades - 1:
        inside = 1 - below[:, None]
    else:
        inside = np.subtract.outer(-below, -below)
        np.maximum(inside, 0, out=inside)
    likelihood = np.asarray((1 - MISTAKE) * inside)
    likelihood += MISTAKE / n_grades
    return likelihood


def _transition(grid: Floats, width: float) -> Floats:
    """Prior of the next boundary given this one: the log width of a band is normal about that of all."""
    gap = grid[None, :] - grid[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        score = (np.log(gap / width)) / GAP_SD
        density = np.where(gap > 0, np.exp(-(score**2) / 2) / gap, 0.0)
    return np.asarray(density * (grid[1] - grid[0]) / (GAP_SD * np.sqrt(2 * np.pi)))


def _factor(anchors: Anchored, grade: int, n_grades: int, grid: Floats, noise: float) -> _Factor:
    shape = (1 if grade == 0 else len(grid), 1 if grade == n_grades - 1 else len(grid))
    product, log_scale = np.ones(shape), 0.0
    for index in np.flatnonzero(anchors.grade == grade):
        below = label_probability(float(anchors.theta[index]), float(anchors.error[index]), noise, grid)
        product *= own_grade(below, grade, n_grades)
        peak = float(product.max())
        product /= peak
        log_scale += float(np.log(peak))
    return _Factor(product, log_scale)


def _pass(factors: list[_Factor], transition: Floats, room: Floats) -> _Pass:
    """Messages from below and from above; `room` takes the matrices between them, since new memory costs more than the sums."""
    inner = [np.multiply(each.likelihood, transition, out=out) for each, out in zip(factors[1:-1], room, strict=True)]
    first, last = factors[0].likelihood[0], factors[-1].likelihood[:, 0]
    forward, reached = [_unit(first)], [float(first.sum())]
    for matrix in inner:
        message = forward[-1] @ matrix
        reached.append(float(message.sum()))
        forward.append(_unit(message))
    backward = [_unit(last)]
    for matrix in reversed(inner):
        backward.insert(0, _unit(matrix @ backward[0]))
    log_evidence = float(np.log(reached).sum() + np.log(forward[-1] @ last)) + sum(one.log_scale for one in factors)
    found = _Pass(np.array(forward), np.array(backward), np.array(reached), log_evidence)
    return found if np.isfinite(found.marginal).all() else replace(found, log_evidence=-np.inf)


def _pairs(factors: list[_Factor], passes: list[_Pass], shares: Floats, transitions: list[Floats]) -> list[Floats]:
    """The joint weight of the two boundaries of each grade, over all band widths at one SD of the noise."""
    used = [each for each in zip(passes, shares, transitions, strict=True) if each[1]]
    ends = [sum((share * one.marginal[end] for one, share, _ in used), np.zeros(POINTS)) for end in (0, -1)]
    pairs = [ends[0][None, :]]
    for lower, factor in enumerate(factors[1:-1]):
        total, part = np.zeros_like(factor.likelihood), np.empty_like(factor.likelihood)
        for one, share, transition in used:
            mass = one.reached[lower + 1] * float(one.forward[lower + 1] @ one.backward[lower + 1])
            np.multiply.outer(one.forward[lower] * (share / mass), one.backward[lower + 1], out=part)
            part *= transition
            total += part
        total *= factor.likelihood
        pairs.append(total)
    return [*pairs, ends[1][:, None]]


def _unit(weights: Floats) -> Floats:
    return np.asarray(weights / weights.sum())
