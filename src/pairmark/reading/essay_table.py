"""Essays from a CSV with a column of ids and a column of texts, and perhaps a score to compare with.

How a CSV is taken apart is done next door, in `tables`.
"""

import math
from pathlib import Path

from pairmark.errors import BadRequest
from pairmark.reading.collection import Text
from pairmark.reading.files import MEGABYTE, read_bounded
from pairmark.reading.tables import Table, read_table

ID_COLUMNS = ("essay_id", "item", "id")
TEXT_COLUMNS = ("text", "essay", "content", "body")
MAX_TABLE = 100 * MEGABYTE


def read_essay_table(
    path: Path, *, id_column: str | None, text_column: str | None, compare_column: str | None
) -> list[Text]:
    """The essays of a CSV in its order; columns not named are recognised; raises `BadRequest` naming the row."""
    table = read_table(read_bounded(path, MAX_TABLE), path)
    ids = _column(table, "ids", "--id-column", id_column, ID_COLUMNS)
    essays = _column(table, "texts", "--text-column", text_column, TEXT_COLUMNS)
    scores = None if compare_column is None else _column(table, "scores to compare", "--compare", compare_column, ())
    if not table.rows:
        raise BadRequest(f"{path} has no texts.", remedy="Each row after the header is one text.")
    return [
        Text(
            essay_id=cells[ids].strip(),
            text=cells[essays],
            source=f"row {row} of {path}",
            compare=None if scores is None else _score(cells[scores], table.header[scores], f"Row {row} of {path}"),
        )
        for row, cells in table.rows
    ]


def _column(table: Table, meaning: str, option: str, asked: str | None, recognised: tuple[str, ...]) -> int:
    names = recognised if asked is None else (asked.strip(),)
    position = table.named(*names)
    if position is None:
        wanted = " or ".join(names)
        raise BadRequest(
            f"{table.path} has the columns {table.columns()}, but no column of {meaning} named {wanted}.",
            remedy=f"Name it with {option}.",
        )
    return position


def _score(cell: str, column: str, place: str) -> float | None:
    if not cell.strip():
        return None
    try:
        score = float(cell)
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise BadRequest(f"{place} has {cell[:40]!r} in {column}.", remedy="A column to compare with must be numeric.")
    return score
