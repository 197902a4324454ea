"""Grades from anchors: essays whose grade is known place the boundaries between grades, and those grade the others.

Anchors are noisy measurements: their scores have errors, and their grades were given by people. Model: an essay of quality
theta is graded g if theta + noise lies between the boundaries b_g and b_{g+1} (ordered probit; McKelvey & Zavoina 1975);
the noise of an anchor's grade has an unknown SD, and a small share of grades is plainly wrong. Band widths of one scale
are alike but not equal, which is what carries boundaries across grades without anchors. What the scores share of their
errors (`stretch`) moves boundaries and essays alike, so it counts for the boundaries' intervals alone. How the posterior is
computed is in `boundary_chain`; scales and files are not known here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pairmark.stats.arrays import Floats, Ints
from pairmark.stats.boundary_chain import Anchored, Chain, label_probability, own_grade, posterior
from pairmark.stats.errors import StatsError
from pairmark.stats.normal import cumulative
from pairmark.stats.stretch import Stretch

DISPLACED = 0.01  # p-value, corrected for the number of anchors


@dataclass(frozen=True)
class Displacement:
    """How each anchor fits the others, shape (n_anchors,) each.

    `low`, `high`: its band by the other anchors alone (medians, infinite at the ends of the scale); `distance`: how far
    its score lies outside that band, in logits, positive above; `p_value`: chance of a grade this extreme for a score like
    this, two-sided, uncorrected; `displaced`: p below `DISPLACED` after Holm's (1979) correction.
    """

    low: Floats
    high: Floats
    distance: Floats
    p_value: Floats
    displaced: "np.ndarray[tuple[int], np.dtype[np.bool_]]"


@dataclass(frozen=True, eq=False)
class Grading:
    """Boundaries between `n_grades` grades, lowest grade 0, and what follows for essays. Made by `grading`."""

    n_grades: int
    anchors: Anchored
    chain: Chain
    stretch: Stretch

    def boundaries(self) -> Floats:
        """Where each boundary divides the scores: its median in logits, lowest first, shape (n_grades - 1,)."""
        return np.array([_quantile(self.chain.grid, weights, 0.5) for weights in self.chain.boundaries])

    def interval(self, level: float = 0.95) -> tuple[Floats, Floats] | None:
        """Ends of the interval of each boundary that covers its true place with this probability.

        Where scores are drawn in, true boundaries lie farther out, so the outer side is the longer one. None where the
        judgements do not tell the size of the scale (`Stretch.known`): then they say nothing of true places.
        """
        if not 0 < level < 1:
            raise StatsError(f"The level of an interval lies between 0 and 1, not {level}.")
        if not self.stretch.known:
            return None
        at, edges = self.boundaries(), _edges(self.chain.grid)
        cumulated = [np.append(0.0, np.cumsum(weights)) for weights in self.chain.boundaries]
        low, high = (
            np.array([self.stretch.quantile(share, edges, each) for each in cumulated])
            for share in (0.5 - level / 2, 0.5 + level / 2)
        )
        return np.minimum(low, at), np.maximum(high, at)

    def probabilities(self, theta: ArrayLike, standard_error: ArrayLike) -> Floats:
        """Probability of each grade for essays with these scores, shape (n_essays, n_grades); rows sum to 1.

        What remains of the error of a score beside the stretch counts as independent of the errors of the boundaries,
        which is nearly so with 20 or more essays.
        """
        score, error = np.asarray(theta, dtype=np.float64), self.stretch.own(theta, standard_error)
        above = cumulative((score[:, None] - self.chain.grid[None, :]) / error[:, None]) @ self.chain.boundaries.T
        edges = np.hstack([np.ones((len(score), 1)), above, np.zeros((len(score), 1))])
        probability = np.maximum(edges[:, :-1] - edges[:, 1:], 0)
        return np.asarray(probability / probability.sum(axis=1, keepdims=True))

    def crosses(self, low: ArrayLike, high: ArrayLike) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
        """Whether a boundary lies between these ends of each essay's interval: such essays deserve a second look."""
        at = self.boundaries()
        return np.asarray(np.searchsorted(at, np.asarray(low)) != np.searchsorted(at, np.asarray(high)))

    def displacement(self) -> Displacement:
        """Hold each anchor against the boundaries that the others alone would set."""
        checks = np.array([self._without(index) for index in range(len(self.anchors.grade))])
        low, high, p_value = checks.T
        theta = self.anchors.theta
        distance = np.where(theta > high, theta - high, np.where(theta < low, theta - low, 0.0))
        return Displacement(low, high, distance, p_value, _holm(p_value) < DISPLACED)

    def _without(self, index: int) -> tuple[float, float, float]:
        """The band of one anchor by the others, and its p-value: its own likelihood is divided out of the posterior."""
        theta, error = float(self.anchors.theta[index]), float(self.anchors.error[index])
        grade, grid = int(self.anchors.grade[index]), self.chain.grid
        below_upper = above_lower = total = 0.0
        lower, upper = np.zeros(len(grid)), np.zeros(len(grid))
        for noise, pairs in self.chain.pairs.items():
            below = label_probability(theta, error, noise, grid)
            rest = pairs[grade] / own_grade(below, grade, self.n_grades)
            total += float(rest.sum())
            if grade < self.n_grades - 1:
                upper += rest.sum(axis=0)
            if grade > 0:
                lower += rest.sum(axis=1)
            below_upper += float(rest.sum(axis=0) @ below) if grade < self.n_grades - 1 else float(rest.sum())
            above_lower += float(rest.sum(axis=1) @ (1 - below)) if grade > 0 else float(rest.sum())
        p_value = min(1.0, 2 * min(below_upper, above_lower) / total)
        low = _quantile(grid, lower / total, 0.5) if grade > 0 else -np.inf
        high = _quantile(grid, upper / total, 0.5) if grade < self.n_grades - 1 else np.inf
        return low, high, p_value


def grading(
    theta: ArrayLike,
    standard_error: ArrayLike,
    anchors: ArrayLike,
    grades: ArrayLike,
    n_grades: int,
    stretch: Stretch | None = None,
) -> Grading:
    """Place the boundaries between grades.

    Parameters
    ----------
    theta, standard_error
        Scores of all essays of the batch and their errors in logits, shape (n_essays,); from a fit by the method "map".
    anchors, grades
        Index of each anchor among the essays and its grade from 0 (lowest) to `n_grades` - 1, shape (n_anchors,).
    n_grades
        Grades of the scale, 2 or more.
    stretch
        What the scores share of their errors, from `stats.stretch`; without it all errors count as independent, and
        several anchors per grade make boundaries look more certain than they are.

    Raises
    ------
    StatsError
        Fewer than two grades have an anchor, an index is out of range, or hundreds of grades go against the scores.

    Notes
    -----
    With one anchor per grade the boundary lies somewhere between two neighbours, and the interval says so. The order of
    the anchors does not matter beyond rounding. Takes well under a second for 10 grades and 20 anchors.

    Examples
    --------
    >>> theta, error = np.linspace(-2, 2, 21), np.full(21, 0.3)
    >>> graded = grading(theta, error, anchors=[3, 10, 17], grades=[0, 1, 2], n_grades=3)
    >>> graded.probabilities(theta, error).argmax(axis=1)[[3, 10, 17]].tolist()
    [0, 1, 2]
    """
    score, error = np.asarray(theta, dtype=np.float64), np.asarray(standard_error, dtype=np.float64)
    place, known = np.asarray(anchors, dtype=np.int64), np.asarray(grades, dtype=np.int64)
    _check(score, error, place, known, n_grades)
    centre = float(score.mean())
    shared = stretch or Stretch(centre)
    own = shared.own(score, error)
    order = np.lexsort((own[place], score[place], known))
    chosen = Anchored(score[place][order], own[place][order], known[order])
    spread = float(np.sqrt(np.var(score) + np.mean(own**2)))  # of the true scores: those of a map fit are drawn in
    reach = float(np.abs(score - centre).max() + 3 * error.max())
    chain = posterior(chosen, n_grades, centre, spread, reach)
    back = np.argsort(order, kind="stable")
    return Grading(n_grades, Anchored(chosen.theta[back], chosen.error[back], chosen.grade[back]), chain, shared)


def _check(theta: Floats, error: Floats, anchors: Ints, grades: Ints, n_grades: int) -> None:
    if n_grades < 2:
        raise StatsError(f"A scale has two or more grades, not {n_grades}.")
    if theta.shape != error.shape or theta.ndim != 1 or not np.isfinite(theta).all() or not np.all(error > 0):
        raise StatsError("Grading needs one finite score and one standard error above 0 for each essay.")
    if anchors.shape != grades.shape or anchors.ndim != 1:
        raise StatsError("Each anchor needs one grade.")
    if len(anchors) and (anchors.min() < 0 or anchors.max() >= len(theta)):
        raise StatsError("An anchor is not one of the essays.")
    if len(grades) and (grades.min() < 0 or grades.max() >= n_grades):
        raise StatsError(f"The grade of an anchor lies outside the {n_grades} grades of the scale.")
    if len(set(anchors.tolist())) < len(anchors):
        raise StatsError("An essay is an anchor twice.")
    if len(set(grades.tolist())) < 2:
        raise StatsError("Anchors of at least two different grades are needed to place a boundary.")


def _quantile(grid: Floats, weights: Floats, share: float) -> float:
    """Where the cumulative weight reaches `share`, each point's weight spread evenly over its cell."""
    return float(np.interp(share, np.append(0.0, np.cumsum(weights)), _edges(grid)))


def _edges(grid: Floats) -> Floats:
    """Ends of the cells whose middles the grid holds."""
    step = grid[1] - grid[0]
    return np.append(grid - step / 2, grid[-1] + step / 2)


def _holm(p_value: Floats) -> Floats:
    """P-values corrected for their number (Holm 1979)."""
    order = np.argsort(p_value)
    corrected = np.maximum.accumulate(p_value[order] * np.arange(len(p_value), 0, -1))
    result = np.empty(len(p_value))
    result[order] = np.minimum(corrected, 1.0)
    return result
