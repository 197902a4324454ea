"""A scored session as JSON and CSV, every digit kept, cells guarded against formulas."""

import json

from pairmark.domain.scored import ScoredEssay, ScoreResult
from pairmark.report.tables import csv_bytes, encoded, finite

COLUMNS = (
    "rank", "essay_id", "theta", "standard_error", "ci_low", "ci_high", "comparisons", "wins", "words",
)  # fmt: skip
GRADE_COLUMNS = ("grade", "grade_probability", "review", "anchor_grade")


def results_json(result: ScoreResult) -> bytes:
    """The whole result; what is not a finite number becomes null."""
    text = json.dumps(finite(result.as_dict()), ensure_ascii=False, indent=2, allow_nan=False, default=str)
    return encoded(text + "\n")


def results_csv(result: ScoreResult) -> bytes:
    """One row per essay, best first; with grades, one column more for the probability of each."""
    if result.grades is None:
        return csv_bytes(COLUMNS, ([getattr(essay, name) for name in COLUMNS] for essay in result.essays))
    names = (*COLUMNS, *GRADE_COLUMNS)
    each = tuple(f"P({grade})" for grade in result.grades.grades)
    return csv_bytes((*names, *each), (_graded(essay, names) for essay in result.essays))


def _graded(essay: ScoredEssay, names: tuple[str, ...]) -> list[object]:
    return [*(getattr(essay, name) for name in names), *(essay.grade_probabilities or [])]
