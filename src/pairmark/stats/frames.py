"""Comparisons from columns: of a data frame of any library, of a dictionary of lists, or lists by themselves.

What is checked about comparisons is in `comparisons`; reading files is done elsewhere.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from pairmark.stats.comparisons import Comparisons, comparisons
from pairmark.stats.errors import BadComparisonsError

OUTCOMES = {"first": 1.0, "left": 1.0, "second": 0.0, "right": 0.0, "tie": 0.5, "1": 1.0, "0": 0.0, "0.5": 0.5}

EXACT = {np.float16: 2**11, np.float32: 2**24}  # from there on one float stands for several whole numbers
EXACT_DOUBLE = 2**53
NARROW: dict[str, type[np.floating[Any]]] = {
    "float16": np.float16,
    "halffloat": np.float16,
    "float32": np.float32,
    "float": np.float32,
}


def from_columns(
    data: Any = None,
    *,
    winner: Any = None,
    loser: Any = None,
    first: Any = None,
    second: Any = None,
    outcome: Any = None,
    judge: Any = None,
    seconds: Any = None,
    weight: Any = None,
    items: Sequence[str] | None = None,
    judge_weights: Mapping[str, float] | None = None,
) -> Comparisons:
    """Make comparisons from columns.

    Parameters
    ----------
    data
        Whatever gives a column for a name by `data[name]`: a pandas or polars data frame, an Arrow table, a dictionary of
        lists. Then the other arguments may be names of its columns. Not needed if they are columns themselves.
    winner, loser
        Ids of the text that won and of the one that lost. Nobody then knows which was shown first.
    first, second
        Ids of the text shown first and of the one shown second, together with `outcome`, or with `winner`: the id of
        the one that won, or nothing (None, NaN, an empty text) for a tie.
    outcome
        1, .5 or 0, or the words first (or left), tie, second (or right).
    judge
        Id of the judge of each comparison.
    seconds
        Time each took; None or NaN where unknown.
    weight
        One number >= 0 per comparison.
    items, judge_weights
        As in `comparisons`.

    Ids may be texts or whole numbers; a number stands for its digits, and 1.0 for 1.

    Raises
    ------
    BadComparisonsError
        Names the column that is missing, or the first row that breaks a rule, counted from 1.

    Examples
    --------
    >>> table = {"better": ["anna", "bela", "anna"], "worse": ["bela", "cleo", "cleo"], "who": ["kim", "lou", "kim"]}
    >>> from_columns(table, winner="better", loser="worse", judge="who")
    <Comparisons: 3 of 3 items by 2 judges>
    >>> from_columns(first=[1, 2], second=[2, 3], outcome=["left", "tie"]).items
    ('1', '2', '3')
    """
    named = {"winner": winner, "loser": loser, "first": first, "second": second, "outcome": outcome}
    given = {name: _column(data, column, name) for name, column in named.items() if column is not None}
    rows, seats = _rows(given)
    taken = (
        None if seconds is None else [None if _nothing(value) else value for value in _column(data, seconds, "seconds")]
    )
    return comparisons(
        rows,
        items=items,
        judges=None if judge is None else _ids(_column(data, judge, "judge"), "judge"),
        judge_weights=judge_weights,
        seconds=taken,
        weights=None if weight is None else _column(data, weight, "weight"),
        seats=seats,
    )


def _rows(given: Mapping[str, list[Any]]) -> tuple[list[tuple[str, str, float]], bool]:
    """Triples, and whether the first of each was shown first."""
    lengths = {name: len(column) for name, column in given.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise BadComparisonsError(f"The columns differ in length: {told}.")
    if set(given) == {"winner", "loser"}:
        won, lost = _ids(given["winner"], "winner"), _ids(given["loser"], "loser")
        return [(one, other, 1.0) for one, other in zip(won, lost, strict=True)], False
    if set(given) == {"first", "second", "outcome"}:
        results: Iterable[float] = map(_outcome, given["outcome"])
    elif set(given) == {"first", "second", "winner"}:
        results = map(_chosen, given["first"], given["second"], given["winner"], range(1, 1 + lengths["first"]))
    else:
        raise BadComparisonsError(
            "Give winner and loser, or first and second with outcome, or first and second with winner"
            f" (given: {', '.join(given) or 'none'})."
        )
    ends = _ids(given["first"], "first"), _ids(given["second"], "second")
    return list(zip(*ends, results, strict=True)), True


def _column(data: Any, column: Any, what: str) -> list[Any]:
    """A column as a list; named columns are looked up in `data`."""
    if isinstance(column, str):
        if data is None:
            raise BadComparisonsError(f"The column {column!r} ({what}) is named, but there are no data to find it in.")
        try:
            column = data[column]
        except Exception as error:  # each library raises its own
            raise BadComparisonsError(f"The data have no column {column!r} ({what}).") from error
    for method in ("to_pylist", "to_list", "tolist"):  # Arrow; polars and pandas; NumPy
        if hasattr(column, method):
            values, narrow = list(getattr(column, method)()), _narrow(column)
            return [narrow(value) if isinstance(value, float) else value for value in values] if narrow else values
    return list(column)


def _narrow(column: Any) -> type[np.floating[Any]] | None:
    """The type of a column of floats shorter than Python's, which its list no longer shows."""
    name = str(getattr(column, "dtype", getattr(column, "type", ""))).lower()  # pandas also: Float32, float[pyarrow]
    return NARROW.get(name.removesuffix("[pyarrow]"))


def _ids(column: list[Any], what: str) -> list[str]:
    ids = [_id(value) for value in column]
    for row, (found, value) in enumerate(zip(ids, column, strict=True), start=1):
        if found is None:
            told = float(value) if isinstance(value, np.floating) else value
            raise BadComparisonsError(f"Row {row}: the id {told!r} ({what}) is neither a text nor a whole number.")
    return [found for found in ids if found is not None]


def _id(value: Any) -> str | None:
    """The text, or the digits of a whole number; None where it is neither.

    Whole floats count: pandas makes floats of a column of whole numbers with a gap. Not those that stand for several.
    """
    if isinstance(value, str):
        return value or None
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float | np.floating):
        number = float(value)
        exact = EXACT.get(type(value), EXACT_DOUBLE)
        return str(int(number)) if number.is_integer() and abs(number) < exact else None
    return None


def _outcome(value: Any) -> float:
    """1, .5 or 0; what is none of these becomes NaN, which `comparisons` refuses with its row."""
    if isinstance(value, str):
        return OUTCOMES.get(value.strip().casefold(), float("nan"))
    return float(value) if isinstance(value, int | float | np.number) else float("nan")


def _chosen(first: Any, second: Any, winner: Any, row: int) -> float:
    if _nothing(winner):
        return 0.5
    chosen = _id(winner)
    if chosen is None or chosen not in (_id(first), _id(second)):
        raise BadComparisonsError(f"Row {row}: the winner {winner!r} is neither {first!r} nor {second!r}.")
    return 1.0 if chosen == _id(first) else 0.0


def _nothing(value: Any) -> bool:
    """None, NaN and their kin in data frames, and the empty text."""
    try:
        return value is None or bool(value == "") or bool(value != value)  # noqa: PLR0124 - NaN is not itself
    except TypeError:  # pandas' NA is neither true nor false
        return True
