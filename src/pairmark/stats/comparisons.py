"""The one validation gate: comparisons as checked, frozen arrays, and their counts in canonical order.

Everything that estimates takes a `Comparisons`, and only `comparisons()` makes one. Reading files and choosing pairs
live elsewhere.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeGuard, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from pairmark.stats.arrays import Flags, Floats, Ints
from pairmark.stats.connectivity import strongly_connected, weak_labels
from pairmark.stats.errors import BadComparisonsError
from pairmark.stats.judge_columns import by_judge, judge_weight, time_taken
from pairmark.stats.tally import Tally, tally, unordered

Rows = Iterable[tuple[str, str, float]]
Arrays = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]

Number = TypeVar("Number", np.float64, np.int64)
OUTCOMES = (0.0, 0.5, 1.0)  # second won, tie, first won
LEAST_WEIGHT, MOST_WEIGHT = 1e-9, 1e9  # of a comparison that counts; beyond, sums of them lose their digits


@dataclass(frozen=True, eq=False)
class Comparisons:
    """Checked comparisons; made by `comparisons()` only.

    `items`: ids, shape (n_items,). `first`, `second`: indices into `items` in the order shown; `outcome`: 1 first won,
    .5 tie, 0 second won; `weight`: not negative. `judges` are the ids that `judge` points into; `seconds` the time each
    took, NaN where unknown; both None where nothing was told. `seats`: whether `first` was really shown first. Arrays have
    shape (n_comparisons,) and cannot be written to.
    """

    items: tuple[str, ...]
    first: Ints
    second: Ints
    outcome: Floats
    weight: Floats
    judges: tuple[str, ...] = ()
    judge: Ints | None = None
    seconds: Floats | None = None
    seats: bool = True

    def __len__(self) -> int:
        return len(self.first)

    def __repr__(self) -> str:
        by = f" by {len(self.judges):,} judges" if self.judge is not None else ""
        return f"<Comparisons: {len(self):,} of {len(self.items):,} items{by}>"

    def only(self, rows: Flags | Ints) -> "Comparisons":
        """The same items with these rows alone; judges keep their numbers."""
        judge = None if self.judge is None else _frozen(self.judge[rows])
        seconds = None if self.seconds is None else _frozen(self.seconds[rows])
        first, second = _frozen(self.first[rows]), _frozen(self.second[rows])
        outcome, weight = _frozen(self.outcome[rows]), _frozen(self.weight[rows])
        return replace(self, first=first, second=second, outcome=outcome, weight=weight, judge=judge, seconds=seconds)

    @property
    def has_ties(self) -> bool:
        """True if any comparison of weight above 0 was a tie."""
        return bool((self.pairs.tied > 0).any())

    @cached_property
    def pairs(self) -> Tally:
        """Counts per unordered pair (first < second as indices): the same bits for any order of rows."""
        return unordered(len(self.items), self.first, self.second, self.outcome, self.weight)

    @cached_property
    def ordered_pairs(self) -> Tally:
        """Counts per ordered pair (first seat, second seat), for models with an order effect."""
        return tally(len(self.items), self.first, self.second, self.outcome, self.weight)

    @cached_property
    def judged_pairs(self) -> Tally:
        """Counts per ordered pair and judge, for models with an order effect of each judge."""
        if self.judge is None:
            raise BadComparisonsError("These comparisons do not say who judged them.")
        arrays = (self.first, self.second, self.outcome, self.weight)
        return tally(len(self.items), *arrays, self.judge, len(self.judges))

    @cached_property
    def wins(self) -> Floats:
        """Weighted wins of each item, ties as half. Shape (n_items,)."""
        return _frozen(self.pairs.incidence.sums(self.pairs.won, self.pairs.weight - self.pairs.won))

    @cached_property
    def appearances(self) -> Floats:
        """Weighted comparisons in which each item took part. Shape (n_items,)."""
        return _frozen(self.pairs.incidence.totals(self.pairs.weight))

    @cached_property
    def strongly_connected(self) -> bool:
        """True if a finite maximum-likelihood estimate exists (ties count as a win for both)."""
        pairs = self.pairs
        won, lost = pairs.won > 0, pairs.won < pairs.weight
        winner = np.concatenate([pairs.first[won], pairs.second[lost]])
        loser = np.concatenate([pairs.second[won], pairs.first[lost]])
        return strongly_connected(len(self.items), winner, loser)

    def groups(self) -> tuple[tuple[str, ...], ...]:
        """Ids of each weakly connected group, largest first, then by smallest id. An unseen item is its own group."""
        labels = weak_labels(len(self.items), self.pairs.first, self.pairs.second)
        if not labels.any():
            return (tuple(sorted(self.items)),)
        members: dict[int, list[str]] = {}
        for item, label in zip(self.items, labels.tolist(), strict=True):
            members.setdefault(label, []).append(item)
        return tuple(sorted((tuple(sorted(group)) for group in members.values()), key=lambda g: (-len(g), g)))

    def all_won(self) -> tuple[str, ...]:
        """Ids of items that won every comparison they were in."""
        return self._ids((self.wins == self.appearances) & (self.appearances > 0))

    def all_lost(self) -> tuple[str, ...]:
        """Ids of items that lost every comparison they were in."""
        return self._ids((self.wins == 0) & (self.appearances > 0))

    def _ids(self, chosen: Flags) -> tuple[str, ...]:
        return tuple(self.items[i] for i in np.flatnonzero(chosen))


def comparisons(
    rows: Rows | Arrays,
    *,
    items: Sequence[str] | None = None,
    weights: Iterable[float] | None = None,
    judges: Sequence[str] | None = None,
    judge_weights: Mapping[str, float] | None = None,
    seconds: Iterable[float | None] | None = None,
    seats: bool = True,
) -> Comparisons:
    """Check comparisons and freeze them.

    Parameters
    ----------
    rows
        Triples (first id, second id, outcome), or a tuple of three NumPy arrays (first index, second index, outcome)
        together with `items`. Outcome: 1 the first won, .5 tie, 0 the second won.
    items
        All ids, in the order results shall have. Without it: the ids seen, sorted.
    weights
        One number per comparison, 0 or from 1e-9 to 1e9; 1 without it.
    judges
        Id of the judge of each comparison.
    judge_weights
        How much the comparisons of a judge count, times `weights`; 1 for a judge who is not named.
    seconds
        Time each comparison took, finite and not negative; None where unknown.
    seats
        False if nobody knows which text was shown first; then nothing about the order is estimated.

    Raises
    ------
    BadComparisonsError
        Names the first row that breaks a rule, counted from 1.

    Examples
    --------
    >>> comparisons([("anna", "bela", 1), ("bela", "cleo", 0.5), ("cleo", "anna", 0)], judges=["kim", "kim", "lou"])
    <Comparisons: 3 of 3 items by 2 judges>
    """
    taken = _from_arrays(rows, items) if _are_arrays(rows) else _from_rows(cast(Rows, rows), items)
    known, first, second, outcome = taken
    weight = _weights(weights, len(first))
    _check(known, first, second, outcome, weight)
    judge_ids, judge = by_judge(judges, len(first))
    weight = weight * judge_weight(judge_ids, judge, judge_weights)
    _refuse(
        extreme(weight),
        lambda row: f"the weight {weight[row]} is neither 0 nor from {LEAST_WEIGHT:g} to {MOST_WEIGHT:g}",
    )
    taken_seconds = time_taken(seconds, len(first))
    for array in (first, second, outcome, weight):
        array.flags.writeable = False
    return Comparisons(known, first, second, outcome, weight, judge_ids, judge, taken_seconds, seats)


def extreme(weight: Floats) -> Flags:
    """Which weights are too small or too large to reckon with; 0 is neither."""
    return (weight > MOST_WEIGHT) | ((weight > 0) & (weight < LEAST_WEIGHT))


def _frozen(array: NDArray[Number]) -> NDArray[Number]:
    array.flags.writeable = False
    return array


def _are_arrays(rows: Rows | Arrays) -> TypeGuard[Arrays]:
    return isinstance(rows, tuple) and len(rows) == 3 and all(isinstance(part, np.ndarray) for part in rows)


def _from_arrays(arrays: Arrays, items: Sequence[str] | None) -> tuple[tuple[str, ...], Ints, Ints, Floats]:
    if items is None:
        raise BadComparisonsError("Arrays of indices need the list of items they point into.")
    if len({part.shape for part in arrays}) != 1 or arrays[0].ndim != 1:
        raise BadComparisonsError("The arrays of first, second and outcome differ in length.")
    if any(part.dtype.kind not in "iu" for part in arrays[:2]):
        raise BadComparisonsError("The arrays of first and second must hold whole-number indices.")
    first, second = (np.array(part, dtype=np.int64) for part in arrays[:2])
    known = _known(items)
    outside = (np.minimum(first, second) < 0) | (np.maximum(first, second) >= len(known))
    _refuse(outside, lambda row: f"index outside the list of {len(known)} items ({first[row]}, {second[row]})")
    return known, first, second, _numbers(arrays[2], "outcome")


def _from_rows(rows: Rows, items: Sequence[str] | None) -> tuple[tuple[str, ...], Ints, Ints, Floats]:
    table = list(rows)
    for number, row in enumerate(table, start=1):
        if not isinstance(row, Sequence) or len(row) != 3 or not isinstance(row[0], str) or not isinstance(row[1], str):
            raise BadComparisonsError(
                f"Row {number}: expected (first id, second id, outcome) with text ids, got {row!r}."
            )
    known = _known(items) if items is not None else tuple(sorted({end for row in table for end in row[:2]}))
    place = {item: index for index, item in enumerate(known)}
    for number, row in enumerate(table, start=1):
        if row[0] not in place or row[1] not in place:
            unknown = row[0] if row[0] not in place else row[1]
            raise BadComparisonsError(f"Row {number}: {unknown!r} is not one of the items.")
    first = np.array([place[row[0]] for row in table], dtype=np.int64)
    second = np.array([place[row[1]] for row in table], dtype=np.int64)
    return known, first, second, np.array([_number(row[2]) for row in table], dtype=np.float64)


def _number(value: object) -> float:
    """The value as a float; NaN for anything that is no number, which the check of outcomes then refuses."""
    return float(value) if isinstance(value, int | float | np.number) else float("nan")


def _numbers(values: Sequence[object] | NDArray[Any], what: str) -> Floats:
    """A column of numbers; names the first value that is none."""
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        row = next((row for row, value in enumerate(values) if np.isnan(_number(value))), 0)
        raise BadComparisonsError(f"Row {row + 1}: the {what} {str(values[row])!r} is not a number.") from None


def _known(items: Sequence[str]) -> tuple[str, ...]:
    known = tuple(items)
    if not all(issubclass(kind, str) for kind in set(map(type, known))):
        strange = next(item for item in known if not isinstance(item, str))
        raise BadComparisonsError(f"The item {strange!r} is not a text id; `from_columns` takes numbers, too.")
    if len(set(known)) < len(known):
        twice = next(item for item in known if known.count(item) > 1)
        raise BadComparisonsError(f"The item {twice!r} is listed twice.")
    return known


def _weights(weights: Iterable[float] | None, n_rows: int) -> Floats:
    if weights is None:
        return np.ones(n_rows)
    weight = _numbers(list(weights), "weight")
    if weight.shape != (n_rows,):
        raise BadComparisonsError(f"There are {n_rows} comparisons but {weight.size} weights.")
    return weight


def _check(known: tuple[str, ...], first: Ints, second: Ints, outcome: Floats, weight: Floats) -> None:
    if len(first) == 0:
        raise BadComparisonsError("There are no comparisons.")
    if len(known) < 2:
        raise BadComparisonsError("One item cannot be compared; at least two are needed.")
    _refuse(first == second, lambda row: f"{known[first[row]]!r} is compared with itself")
    _refuse(
        (outcome != 0) & (outcome != 0.5) & (outcome != 1), lambda row: f"the outcome {outcome[row]} is not 1, 0.5 or 0"
    )
    _refuse(~np.isfinite(weight), lambda row: f"the weight {weight[row]} is not a finite number")
    _refuse(weight < 0, lambda row: f"the weight {weight[row]} is negative")


def _refuse(broken: Flags, reason: Callable[[int], str]) -> None:
    if broken.any():
        row = int(np.argmax(broken))
        raise BadComparisonsError(f"Row {row + 1}: {reason(row)}.")
