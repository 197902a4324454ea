"""Split-half reliability: how alike two scales are, each made from one random half of the judges or of the comparisons.

The scores of the halves come from `refits`; the headline reliability is in `reliability`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pairmark.stats.arrays import Floats
from pairmark.stats.canonical import with_sorted_rows
from pairmark.stats.comparisons import Comparisons
from pairmark.stats.errors import StatsError, check_count
from pairmark.stats.fitted import Fit
from pairmark.stats.refits import refits
from pairmark.stats.threads import one_blas_thread

Over = Literal["judges", "comparisons"]

SPLITS = 1000
SEED = 77
CAVEAT = (
    "Each half has half the comparisons, so this is lower than the reliability of the whole; and where pairs were chosen "
    "adaptively, halving breaks the chains that tie the scale together, which lowers it further."
)


@dataclass(frozen=True)
class SplitHalf:
    """Correlations of the two halves' scores, one per split, with their median and the middle 95 %.

    `caveat` is the sentence to show beside the number.
    """

    over: Over
    correlations: Floats
    median: float
    low: float
    high: float
    caveat: str = CAVEAT

    def __repr__(self) -> str:
        middle = f"{self.median:.2f} (middle 95 % {self.low:.2f} to {self.high:.2f})"
        return f"<SplitHalf over {self.over}: {middle} in {len(self.correlations):,} splits. {self.caveat}>"


def split_half(fit: Fit, over: Over, splits: int = SPLITS, seed: int = SEED) -> SplitHalf:
    """Pearson correlation of the scores of two random halves, over many splits (Bisson, Gilmore, Inglis & Jones 2016).

    Every half is fitted with the prior of `fit`, which draws scores of essays with few comparisons in that half towards
    the mean and so keeps halves usable that have no finite maximum-likelihood scores.

    Examples
    --------
    >>> from pairmark.stats import comparisons, fit
    >>> votes = [("anna", "bela", 1), ("bela", "cleo", 1), ("cleo", "anna", 0)] * 20
    >>> round(split_half(fit(comparisons(votes)), "comparisons").median, 1)
    1.0
    """
    if over not in ("judges", "comparisons"):
        raise StatsError(f"Halves are made over judges or over comparisons, not over {over!r}.")
    check_count(splits, 1, "splits")
    rows = with_sorted_rows(fit.comparisons)
    in_first = _halves(rows, over, splits, seed)
    shares = np.concatenate([in_first, ~in_first], axis=1).astype(np.float64)
    with one_blas_thread():
        theta = refits(fit, rows, shares, near=0.5)
    theta -= theta.mean(axis=0)
    one, other = theta[:, :splits], theta[:, splits:]
    size = np.sqrt(np.sum(one**2, axis=0) * np.sum(other**2, axis=0))
    alike = np.sum(one * other, axis=0) / np.where(size > 0, size, 1.0)
    low, median, high = (float(end) for end in np.quantile(alike, [0.025, 0.5, 0.975]))
    return SplitHalf(over, alike, median, low, high)


def _halves(rows: Comparisons, over: Over, splits: int, seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """For every row (n_rows, splits): whether it is in the first half. Halves differ by one unit at most."""
    if over == "judges":
        if rows.judge is None or len(np.unique(rows.judge)) < 2:
            raise StatsError("Halves over judges need comparisons of two judges or more.")
        units = np.unique(rows.judge, return_inverse=True)[1]
    else:
        units = np.arange(len(rows))
    count = int(units.max()) + 1
    half = np.tile((np.arange(count) < count // 2)[:, None], splits)
    return np.asarray(np.random.default_rng(seed).permuted(half, axis=0)[units])
