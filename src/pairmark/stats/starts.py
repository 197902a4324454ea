"""Where estimation begins: at an earlier fit, at scores that are told, or at scores guessed from counts of wins.

Starts save time only; what is estimated does not depend on them.
"""

import math
from dataclasses import dataclass

import numpy as np

from pairmark.stats.arrays import Floats
from pairmark.stats.comparisons import Comparisons
from pairmark.stats.fitted import Fit
from pairmark.stats.posterior import Model, centred
from pairmark.stats.prior import Settled

LEAST_START_SD, MOST_START_SD = 0.1, 30.0  # logits; where the search for the prior SD begins
FARTHEST_START = 30.0  # logits from 0; a start beyond says no more
LOGISTIC = 1.7  # a logistic curve averaged over normal logits of variance v is flatter by sqrt(1 + v / 1.7^2)
FARTHEST = 10.0  # logits
STEPS = 3


@dataclass(frozen=True)
class Start:
    """Where a fit begins: a point (size,), the SD of the prior, and the end of an earlier search for that."""

    point: Floats
    sd: float
    earlier: Settled | None = None


def begin(model: Model, data: Comparisons, start: Floats | Fit | None, sd: float | None) -> Start:
    """What `start` and `sd` tell, and a guess for the rest. Items are sorted."""
    if isinstance(start, Fit):
        sd = sd or start.prior_sd
        if sd is not None and LEAST_START_SD <= sd <= MOST_START_SD and _alike(start, model, data):
            return Start(start.solution.point, sd, start.solution.settled)
    scores = scores_of(data, start)
    # A start without spread, zeros or the near-zeros of circular votes, says nothing about the SD.
    sd = sd or float(scores.std())
    if not LEAST_START_SD <= sd <= MOST_START_SD:
        sd = rough_sd(data)
    point = np.zeros(model.size)
    point[: model.n_items] = scores if scores.any() else first_guess(data, sd)
    if model.ties:
        tied, weight = float(data.pairs.tied.sum()), float(data.pairs.weight.sum())
        point[-1] = math.log(2 * tied / max(weight - tied, 1.0))
    return Start(centred(model, point), sd)


def scores_of(data: Comparisons, start: Floats | Fit | None) -> Floats:
    """The scores to begin with, shape (n_items,): those of an earlier fit by id; 0 for items it had not, and without `start`."""
    if start is None:
        return np.zeros(len(data.items))
    if not isinstance(start, Fit):
        return np.asarray(np.clip(start, -FARTHEST_START, FARTHEST_START))
    known = dict(zip(start.items, start.theta.tolist(), strict=True))
    return np.asarray(np.clip([known.get(item, 0.0) for item in data.items], -FARTHEST_START, FARTHEST_START))


def _alike(earlier: Fit, model: Model, data: Comparisons) -> bool:
    """True if a point of the earlier fit has the same parameters."""
    before = earlier.solution.model
    same = (before.n_items, before.n_orders, before.ties) == (model.n_items, model.n_orders, model.ties)
    return same and tuple(sorted(earlier.items)) == data.items


def rough_sd(data: Comparisons) -> float:
    """SD of the scores from the spread of win counts beyond chance, if wins were linear in the scores."""
    quarter = data.appearances / 4
    beyond_chance = float(np.sum((data.wins - 2 * quarter) ** 2 - quarter))
    return math.sqrt(max(beyond_chance / float(np.sum(quarter**2)), LEAST_START_SD**2))


def first_guess(data: Comparisons, sd: float) -> Floats:
    """Scores from wins and the mean of the opponents, as if these were normal with this SD, shape (n_items,).

    The approximation known from tests as PROX (Cohen 1979, British Journal of Mathematical and Statistical Psychology
    32), followed by the mode of each score under the prior with its opponents' mean held fixed.
    """
    pairs, met, wins = data.pairs, data.appearances, data.wins
    flatter = math.sqrt(1 + (sd / LOGISTIC) ** 2)
    kept = sd**2 / (sd**2 + 4 * flatter**2 / met)
    alone = kept * flatter * np.log((wins + 1) / (met - wins + 1))
    rows = pairs.incidence
    opponents = rows.sums(pairs.weight * alone[pairs.second], pairs.weight * alone[pairs.first]) / met
    theta = np.maximum(np.minimum(alone + kept * opponents, FARTHEST), -FARTHEST)
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp((opponents - theta) / flatter))
        slope, curve = wins - met * chance - theta / sd**2, met * chance * (1 - chance) / flatter + sd**-2
        theta += np.maximum(np.minimum(slope / curve, 1), -1)
    return theta
