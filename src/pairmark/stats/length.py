"""How far scores and decisions go with the length of texts.

Longer texts often are better texts, so a high correlation is no proof of a bias; what remains among texts of equal length
tells more. Counting words is done elsewhere.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pairmark.stats.arrays import Floats
from pairmark.stats.comparisons import Comparisons
from pairmark.stats.errors import StatsError
from pairmark.stats.shares import Share, decided, pair_codes, share

MATCHED = 0.1  # texts count as equally long if the longer has at most this share of words more
LEAST_ESSAYS = 4  # for an interval of a correlation
Z95 = 1.959963984540054


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's rank correlation with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Decisions:
    """Decisions against length. `longer_won`: share won by the longer text, ties as half, over `unequal` decisions.

    `accuracy`: share won by the text with the higher score over all decisions; `matched_accuracy`: over the `matched`
    decisions between equally long texts. None where there are none.
    """

    longer_won: float | None
    unequal: int
    accuracy: float | None
    matched_accuracy: float | None
    matched: int


def rank_correlation(first: ArrayLike, second: ArrayLike) -> RankCorrelation:
    """Spearman's correlation, interval by Fisher's transformation with the variance of Bonett & Wright (2000).

    Raises `StatsError` for fewer than `LEAST_ESSAYS` values and where all values of a side are equal.

    Examples
    --------
    >>> round(rank_correlation([1, 2, 3, 4, 5], [10, 20, 30, 50, 40]).value, 2)
    0.9
    """
    a, b = _ranks(first), _ranks(second)
    if a.shape != b.shape or len(a) < LEAST_ESSAYS:
        raise StatsError(f"A rank correlation needs {LEAST_ESSAYS} or more pairs of numbers.")
    value = _pearson(a, b)
    if abs(value) > 1 - 1e-12:
        return RankCorrelation(value, value, value)
    reach = Z95 * math.sqrt((1 + value**2 / 2) / (len(a) - 3))
    middle = math.atanh(value)
    return RankCorrelation(value, math.tanh(middle - reach), math.tanh(middle + reach))


def partial_rank_correlation(first: ArrayLike, second: ArrayLike, held: ArrayLike) -> float:
    """Rank correlation of two things with a third held constant: what they share beyond length, if `held` is length.

    Examples
    --------
    >>> round(partial_rank_correlation([1, 2, 3, 4, 5], [2, 1, 3, 5, 4], [1, 3, 2, 5, 4]), 2)
    0.56
    """
    a, b, c = _ranks(first), _ranks(second), _ranks(held)
    ab, ac, bc = _pearson(a, b), _pearson(a, c), _pearson(b, c)
    left = (1 - ac**2) * (1 - bc**2)
    if left < 1e-12:
        raise StatsError("Nothing is left to correlate: one of the two is the length itself.")
    return float(np.clip((ab - ac * bc) / math.sqrt(left), -1, 1))


def decisions_by_length(data: Comparisons, theta: ArrayLike, words: ArrayLike) -> Decisions:
    """Hold every decision against length and against the scores; `theta`, `words`: shape (n_items,), NaN if unknown.

    Examples
    --------
    >>> from pairmark.stats import comparisons, fit
    >>> scores = fit(comparisons([("anna", "bela", 1), ("bela", "cleo", 1), ("cleo", "anna", 1)]))
    >>> decisions_by_length(scores.comparisons, scores.theta, words=[300, 200, 100]).longer_won
    0.6666666666666666
    """
    score, length = np.asarray(theta, dtype=np.float64), np.asarray(words, dtype=np.float64)
    if score.shape != (len(data.items),) or length.shape != score.shape:
        raise StatsError(f"There must be one score and one length for each of the {len(data.items)} items.")
    first, second = length[data.first], length[data.second]
    known = np.isfinite(first) & np.isfinite(second) & (data.weight > 0)
    ratio = np.maximum(first, second) <= (1 + MATCHED) * np.minimum(first, second)
    unequal, matched = known & (first != second), known & ratio
    by_length = _share(first > second, data, unequal)
    better = score[data.first] > score[data.second]
    apart = score[data.first] != score[data.second]
    return Decisions(
        by_length, int(unequal.sum()), _share(better, data, known & apart), _share(better, data, matched & apart),
        int((matched & apart).sum()),
    )  # fmt: skip


def longer_wins(data: Comparisons, words: ArrayLike) -> Share | None:
    """Share of decisions between unequal lengths that went to the longer text; `words`: shape (n_items,), NaN if unknown.

    Examples
    --------
    >>> from pairmark.stats import comparisons
    >>> votes = comparisons([("anna", "bela", 1), ("bela", "cleo", 1), ("cleo", "anna", 1)])
    >>> round(longer_wins(votes, words=[300, 200, 100]).value, 2)
    0.67
    """
    length = np.asarray(words, dtype=np.float64)
    first, second = length[data.first], length[data.second]
    chosen = decided(data) & np.isfinite(first) & np.isfinite(second) & (first != second)
    return share(np.where(first > second, data.outcome, 1 - data.outcome)[chosen], pair_codes(data)[chosen])


def _share(
    first_ahead: "np.ndarray[tuple[int], np.dtype[np.bool_]]", data: Comparisons, chosen: Floats
) -> float | None:
    if not chosen.any():
        return None
    won = np.where(first_ahead, data.outcome, 1 - data.outcome)[chosen]
    return float(np.average(won, weights=data.weight[chosen]))


def _ranks(values: ArrayLike) -> Floats:
    """Ranks from 1, ties share the mean."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise StatsError("Ranks need finite numbers.")
    _, place, count = np.unique(array, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray((last - (count - 1) / 2)[place])


def _pearson(a: Floats, b: Floats) -> float:
    x, y = a - a.mean(), b - b.mean()
    size = math.sqrt(float(x @ x) * float(y @ y))
    if size == 0:
        raise StatsError("There is no correlation where all values are equal.")
    return float(np.clip(x @ y / size, -1, 1))
