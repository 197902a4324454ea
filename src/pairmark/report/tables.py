"""The result as JSON and CSV. Numbers keep every digit, so that they can be checked against a recomputation.

Cells that a spreadsheet would run as a formula get an apostrophe in front; the JSON holds them unchanged.
"""

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pairmark.domain.result import AssessmentResult

RESULT_COLUMNS = (
    "rank",
    "essay_id",
    "theta",
    "standard_error",
    "ci_low",
    "ci_high",
    "normalized_score",
    "comparisons",
    "wins",
    "words",
    "held",
)
JUDGEMENT_COLUMNS = (
    "comparison",
    "wave",
    "first",
    "second",
    "winner",
    "swapped",
    "judge",
    "kind",
    "counted",
    "recorded_at",
    "response_time_ms",
)

_FORMULA_START = frozenset("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 - full-width forms, which spreadsheets also read (OWASP)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


def results_json(result: AssessmentResult) -> bytes:
    """The whole result; what is not a finite number becomes null, as JSON has no word for it."""
    text = json.dumps(finite(result.as_dict()), ensure_ascii=False, indent=2, allow_nan=False, default=str)
    return encoded(text + "\n")


def results_csv(result: AssessmentResult) -> bytes:
    """One row per essay, best first; then those held for review, which have no rank but the kinds of what was found."""
    held: dict[str, list[str]] = {}
    for one in result.held:
        held.setdefault(one.essay_id, []).append(one.kind)
    why = {essay: ", ".join(dict.fromkeys(kinds)) for essay, kinds in held.items()}
    rows = sorted(result.essays, key=lambda essay: essay.rank)
    ranked = [[*(getattr(row, column) for column in RESULT_COLUMNS[:-1]), why.get(row.essay_id)] for row in rows]
    known = {row.essay_id for row in rows}
    nothing = [None] * (len(RESULT_COLUMNS) - 3)
    left_out = [[None, essay, *nothing, kinds] for essay, kinds in why.items() if essay not in known]
    return csv_bytes(RESULT_COLUMNS, [*ranked, *left_out])


def judgements_csv(judgements: Sequence[Mapping[str, object]]) -> bytes:
    """One row per answer that came in, counted or not, in the order given."""
    return csv_bytes(JUDGEMENT_COLUMNS, ([row[column] for column in JUDGEMENT_COLUMNS] for row in judgements))


def guard(value: object) -> str:
    """A CSV cell that no spreadsheet takes for a formula; plain numbers stay numbers, nothing becomes empty."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value if isinstance(value, int) else float(value))  # a numpy float would add its type's name
    text = str(value)
    return f"'{text}" if text[:1] in _FORMULA_START and not _NUMBER.fullmatch(text) else text


def finite(value: Any) -> Any:
    """The same nested value with null for every number that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def csv_bytes(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """A CSV with every cell guarded."""
    target = io.StringIO(newline="")
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([guard(cell) for cell in row] for row in rows)
    return encoded(target.getvalue())


def encoded(text: str) -> bytes:
    """The text as UTF-8, whatever it holds."""
    # A lone surrogate (an undecodable byte of a file name) becomes `\udcXX`, which JSON reads back as it was.
    return text.encode("utf-8", errors="backslashreplace")
