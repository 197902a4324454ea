"""A scored session as JSON and CSV, every digit kept, cells guarded against formulas."""

import json
from dataclasses import fields

from pairmark.domain.scored import JudgeWork, Misfit, ScoredEssay, ScoreResult
from pairmark.report.tables import csv_bytes, encoded, finite

COLUMNS = (
    "rank", "essay_id", "theta", "standard_error", "ci_low", "ci_high", "comparisons", "wins", "words", "rank_low", "rank_high",
)  # fmt: skip
MISFIT_COLUMNS = tuple(field.name for field in fields(Misfit))
JUDGE_COLUMNS = tuple(field.name for field in fields(JudgeWork) if field.name != "misfit")
GRADE_COLUMNS = ("grade", "grade_probability", "review", "anchor_grade")


def results_json(result: ScoreResult) -> bytes:
    """The whole result; what is not a finite number becomes null."""
    text = json.dumps(finite(result.as_dict()), ensure_ascii=False, indent=2, allow_nan=False, default=str)
    return encoded(text + "\n")


def results_csv(result: ScoreResult) -> bytes:
    """One row per essay, best first; with grades, one column more for the probability of each."""
    grades = () if result.grades is None else GRADE_COLUMNS
    each = () if result.grades is None else tuple(f"P({grade})" for grade in result.grades.grades)
    header = (*COLUMNS, *MISFIT_COLUMNS, *grades, *each)
    return csv_bytes(header, (_essay(essay, grades) for essay in result.essays))


def judges_csv(result: ScoreResult) -> bytes:
    """One row per judge, most comparisons first."""
    rows = ([*(getattr(judge, name) for name in JUDGE_COLUMNS), *_misfit(judge.misfit)] for judge in result.judges)
    return csv_bytes((*JUDGE_COLUMNS, *MISFIT_COLUMNS), rows)


def _essay(essay: ScoredEssay, grades: tuple[str, ...]) -> list[object]:
    told = [getattr(essay, name) for name in COLUMNS]
    return [
        *told, *_misfit(essay.misfit), *(getattr(essay, name) for name in grades),
        *((essay.grade_probabilities or []) if grades else []),
    ]  # fmt: skip


def _misfit(found: Misfit | None) -> list[object]:
    return [None if found is None else getattr(found, name) for name in MISFIT_COLUMNS]
