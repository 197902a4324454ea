"""Anchors from a CSV: the ids of essays whose grade is known, and the grades."""

from dataclasses import dataclass
from pathlib import Path

from pairmark.domain.grades import GradeScale
from pairmark.errors import BadRequest
from pairmark.reading.essay_table import ID_COLUMNS
from pairmark.reading.files import MEGABYTE, read_bounded
from pairmark.reading.tables import read_table

GRADE_COLUMNS = ("grade", "level", "mark", "band")
MAX_ANCHORS = 10 * MEGABYTE


@dataclass(frozen=True)
class Anchor:
    """An essay with a known grade, `grade` counted from 0 (lowest of the scale); `row` is its row in the file."""

    essay_id: str
    grade: int
    row: int


def read_anchors(path: Path, scale: GradeScale) -> tuple[Anchor, ...]:
    """The anchors of a CSV with the columns essay_id (or item, id, anchor) and grade; raises `BadRequest` naming the row."""
    table = read_table(read_bounded(path, MAX_ANCHORS), path)
    ids, grades = table.named(*ID_COLUMNS, "essay", "anchor"), table.named(*GRADE_COLUMNS)
    if ids is None or grades is None:
        raise BadRequest(
            f"{path} has the columns {table.columns()}, but anchors need essay_id and grade.",
            remedy="Rename its columns.",
        )
    anchors: dict[str, Anchor] = {}
    for row, cells in table.rows:
        essay_id, grade = cells[ids].strip(), scale.place(cells[grades])
        if not essay_id:
            raise BadRequest(f"Row {row} of {path} has no essay id.", remedy="Fill it in or remove the row.")
        if grade is None:
            raise BadRequest(
                f"Row {row} of {path} has the grade {cells[grades].strip()[:40]!r}, which {scale.name} does not have.",
                remedy=f"Its grades are {', '.join(scale.grades)}.",
            )
        if essay_id in anchors:
            raise BadRequest(
                f"Rows {anchors[essay_id].row} and {row} of {path} both give a grade to {essay_id!r}.",
                remedy="Keep one.",
            )
        anchors[essay_id] = Anchor(essay_id, grade, row)
    if len({anchor.grade for anchor in anchors.values()}) < 2:
        raise BadRequest(
            f"{path} has anchors of {len({a.grade for a in anchors.values()})} grade; boundaries need two or more.",
            remedy="Add an anchor of another grade.",
        )
    return tuple(anchors.values())
