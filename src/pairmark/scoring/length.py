"""Words of the scored texts, where the texts are known, and how far scores go with them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pairmark.domain.length import LengthDependence
from pairmark.judges.words import count_words
from pairmark.reading.texts import read_texts
from pairmark.stats.arrays import Floats
from pairmark.stats.comparisons import Comparisons
from pairmark.stats.errors import StatsError
from pairmark.stats.length import LEAST_ESSAYS, decisions_by_length, partial_rank_correlation, rank_correlation


@dataclass(frozen=True)
class Known:
    """Words and other scores of texts by id; empty without texts."""

    words: dict[str, int] = field(default_factory=dict)
    other: dict[str, float] = field(default_factory=dict)

    def notes(self, items: Sequence[str]) -> list[str]:
        """What should be told about texts that are missing, and why there may be nothing about length."""
        if not self.words:
            return []
        words = [self.words[item] for item in items if item in self.words]
        missing, notes = len(items) - len(words), []
        if missing:
            notes.append(f"{missing:,} of {len(items):,} judged essays have no text, so they do not count for length.")
        if len(words) < LEAST_ESSAYS:
            notes.append(
                f"Nothing is said about length: that takes {LEAST_ESSAYS} judged essays with texts, not {len(words)}."
            )
        elif len(set(words)) == 1:
            notes.append(f"Nothing is said about length: all texts have {words[0]:,} words.")
        return notes


def read(
    path: Path | None,
    compare: str | None = None,
    smaller_is_better: bool = False,
    id_column: str | None = None,
    text_column: str | None = None,
) -> Known:
    """Count the words of the texts in a folder or CSV, where columns not named are recognised."""
    if path is None:
        return Known()
    texts = read_texts(path, id_column=id_column, text_column=text_column, compare_column=compare).texts
    sign = -1 if smaller_is_better else 1
    return Known(
        {text.essay_id: count_words(text.text) for text in texts},
        {text.essay_id: sign * text.compare for text in texts if text.compare is not None},
    )


def dependence(known: Known, data: Comparisons, theta: Floats) -> LengthDependence | None:
    """How far scores and decisions go with length; None without enough texts, or where all are equally long."""
    words = np.array([known.words.get(item, np.nan) for item in data.items], dtype=np.float64)
    has = np.isfinite(words)
    if has.sum() < LEAST_ESSAYS:
        return None
    try:
        correlation = rank_correlation(theta[has], words[has])
    except StatsError:
        return None
    found = decisions_by_length(data, theta, words)
    return LengthDependence(
        essays=int(has.sum()),
        rank_correlation=correlation.value,
        low=correlation.low,
        high=correlation.high,
        partial_correlation=_partial(known, data, theta, words),
        longer_won=found.longer_won,
        decisions=found.unequal,
        matched_accuracy=found.matched_accuracy,
        matched_pairs=found.matched,
        overall_accuracy=found.accuracy,
    )


def _partial(known: Known, data: Comparisons, theta: Floats, words: Floats) -> float | None:
    """Agreement of the scores with the scores that came with the texts, length held constant."""
    other = np.array([known.other.get(item, np.nan) for item in data.items], dtype=np.float64)
    both = np.isfinite(other) & np.isfinite(words)
    if both.sum() < LEAST_ESSAYS:
        return None
    try:
        return partial_rank_correlation(theta[both], other[both], words[both])
    except StatsError:
        return None
