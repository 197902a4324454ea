"""How far all scores of a fit may be off together: by one factor about their mean.

Judgements tell the order of essays well and the size of the whole scale less well, so errors of scores far from the mean
go together; and scores by the method "map" are drawn in, the whole scale with them. Several anchors do not average that
away, and it moves no essay across a boundary, because boundaries move with it. Who uses it is in `anchors`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pairmark.stats.arrays import Floats
from pairmark.stats.fitted import Fit

LEAST_OWN = 0.5  # of a standard error counts as the essay's own, however far from the mean it lies
QUADRATURE = 9  # points of the normal distribution


@dataclass(frozen=True)
class Stretch:
    """True scores are about `centre` + factor * (theta - `centre`), the same factor for all.

    `mean` and `sd` of that factor; a mean above 1 says by how much the scores are drawn in.
    """

    centre: float
    mean: float = 1.0
    sd: float = 0.0

    def own(self, theta: ArrayLike, standard_error: ArrayLike) -> Floats:
        """What remains of the standard error of each score beside the others, on the scale of the scores."""
        score, error = np.asarray(theta, dtype=np.float64), np.asarray(standard_error, dtype=np.float64)
        shared = ((self.mean - 1) ** 2 + self.sd**2) * (score - self.centre) ** 2
        return np.asarray(np.sqrt(np.maximum(error**2 - shared, (LEAST_OWN * error) ** 2)) / self.mean)

    def spread_out(self, edges: Floats, cumulative: Floats) -> tuple[Floats, Floats]:
        """Where a place of this cumulative distribution on the scale of scores lies on the true scale: edges and cumulative.

        The logarithm of the factor counts as normal. Shape (n_edges,) each, in and out.
        """
        nodes, weights = np.polynomial.hermite_e.hermegauss(QUADRATURE)
        factors, away = self.mean * np.exp(nodes * self.sd / self.mean), edges - self.centre
        true = away * max(float(factors.max()), 1.0)
        stretched = [np.interp(true / factor, away, cumulative) for factor in factors]
        return self.centre + true, np.asarray(weights @ np.array(stretched) / weights.sum())


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
    """
    return shared(fit.theta, fit.standard_error**2, fit.covariance_times(fit.theta - fit.theta.mean()), fit.mean_offset)


def shared(theta: Floats, variance: Floats, product: Floats, offset: Floats) -> Stretch:
    """The stretch of scores with these variances about them and posterior means `theta` + `offset`.

    `product`: the covariance about the scores times `theta` less its mean; shape (n_items,) each.
    """
    centre = float(theta.mean())
    place = theta - centre
    square = float(place @ place)
    if not square:
        return Stretch(centre)
    drawn_in = float(place @ offset)
    off_diagonal = float(place @ product) - drawn_in**2 - float(place**2 @ (variance - offset**2))
    pairs = square**2 - float(np.sum(place**4))
    factor = max(off_diagonal / pairs, 0.0) if pairs > 0 else 0.0
    return Stretch(centre, max(1 + drawn_in / square, LEAST_OWN), factor**0.5)
