"""Where estimation begins when nothing is known: scores and their SD from counts of wins, without a fit.

They save time only; what is estimated does not depend on them.
"""

import math

import numpy as np

from pairmark.stats.arrays import Floats
from pairmark.stats.comparisons import Comparisons
from pairmark.stats.tally import per_item

LEAST_START_SD = 0.1  # logits; where the search for the prior SD begins at the earliest
LOGISTIC = 1.7  # a logistic curve averaged over normal logits of variance v is flatter by sqrt(1 + v / 1.7^2)
FARTHEST = 10.0  # logits
STEPS = 5


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
    opponents = per_item(len(met), pairs, pairs.weight * alone[pairs.second], pairs.weight * alone[pairs.first]) / met
    theta = np.clip(alone + kept * opponents, -FARTHEST, FARTHEST)
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp((opponents - theta) / flatter))
        slope, curve = wins - met * chance - theta / sd**2, met * chance * (1 - chance) / flatter + sd**-2
        theta += np.clip(slope / curve, -1, 1)
    return theta
