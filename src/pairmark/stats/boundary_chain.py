"""The posterior of ordered grade boundaries on a grid of scores, exact by passing messages along the chain.

The boundaries b_1 < b_2 < ... form a chain: an anchor of grade g tells about b_g and b_{g+1} only, and the prior ties
neighbours. So sums over all boundaries are products of matrices (Rabiner 1989, forward-backward). What the result says
about essays and anchors is in `anchors`.
"""

from dataclasses import dataclass

import numpy as np

from pairmark.stats.arrays import Floats, Ints
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


def posterior(anchors: Anchored, n_grades: int, centre: float, spread: float, reach: float) -> Chain:
    """Sum over band widths and noise; `spread` is the SD of the scores, `reach` the distance to the farthest score."""
    expected = 4 * spread / n_grades  # bands that share out the middle 95 % of the scores
    grid = centre + np.linspace(-1, 1, POINTS) * (reach + 4 * expected)
    steps = expected * np.exp(SCALE_STEPS)
    weights = np.exp(-((SCALE_STEPS / SCALE_SD) ** 2) / 2)
    boundaries, pairs, logs = [], [], []
    transitions = [_transition(grid, float(width)) for width in steps]
    for noise, share in NOISE:
        factors = [_factor(anchors, grade, n_grades, grid, noise * spread) for grade in range(n_grades)]
        for transition, weight in zip(transitions, weights, strict=True):
            marginal, joint, log_evidence = _pass(factors, transition)
            boundaries.append(marginal)
            pairs.append((noise * spread, joint))
            logs.append(log_evidence + np.log(weight * share))
    probability = np.exp(np.array(logs) - max(logs))
    probability /= probability.sum()
    summed: dict[float, list[Floats]] = {}
    for share, (noise_sd, joint) in zip(probability, pairs, strict=True):
        held = summed.setdefault(noise_sd, [np.zeros_like(matrix) for matrix in joint])
        for place, matrix in enumerate(joint):
            held[place] += share * matrix
    return Chain(grid, np.einsum("s,skg->kg", probability, np.array(boundaries)), summed)


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
        inside = np.maximum(below[None, :] - below[:, None], 0)
    return np.asarray((1 - MISTAKE) * inside + MISTAKE / n_grades)


def _transition(grid: Floats, width: float) -> Floats:
    """Prior of the next boundary given this one: the log width of a band is normal about that of all."""
    gap = grid[None, :] - grid[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        score = (np.log(gap / width)) / GAP_SD
        density = np.where(gap > 0, np.exp(-(score**2) / 2) / gap, 0.0)
    return np.asarray(density * (grid[1] - grid[0]) / (GAP_SD * np.sqrt(2 * np.pi)))


def _factor(anchors: Anchored, grade: int, n_grades: int, grid: Floats, noise: float) -> Floats:
    total = np.zeros((1, 1))
    for index in np.flatnonzero(anchors.grade == grade):
        below = label_probability(float(anchors.theta[index]), float(anchors.error[index]), noise, grid)
        total = total + np.log(own_grade(below, grade, n_grades))
    peak = float(total.max())
    shape = (1 if grade == 0 else len(grid), 1 if grade == n_grades - 1 else len(grid))
    return np.asarray(np.exp(peak) * np.broadcast_to(np.exp(total - peak), shape))


def _pass(factors: list[Floats], transition: Floats) -> tuple[Floats, list[Floats], float]:
    """Marginals of all boundaries, joint weights of the two of each grade (sum 1 each), log evidence."""
    inner = [factor * transition for factor in factors[1:-1]]
    forward, log_evidence = [_unit(factors[0][0])], float(np.log(factors[0].sum()))
    for matrix in inner:
        reached = forward[-1] @ matrix
        log_evidence += float(np.log(reached.sum()))
        forward.append(_unit(reached))
    backward = [_unit(factors[-1][:, 0])]
    for matrix in reversed(inner):
        backward.insert(0, _unit(matrix @ backward[0]))
    log_evidence += float(np.log(forward[-1] @ factors[-1][:, 0]))
    marginal = np.array([_unit(a * b) for a, b in zip(forward, [*backward], strict=True)]) if inner else None
    if marginal is None:
        marginal = _unit(forward[0] * backward[0])[None, :]
    joint = [
        marginal[:1],
        *(_unit(a[:, None] * m * b[None, :]) for a, m, b in zip(forward, inner, backward[1:], strict=False)),
    ]
    return marginal, [*joint, marginal[-1][:, None]], log_evidence


def _unit(weights: Floats) -> Floats:
    return np.asarray(weights / weights.sum())
