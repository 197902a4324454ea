"""One pass over all events: how many are odd, what tells this snapshot from another and, of many, the hash of each fact."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from pairmark.audit import hashes

ODD = (
    "aggregate IS NULL",
    "aggregate IS NOT NULL AND moment IS NULL",
    "moment > epoch_us(now()) + 86400000000",
)
"""Rows without an aggregate, without a time, from the future."""


@dataclass(frozen=True)
class Survey:
    """What is true of how many events.

    `odd`: of how many is each of `ODD`; `asked`: whether each that was asked is true of any. Of those looked at: `number`;
    `mixed`, a hash that no order changes; `hashes`, of their facts, where there are many, but not too many to keep.
    """

    odd: tuple[int, ...]
    asked: tuple[bool, ...]
    number: int
    mixed: int
    hashes: Any = None


def survey(
    store: duckdb.DuckDBPyConnection,
    hashed: str,
    mixed: str,
    wanted: str,
    asked: Sequence[str],
    rows: int,
) -> Survey:
    """Of the relation `events`, in a store; `wanted` says which are looked at, of `rows` in all."""
    if hashes.MANY <= rows <= hashes.AT_ONCE:
        return _streamed(store, hashed, mixed, [*ODD, wanted, *asked], rows)
    where = f"FILTER (WHERE {wanted})"
    counts = ", ".join(f"count(*) FILTER (WHERE {one})" for one in ODD)
    *odd, any_asked, number, whole = store.execute(
        f"SELECT {counts}, [{', '.join(f'bool_or({one})' for one in asked)}], count(*) {where}, "
        f"coalesce(bit_xor({mixed}) {where}, 0) FROM events"
    ).fetchall()[0]
    return Survey(tuple(odd), tuple(map(bool, any_asked)), number, whole)


def _streamed(store: duckdb.DuckDBPyConnection, hashed: str, mixed: str, marks: Sequence[str], rows: int) -> Survey:
    """The same, with the hashes. What is true of a row comes as bits of one number; these are counted."""
    import numpy as np  # noqa: PLC0415 - only for many rows

    bits = " + ".join(f"{2**place} * coalesce({one}, false)::INTEGER" for place, one in enumerate(marks))
    looked_at = 2 ** len(ODD)
    kept, tally = np.empty(rows, np.uint64), np.zeros(2 ** len(marks), np.int64)
    number, whole = 0, 0
    reader = store.sql(f"SELECT {hashed} AS h, {mixed} AS mixed, {bits} AS marks FROM events").to_arrow_reader(
        1_000_000
    )
    for batch in reader:
        some, mixing, marked = map(hashes.numbers, batch.columns)
        tally += np.bincount(marked, minlength=len(tally))
        wanted = (marked & looked_at) > 0
        if not wanted.all():
            some, mixing = some[wanted], mixing[wanted]
        if number + len(some) > rows:
            raise hashes.Changed
        kept[number : number + len(some)] = some
        number += len(some)
        whole ^= int(np.bitwise_xor.reduce(mixing))
    if tally.sum() != rows:
        raise hashes.Changed
    places = np.arange(len(tally))
    counts = [int(tally[(places & 2**place) > 0].sum()) for place in range(len(marks))]
    odd, asked = counts[: len(ODD)], counts[len(ODD) + 1 :]
    return Survey(tuple(odd), tuple(one > 0 for one in asked), number, whole, kept[:number])
