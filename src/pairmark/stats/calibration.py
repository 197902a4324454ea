"""Whether stated probabilities come true as often as they say."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pairmark.stats.arrays import Floats, Ints, counted, summed
from pairmark.stats.errors import StatsError

BINS = 10


@dataclass(frozen=True)
class ReliabilityDiagram:
    """Per bin of stated probability, shape (n_bins,) each: mean stated, share that came true, count (NaN when empty)."""

    stated: Floats
    observed: Floats
    count: Ints

    @property
    def expected_calibration_error(self) -> float:
        """Mean distance between stated and observed over the statements (Naeini, Cooper & Hauskrecht 2015)."""
        full = self.count > 0
        return float(np.average(np.abs(self.stated - self.observed)[full], weights=self.count[full]))


def reliability_diagram(probability: ArrayLike, happened: ArrayLike, bins: int = BINS) -> ReliabilityDiagram:
    """Bin statements by their probability; `happened` is 1 where the stated thing was so, 0 elsewhere."""
    stated, truth = np.asarray(probability, dtype=np.float64), np.asarray(happened, dtype=np.float64)
    if stated.shape != truth.shape or stated.ndim != 1 or not len(stated) or not ((stated >= 0) & (stated <= 1)).all():
        raise StatsError("A reliability diagram needs probabilities from 0 to 1 and as many outcomes.")
    place = np.minimum((stated * bins).astype(np.int64), bins - 1)
    count = counted(place, bins)
    with np.errstate(invalid="ignore"):
        return ReliabilityDiagram(summed(place, stated, bins) / count, summed(place, truth, bins) / count, count)
