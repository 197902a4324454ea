"""One batch of rows at a time as columns of numbers, with the checks that name a row.

Which column means what is decided in `judgements`.
"""

import csv
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import islice
from operator import itemgetter
from pathlib import Path

import numpy as np

from pairmark.errors import BadRequest
from pairmark.reading.collection import MAX_ID
from pairmark.reading.judgement_forms import Form
from pairmark.reading.tables import unguarded
from pairmark.stats.arrays import Flags, Floats, Ints
from pairmark.stats.comparisons import LEAST_WEIGHT, MOST_WEIGHT, extreme

ROWS = 2_048  # rows held as text at once; few enough to stay in the processor's cache
SEPARATORS = ",;\t"


class Names(dict[str, int]):
    """Cells and their number; cells that differ by outer spaces only have the same. Iterates over the names."""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[str, int] = {}

    def __missing__(self, cell: str) -> int:
        name = cell.strip()
        number = self.known.setdefault(name, len(self.known)) if name else -1
        self[cell] = number
        return number

    def __iter__(self) -> Iterator[str]:
        return iter(self.known)


@dataclass(frozen=True)
class Batch:
    """Some rows of a table and their numbers, as a spreadsheet numbers them."""

    numbers: Sequence[int]
    rows: list[list[str]]

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def _columns(self) -> list[tuple[str, ...]]:
        return list(zip(*self.rows, strict=True))

    def column(self, at: int) -> tuple[str, ...]:
        """The cells of one column."""
        return self._columns[at] if self.rows else ()

    def only(self, keep: Sequence[bool]) -> "Batch":
        """The rows to keep."""
        return Batch(
            [number for number, kept in zip(self.numbers, keep, strict=True) if kept],
            [row for row, kept in zip(self.rows, keep, strict=True) if kept],
        )

    def place_of(self, index: int) -> int:
        """The number of a row."""
        return self.numbers[index]

    def prints(self) -> Ints:
        """One number per row that is the same for equal rows (within this process)."""
        return np.fromiter(map(hash, map(tuple, self.rows)), np.int64, len(self.rows))


def batches(lines: Iterable[str], path: Path) -> tuple[list[str], Iterator[Batch]]:
    """The header, and the rows after it in batches without blank ones; raises `BadRequest` for ragged and broken rows."""
    stream, number, top = iter(lines), 0, ""
    for line in stream:
        number += 1
        if _names_columns(line):
            top = line
            break
    if not top:
        raise BadRequest(f"{path} is empty.", remedy="The first row must name the columns.")
    separator = max(SEPARATORS, key=top.count)
    header = [name.strip() for name in next(csv.reader([top], delimiter=separator))]
    reader = csv.reader(stream, delimiter=separator, strict=True)
    return header, _batches(reader, number + 1, len(header), path)


def _names_columns(line: str) -> bool:
    """Whether a line is neither blank nor the note on the separator that some spreadsheets put first."""
    return bool(line.strip(" \t\r\n,;")) and not re.fullmatch(r"sep=.?\s*", line, flags=re.IGNORECASE)


def _batches(reader: Iterator[list[str]], number: int, width: int, path: Path) -> Iterator[Batch]:
    while True:
        rows: list[list[str]] = []
        try:
            rows.extend(islice(reader, ROWS))
        except csv.Error as error:
            raise BadRequest(
                f"Row {number + len(rows)} of {path} is not valid CSV ({error}).", remedy="Check its quotes."
            ) from error
        if not rows:
            return
        batch = Batch(range(number, number + len(rows)), rows)
        number += len(rows)
        if set(map(len, rows)) != {width} or not all(map(itemgetter(0), rows)):
            batch = _even(batch, width, path)
        yield batch


def _even(batch: Batch, width: int, path: Path) -> Batch:
    """The rows that are not blank, all of one length."""
    batch = batch.only([not _blank(row) for row in batch.rows])
    for index, row in enumerate(batch.rows):
        if len(row) != width:
            raise BadRequest(
                f"Row {batch.place_of(index)} of {path} has {len(row)} cells, but the header has {width}.",
                remedy=_uneven_remedy(len(row) < width),
            )
    return batch


def _uneven_remedy(short: bool) -> str:
    if short:
        return "Fill in the cells, or export the file again if it breaks off there."
    return "Put quotes around cells that contain the separator."


def _blank(row: list[str]) -> bool:
    return not "".join(row).strip()


def names(batch: Batch, at: int, known: Names, path: Path, guarded: bool = False) -> Ints:
    """The number of the text in each row; refuses rows without one."""
    column: Sequence[str] = batch.column(at)
    if guarded:
        column = [unguarded(cell) for cell in column]
    before = len(known.known)
    found = np.fromiter(map(known.__getitem__, column), np.int64, len(column))
    _refuse(batch, found < 0, path, "lacks the id of a text", "Fill in both texts of every judgement.")
    if any(len(name) > MAX_ID for name in islice(known.known, before, None)):
        too_long = np.array([len(cell.strip()) > MAX_ID for cell in column])
        told = f"has an id of more than {MAX_ID} characters"
        _refuse(batch, too_long, path, told, "Use the ids of the texts, not the texts.")
    return found


def judges(batch: Batch, at: int, known: Names) -> Ints:
    """The number of the judge in each row, -1 where the cell is empty."""
    return np.fromiter(map(known.__getitem__, batch.column(at)), np.int64, len(batch))


def refuse_self_pairs(batch: Batch, first: Ints, second: Ints, at: int, path: Path) -> None:
    """Raise `BadRequest` if a row compares a text with itself."""
    same = first == second
    if same.any():
        index = int(np.argmax(same))
        told = f"compares {batch.rows[index][at].strip()!r} with itself"
        _refuse(batch, same, path, told, "Remove the row.")


class Votes:
    """What the cells of a vote column mean, the same way for a whole file; decided by its first batch.

    Ids and words are never mixed, since a text may be called "a" or "1"; only the words for a tie go with ids.
    """

    def __init__(self, form: Form) -> None:
        self.form = form
        self.ties = {word: value for word, value in form.outcomes.items() if value == 0.5}
        self.by_id: bool | None = None if form.by_id else False

    def outcomes(self, batch: Batch, at: int | None, items: Names, ends: tuple[Ints, Ints], path: Path) -> Floats:
        """1 where the first won, 0 where the second did, .5 for a tie; refuses any other winner."""
        if at is None:
            return np.ones(len(batch))
        column = [cell.strip() for cell in batch.column(at)]
        words = np.array([self.form.outcomes.get(cell.casefold(), math.nan) for cell in column])
        if self.by_id is False:
            outcome = words
        else:
            outcome = self._chosen(column, items, ends)
            no_ids, no_words = int(np.isnan(outcome).sum()), int(np.isnan(words).sum())
            if self.by_id is None and no_ids + no_words:  # else both fit, as in a file of ties
                self.by_id = no_ids <= no_words
            outcome = words if self.by_id is False else outcome
        unknown = np.isnan(outcome)
        if unknown.any():
            told = f"has the winner {column[int(np.argmax(unknown))][:40]!r}"
            _refuse(batch, unknown, path, told, f"A winner is {self._allowed()}.")
        return outcome

    def _chosen(self, column: list[str], items: Names, ends: tuple[Ints, Ints]) -> Floats:
        chosen = np.array([items.known.get(cell, -1) for cell in column])
        ties = np.array([self.ties.get(cell.casefold(), math.nan) for cell in column])
        return np.where(chosen == ends[0], 1.0, np.where(chosen == ends[1], 0.0, ties))

    def _allowed(self) -> str:
        words = ", ".join(self.form.outcomes)
        return f"{words}, or throughout one of the two ids" if self.form.by_id else words


def times(batch: Batch, at: int | None) -> tuple[Floats, list[int]]:
    """The times, NaN where there is none, and the places in the batch of those that are no times."""
    if at is None:
        return np.full(len(batch), np.nan), []
    column = batch.column(at)
    try:
        taken = np.array(list(map(float, column)))
    except ValueError:
        taken = np.array([_number(cell) for cell in column])
    good = np.isfinite(taken) & (taken >= 0)
    broken = [index for index in np.flatnonzero(~good).tolist() if column[index].strip()]
    return np.where(good, taken, np.nan), broken


def spans(batch: Batch, began: int, ended: int) -> tuple[Floats, list[int]]:
    """Seconds from the time in one column to that in another (ISO 8601), like `times`."""
    begins, ends = batch.column(began), batch.column(ended)
    taken = np.array([_between(begin.strip(), end.strip()) for begin, end in zip(begins, ends, strict=True)])
    good = np.isfinite(taken) & (taken >= 0)
    broken = [index for index in np.flatnonzero(~good).tolist() if begins[index].strip() and ends[index].strip()]
    return np.where(good, taken, np.nan), broken


def _between(begin: str, end: str) -> float:
    try:
        return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()
    except (ValueError, TypeError):  # TypeError: only one of the two has a time zone
        return math.nan


def moments(batch: Batch, at: int) -> Floats:
    """When each row was judged (ISO 8601), in seconds since 1970; NaN where that is not told."""
    return np.array([_moment(cell.strip()) for cell in batch.column(at)])


def _moment(cell: str) -> float:
    try:
        return datetime.fromisoformat(cell).timestamp()
    except (ValueError, OverflowError, OSError):
        return math.nan


def whole_numbers(batch: Batch, at: int) -> Floats:
    """Whole numbers from 0 up as floats; NaN where a cell holds none."""
    return np.array([float(cell) if cell.strip().isdecimal() else math.nan for cell in batch.column(at)])


def weights(batch: Batch, at: int, path: Path) -> Floats:
    """The weights; refuses what is no weight, or too small or large to reckon with."""
    column = batch.column(at)
    weight = np.array([_number(cell) for cell in column])
    bad = ~(weight >= 0) | extreme(weight)
    if bad.any():
        told = f"has the weight {column[int(np.argmax(bad))][:40]!r}"
        _refuse(batch, bad, path, told, f"A weight is 0, or a number from {LEAST_WEIGHT:g} to {MOST_WEIGHT:g}.")
    return weight


def _number(cell: str) -> float:
    try:
        return float(cell.strip().replace(",", "."))
    except ValueError:
        return math.nan


def _refuse(batch: Batch, broken: Flags, path: Path, told: str, remedy: str) -> None:
    if broken.any():
        raise BadRequest(f"Row {batch.place_of(int(np.argmax(broken)))} of {path} {told}.", remedy=remedy)
