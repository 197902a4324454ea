"""Strict CSV: a header and rows of the same length, numbered as a spreadsheet numbers them.

Comma, semicolon and tab are understood as separators. What a column means is decided by the caller.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pairmark.errors import BadRequest
from pairmark.reading.files import decode_utf8

MAX_CELL = 5_000_000  # characters
FORMULA_START = "=+-@\t\r\n＝＋－＠"  # noqa: RUF001 - as the report guards them
_SEPARATORS = ",;\t"


@dataclass(frozen=True)
class Table:
    """`rows` are (row number, cells); the header is row 1, as in a spreadsheet."""

    path: Path
    header: tuple[str, ...]
    rows: tuple[tuple[int, list[str]], ...]

    def named(self, *names: str) -> int | None:
        """Position of the first of `names` that is a column, letter case ignored; None if there is none.

        Raises `BadRequest` when that column stands twice.
        """
        seen = [column.casefold() for column in self.header]
        for name in names:
            if seen.count(name.casefold()) > 1:
                raise BadRequest(f"{self.path} has two columns named {name!r}.", remedy="Rename one.")
            if name.casefold() in seen:
                return seen.index(name.casefold())
        return None

    def columns(self) -> str:
        """The column names, for a sentence."""
        return ", ".join(column or "(no name)" for column in self.header)


def unguarded(cell: str) -> str:
    """A cell as it was before our report put an apostrophe in front of what a spreadsheet would take for a formula."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in FORMULA_START and cell[1:] else cell


def read_table(data: bytes, path: Path) -> Table:
    """The table in `data`; `path` is only named in errors.

    Blank rows are skipped. Raises `BadRequest` for undecodable bytes, no header, ragged rows and broken quotes.
    """
    text = decode_utf8(data, path)
    numbered = ((number, cells) for number, cells in _records(text, path) if any(cell.strip() for cell in cells))
    _, names = next(numbered, (0, []))
    if not names:
        raise BadRequest(f"{path} is empty.", remedy="The first row must name the columns.")
    header = tuple(name.strip() for name in names)
    return Table(path, header, tuple(_even(numbered, header, path)))


def _records(text: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    header = re.match(r"\s*([^\r\n]*)", text)
    separator = max(_SEPARATORS, key=header[1].count if header else text.count)
    # The library's limit is one number for the whole process and smaller than a long essay.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_CELL))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    number = 0
    try:
        for number, cells in enumerate(reader, start=1):
            yield number, cells
    except csv.Error as error:
        raise BadRequest(
            f"Row {number + 1} of {path} is not valid CSV ({error}).", remedy="Check its quotes."
        ) from error


def _even(
    numbered: Iterator[tuple[int, list[str]]], header: Sequence[str], path: Path
) -> Iterator[tuple[int, list[str]]]:
    for number, cells in numbered:
        if len(cells) != len(header):
            raise BadRequest(
                f"Row {number} of {path} has {len(cells)} cells, but the header has {len(header)}.",
                remedy="Put quotes around cells that contain the separator.",
            )
        yield number, cells
