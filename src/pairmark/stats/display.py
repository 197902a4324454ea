"""Results as tables: plain columns for data frames, text for a terminal, HTML for a notebook.

Numbers are shown rounded and kept whole in `to_dict`. No statistics here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from html import escape
from typing import Any

import numpy as np

HEAD, TAIL = 10, 5
"""Rows of a long table that are shown, from its beginning and its end."""


class Columns:
    """A frozen dataclass whose first field is a column; fields of the same length are columns beside it."""

    def to_dict(self) -> dict[str, list[Any]]:
        """Plain lists by name, all of one length, as `pandas.DataFrame` and `polars.DataFrame` take them."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        length = len(next(iter(values.values())))
        return {name: plain(value) for name, value in values.items() if _is_column(value, length)}

    def __repr__(self) -> str:
        return f"{type(self).__name__}\n{text_table(self.to_dict())}"

    def _repr_html_(self) -> str:
        return html_table(self.to_dict())


def plain(column: Sequence[Any]) -> list[Any]:
    """A column as a list of Python's own numbers and strings."""
    return list(column.tolist() if isinstance(column, np.ndarray) else column)


def text_table(columns: Mapping[str, Sequence[Any]]) -> str:
    """Aligned text; a long table shows its first and last rows."""
    rows = [list(columns), *_rows(columns)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    left = [_is_text(column) for column in columns.values()]
    aligned = (
        "  ".join(
            cell.ljust(width) if to_left else cell.rjust(width)
            for cell, width, to_left in zip(row, widths, left, strict=True)
        )
        for row in rows
    )
    return "\n".join(line.rstrip() for line in aligned)


def html_table(columns: Mapping[str, Sequence[Any]], caption: str = "") -> str:
    """An HTML table with every cell escaped; a long table shows its first and last rows."""
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in _rows(columns))
    told = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{told}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def printable(text: str) -> str:
    """The text with unseen characters written out, so that no id can steer a terminal."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def _rows(columns: Mapping[str, Sequence[Any]]) -> Iterator[list[str]]:
    length = len(next(iter(columns.values())))
    short = length <= HEAD + TAIL
    for row in range(length):
        if short or row < HEAD or row >= length - TAIL:
            yield [_cell(name, column[row]) for name, column in columns.items()]
        elif row == HEAD:
            yield ["..."] * len(columns)


def _cell(name: str, value: Any) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}" if name == "p" or name.endswith("_p") else f"{value:.2f}"
    return printable(str(value))


def _is_text(column: Sequence[Any]) -> bool:
    return any(isinstance(value, str) for value in column)


def _is_column(value: Any, length: int) -> bool:
    if isinstance(value, np.ndarray):
        return bool(value.shape == (length,))
    return isinstance(value, tuple) and len(value) == length
