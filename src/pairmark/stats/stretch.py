"""How far all scores of a fit may be off together: by one factor about their mean.

Judgements tell the order of essays well and the size of the whole scale less well, so errors of scores far from the mean
go together; and scores by the method "map" are drawn in, the whole scale with them. Several anchors do not average that
away, and it moves no essay across a boundary, because boundaries move with it. Judgements that hardly differ from coin tosses
do not tell the size at all; that is said here, and what follows from it in `anchors`.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from pairmark.stats.arrays import Floats
from pairmark.stats.fitted import SAME_SCORE, Fit

LEAST_OWN = 0.5  # of a standard error counts as the essay's own, however far from the mean it lies
FACTORS = 199  # evenly probable ones stand for the distribution of the factor
HALVINGS = 60
Z95 = 1.959963984540054


@dataclass(frozen=True)
class Stretch:
    """True scores are about `centre` + factor * (theta - `centre`), the same factor for all.

    `mean` and `sd` of that factor; a mean above 1 says by how much the scores are drawn in. An infinite `sd`: scores that
    are all equal, which say nothing of it.
    """

    centre: float
    mean: float = 1.0
    sd: float = 0.0

    @property
    def known(self) -> bool:
        """Whether the judgements tell the size of the scale: 0 lies outside the normal 95 % interval of the factor.

        Otherwise they agree with essays that do not differ, and no number about true places can be held to.
        """
        return Z95 * self.sd < self.mean

    def own(self, theta: ArrayLike, standard_error: ArrayLike) -> Floats:
        """What remains of the standard error of each score beside the others, on the scale of the scores."""
        score, error = np.asarray(theta, dtype=np.float64), np.asarray(standard_error, dtype=np.float64)
        doubt = (self.mean - 1) ** 2 + self.sd**2
        shared = doubt * (score - self.centre) ** 2 if math.isfinite(doubt) else 0.0
        return np.asarray(np.sqrt(np.maximum(error**2 - shared, (LEAST_OWN * error) ** 2)) / self.mean)

    def quantile(self, share: float, edges: Floats, cumulative: Floats) -> float:
        """Below which true place something lies with this probability whose place among the scores has this distribution.

        `cumulative` at `edges`, linear between them; shape (n_edges,) each. The logarithm of the factor counts as normal.
        """
        variance = math.log1p((self.sd / self.mean) ** 2)
        nodes = np.array([NormalDist().inv_cdf((node + 0.5) / FACTORS) for node in range(FACTORS)])
        factors, away = self.mean * np.exp(variance**0.5 * nodes - variance / 2), edges - self.centre
        ends = np.multiply.outer(away[[0, -1]], factors)
        low, high = float(ends.min()), float(ends.max())
        for _ in range(HALVINGS):
            half = (low + high) / 2
            below = float(np.mean(np.interp(half / factors, away, cumulative)))
            low, high = (half, high) if below < share else (low, half)
        return self.centre + (low + high) / 2


def stretch(fit: Fit) -> Stretch:
    """What the judgements of a fit leave open about the size of its scale.

    Notes
    -----
    The part of the covariance that is proportional to (theta_i - mean)(theta_j - mean), by least squares over all pairs of
    different items. Exact products with the covariance, so it holds at any size.

    Examples
    --------
    >>> from pairmark.stats import comparisons, fit
    >>> few = fit(comparisons([("anna", "bela", 1), ("bela", "cleo", 1), ("cleo", "anna", 0), ("bela", "anna", 1)] * 5))
    >>> found = stretch(few)
    >>> found.mean > 1, found.sd > 0
    (True, True)
    >>> stretch(fit(comparisons([("anna", "bela", 1)] * 16 + [("anna", "bela", 0)] * 15))).known
    False
    """
    return shared(fit.theta, fit.standard_error**2, fit.covariance_times(fit.theta - fit.theta.mean()), fit.mean_offset)


def shared(theta: Floats, variance: Floats, product: Floats, offset: Floats) -> Stretch:
    """The stretch of scores with these variances about them and posterior means `theta` + `offset`.

    `product`: the covariance about the scores times `theta` less its mean; shape (n_items,) each.
    """
    centre = float(theta.mean())
    place = theta - centre
    square = float(place @ place)
    if not square or float(np.ptp(theta)) <= SAME_SCORE:
        return Stretch(centre, sd=math.inf)
    drawn_in = float(place @ offset)
    off_diagonal = float(place @ product) - drawn_in**2 - float(place**2 @ (variance - offset**2))
    pairs = square**2 - float(np.sum(place**4))
    factor = max(off_diagonal / pairs, 0.0) if pairs > 0 else 0.0
    return Stretch(centre, max(1 + drawn_in / square, LEAST_OWN), factor**0.5)
