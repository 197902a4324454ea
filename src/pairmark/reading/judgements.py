"""Judgements from a CSV, read by columns in one pass: which texts, who won, which judge, how long.

The forms are recognised by `judgement_forms`, or the columns are named. A row that breaks a rule is refused with its
number; what can be kept is kept and told in `notes`. Nothing is estimated here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairmark.errors import BadRequest
from pairmark.reading import judgement_columns as cells
from pairmark.reading.files import MEGABYTE
from pairmark.reading.judgement_columns import Batch, Names, Votes, batches
from pairmark.reading.judgement_forms import (
    FORMS,
    NUMBERS,
    SIDES,
    WEIGHT,
    Form,
    Unit,
    expected,
    named_twice,
    position,
    recognise,
)
from pairmark.reading.text_stream import Lines, open_lines
from pairmark.stats.arrays import Floats, Ints

MAX_JUDGEMENTS = 4_000 * MEGABYTE
PACKED = 256  # batches that are put together
LONG = 1000.0  # seconds; a median above is more likely a number of milliseconds


@dataclass(frozen=True)
class Columns:
    """Columns named by the user; what is None is recognised. `vote` says who of `first` and `second` won."""

    first: str | None = None
    second: str | None = None
    vote: str | None = None
    judge: str | None = None
    time: str | None = None
    weight: str | None = None
    unit: Unit | None = None


@dataclass(frozen=True, eq=False)
class Judgements:
    """Judgements as arrays of shape (n_judgements,), in the order of the file, in 4 bytes a number where that is exact.

    `first`, `second` point into `items`, `judge` into `judges` (-1: unknown); `outcome` is 1 if the first won, .5 a tie,
    0 the second; `seconds` is NaN where unknown. `seats`: whether `first` was really shown first. `wave` is the number of the
    wave, `when` the time in seconds since 1970; None unless all rows tell it. `notes` are sentences on what was found and kept.
    """

    path: Path
    form: str
    digest: str
    items: tuple[str, ...]
    judges: tuple[str, ...]
    first: Ints
    second: Ints
    outcome: Floats
    weight: Floats | None
    judge: Ints
    seconds: Floats
    seats: bool
    notes: tuple[str, ...] = ()
    wave: Floats | None = None
    when: Floats | None = None

    def __len__(self) -> int:
        return len(self.first)


@dataclass
class _Layout:
    """Where the columns of one file stand."""

    form: Form
    votes: Votes
    first: int
    second: int
    vote: int | None
    judge: int | None
    time: int | None
    weight: int | None
    swapped: int | None
    counted: int | None
    began: int | None
    ended: int | None
    wave: int | None
    where: list[tuple[int, str]]


@dataclass
class _Parts:
    """What has been read so far, per batch of rows."""

    items: Names = field(default_factory=Names)
    judges: Names = field(default_factory=Names)
    columns: list[list[NDArray[Any]]] = field(default_factory=lambda: [[] for _ in range(8)])
    prints: list[Ints] = field(default_factory=list)
    bad_times: int = 0
    first_bad: tuple[int, str] = (0, "")
    not_counted: int = 0
    elsewhere: int = 0
    last_row: int = 0
    last_taken: int = 0
    packed: int = 0

    def pack(self) -> None:
        """Put the arrays of many batches together now and then: small ones left lying would take as much memory again."""
        if len(self.prints) - self.packed < PACKED:
            return
        for kept in (*self.columns, self.prints):
            kept[self.packed :] = [np.concatenate(kept[self.packed :])]
        self.packed += 1


def read_judgements(path: Path, *, columns: Columns = Columns(), where: Sequence[tuple[str, str]] = ()) -> Judgements:
    """The judgements in a CSV; with `where`, only rows with these values in these columns.

    Raises `BadRequest` naming the row for self-pairs, unknown winners, missing ids, weights that are no weights and
    ragged rows; and one that lists the columns seen when the header is of no known form.
    """
    with open_lines(path, MAX_JUDGEMENTS) as lines:
        header, rows = batches(lines.stream, path)
        layout = _layout(header, columns, where, path)
        parts = _Parts()
        for batch in rows:
            _take(batch, layout, parts, path)
            parts.pack()
        return _joined(path, lines, layout, parts, columns.unit or layout.form.unit)


def _layout(header: Sequence[str], columns: Columns, where: Sequence[tuple[str, str]], path: Path) -> _Layout:
    form = _form(header, columns, path)
    found = dict(form.optional)

    def place(asked: str | None, known: Sequence[str]) -> int | None:
        names = (asked,) if asked is not None else known
        at = position(header, names)
        if at is None and asked is not None:
            _refuse_twice(header, names, path)
            raise BadRequest(f"{path} has the columns {_listed(header)}, but no {asked!r}.", remedy="Check the name.")
        return at

    first, second = place(columns.first, form.first), place(columns.second, form.second)
    assert first is not None
    assert second is not None
    conditions = [(at, value.strip()) for name, value in where if (at := place(name, ())) is not None]
    return _Layout(
        form, Votes(form), first, second, place(columns.vote, form.vote) if form.vote or columns.vote else None,
        place(columns.judge, form.judge), place(columns.time, form.time), place(columns.weight, WEIGHT),
        position(header, found.get("swapped", ())), position(header, found.get("counted", ())),
        position(header, found.get("began", ())), position(header, found.get("ended", ())),
        position(header, found.get("wave", ())), conditions,
    )  # fmt: skip


def _form(header: Sequence[str], columns: Columns, path: Path) -> Form:
    if columns.first is not None and columns.second is not None:
        if columns.vote is None:
            return Form("named columns", (columns.first,), (columns.second,), unit=columns.unit or "s")
        return Form(
            "named columns", (columns.first,), (columns.second,), (columns.vote,), unit=columns.unit or "s",
            outcomes=SIDES | NUMBERS, by_id=True, seats=True,
        )  # fmt: skip
    form = recognise(header)
    if form is None:
        _refuse_twice(header, [name for known in FORMS for names in known.required() for name in names], path)
        raise BadRequest(
            f"{path} has the columns {_listed(header)}, which are those of no known form ({expected()}).",
            remedy="Name its columns: --won and --lost, or --left, --right and --vote.",
        )
    return form


def _refuse_twice(header: Sequence[str], names: Sequence[str], path: Path) -> None:
    """Raise `BadRequest` if one of `names` heads more than one column, and so none for sure."""
    twice = named_twice(header, names)
    if twice is not None:
        raise BadRequest(f"{path} has two columns named {twice!r}.", remedy="Rename one.")


def _listed(header: Sequence[str]) -> str:
    shown = ", ".join(name[:40] or "(no name)" for name in header[:20])
    return f"{shown} and {len(header) - 20} more" if len(header) > 20 else shown


def _take(batch: Batch, layout: _Layout, parts: _Parts, path: Path) -> None:
    """Turn one batch of rows into arrays."""
    parts.last_row = batch.place_of(-1) if len(batch) else parts.last_row
    for at, value in layout.where:
        before = len(batch)
        batch = batch.only([cell.strip() == value for cell in batch.column(at)])
        parts.elsewhere += before - len(batch)
    if layout.counted is not None:
        before = len(batch)
        batch = batch.only([cell.strip().casefold() in {"true", "1", ""} for cell in batch.column(layout.counted)])
        parts.not_counted += before - len(batch)
    if not len(batch):
        return
    ungarded = layout.form.name == "pairmark"
    first = cells.names(batch, layout.first, parts.items, path, ungarded)
    second = cells.names(batch, layout.second, parts.items, path, ungarded)
    cells.refuse_self_pairs(batch, first, second, layout.first, path)
    outcome = layout.votes.outcomes(batch, layout.vote, parts.items, (first, second), path)
    if layout.swapped is not None:  # the form tells the pair as planned; shown was the other order
        swapped = np.array([cell.strip().casefold() in {"true", "1"} for cell in batch.column(layout.swapped)])
        first, second = np.where(swapped, second, first), np.where(swapped, first, second)
        outcome = np.where(swapped, 1 - outcome, outcome)
    judge = np.full(len(batch), -1) if layout.judge is None else cells.judges(batch, layout.judge, parts.judges)
    if layout.time is None and layout.began is not None and layout.ended is not None:
        seconds, broken = cells.spans(batch, layout.began, layout.ended)
    else:
        seconds, broken = cells.times(batch, layout.time)
    if broken and not parts.bad_times:
        parts.first_bad = (
            batch.place_of(broken[0]),
            batch.column(layout.time if layout.time is not None else layout.ended or 0)[broken[0]],
        )
    parts.bad_times += len(broken)
    weight = np.ones(0) if layout.weight is None else cells.weights(batch, layout.weight, path)
    small: tuple[NDArray[Any], ...] = (first.astype(np.int32), second.astype(np.int32), outcome.astype(np.float32), weight,
             judge.astype(np.int32), seconds.astype(np.float32), *_order(batch, layout))  # fmt: skip
    for kept, column in zip(parts.columns, small, strict=True):
        kept.append(column)
    parts.prints.append(batch.prints())
    parts.last_taken = batch.place_of(-1)


def _order(batch: Batch, layout: _Layout) -> tuple[Floats, Floats]:
    """Wave and time of each row where the form has them, else nothing."""
    wave = np.ones(0) if layout.wave is None else cells.whole_numbers(batch, layout.wave)
    return wave, np.ones(0) if layout.ended is None else cells.moments(batch, layout.ended)


def _joined(path: Path, lines: Lines, layout: _Layout, parts: _Parts, unit: Unit) -> Judgements:
    if not parts.prints:
        reason = "no judgements" if not parts.elsewhere else "no judgements with these values"
        raise BadRequest(f"{path} has {reason}.", remedy="Each row after the header is one judgement.")
    first, second, outcome, weight, judge, seconds, wave, when = (np.concatenate(column) for column in parts.columns)
    parts.columns.clear()
    seconds = seconds.astype(np.float64) / (1000 if unit == "ms" else 1)
    return Judgements(
        path=path, form=layout.form.name, digest=lines.digest, items=tuple(parts.items), judges=tuple(parts.judges),
        first=first, second=second, outcome=outcome,
        weight=weight if layout.weight is not None else None, judge=judge, seconds=seconds,
        seats=layout.form.seats, notes=(*_notes(lines, layout, parts, seconds), *_cut_off(lines, parts, first, second)),
        wave=_complete(wave), when=_complete(when),
    )  # fmt: skip


def _cut_off(lines: Lines, parts: _Parts, first: NDArray[Any], second: NDArray[Any]) -> list[str]:
    """A file cut off inside the id of its last row reads as one with a further text; told where it may be so."""
    if not lines.open_end or parts.last_taken != parts.last_row or len(first) < 2:
        return []
    names = tuple(parts.items)
    single = [names[end] for end in (first[-1], second[-1]) if not np.any((first[:-1] == end) | (second[:-1] == end))]
    if not single:
        return []
    return [
        f"The last row ({parts.last_row}) has no line end and names {single[0]!r}, which stands nowhere else; if the file was cut "
        "off, export it again."
    ]


def _complete(told: Floats) -> Floats | None:
    return told if len(told) and bool(np.isfinite(told).all()) else None


def _notes(lines: Lines, layout: _Layout, parts: _Parts, seconds: Floats) -> list[str]:
    notes = []
    total = sum(map(len, parts.prints))
    copies = total - len(np.unique(np.concatenate(parts.prints)))
    if copies:
        notes.append(
            f"{copies:,} of {total:,} rows are exact copies of other rows; all are counted. If they were exported twice, "
            "remove them and score again."
        )
    if parts.bad_times:
        row, cell = parts.first_bad
        notes.append(
            f"{parts.bad_times:,} times are not finite numbers of seconds (the first is {cell[:20]!r} in row {row}); "
            "those judgements count, without a time."
        )
    if lines.other:
        notes.append(
            f"{lines.other:,} lines are not UTF-8 (the first is line {lines.first_other}) and were read as Windows-1252; "
            "check names with accents."
        )
    if parts.not_counted:
        notes.append(f"{parts.not_counted:,} rows are marked as not counted and were left out.")
    known = seconds[np.isfinite(seconds)]
    if len(known) and float(np.median(known)) > LONG:
        notes.append(
            "Half of the times are above 1,000 seconds; if they are milliseconds, score again with --time-unit ms."
        )
    return notes
