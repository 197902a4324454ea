"""Rows into one file as they come, as CSV or JSON lines; the file appears whole or not at all.

CSV cells that a spreadsheet would run as a formula are guarded as in every table of ours; JSON holds them unchanged.
"""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from pairmark.report.files import writing
from pairmark.report.tables import finite, guard


def write_lines(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows under `columns`, in the form that the name of the file asks for; returns how many.

    Raises `Busy` when the disk is full and `BadRequest` when the file cannot be written.
    """
    with writing(path) as file:
        if path.suffix.lower() == ".csv":
            return _csv(file, columns, rows)
        return _json(file, rows)


def _csv(file: TextIO, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> int:
    writer, number = csv.writer(file, lineterminator="\n"), 0
    writer.writerow(columns)
    for row in rows:
        writer.writerow([guard(row[column]) for column in columns])
        number += 1
    return number


def _json(file: TextIO, rows: Iterable[Mapping[str, Any]]) -> int:
    number = 0
    for row in rows:
        file.write(json.dumps(finite(dict(row)), ensure_ascii=False, allow_nan=False, default=str) + "\n")
        number += 1
    return number
