"""Scores and the length of texts: what a report says about it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LengthDependence:
    """How far scores go with length, over essays whose texts are known.

    `rank_correlation` with its 95 % interval; `partial_correlation` of the scores with scores that came with the texts,
    length held constant; `longer_won`: share of `decisions` between texts of unequal length; `matched_accuracy`: share of
    `matched_pairs`, decisions between equally long texts, that went to the higher score, beside `overall_accuracy` of all.
    None where it is not known.
    """

    essays: int
    rank_correlation: float
    low: float
    high: float
    partial_correlation: float | None = None
    longer_won: float | None = None
    decisions: int = 0
    matched_accuracy: float | None = None
    matched_pairs: int = 0
    overall_accuracy: float | None = None
