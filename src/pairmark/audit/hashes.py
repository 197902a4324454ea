"""Which hashes occur more than once. Few are grouped by DuckDB; many are sorted, which takes a third of the time and less room."""

from typing import Any

import duckdb

MANY = 1_000_000  # below, loading numpy takes longer than it saves
AT_ONCE = 50_000_000  # hashes that are sorted together, 8 bytes each


class Changed(Exception):
    """The rows are more or fewer than they were."""


def find_repeated(store: duckdb.DuckDBPyConnection, query: str, rows: int, known: Any = None) -> int:
    """Make the table `hit` of every `h` that `query` gives more than once; returns in how many of its rows these stand.

    `rows`: how many the query gives; raises `Changed` if many rows are not so many any more. `known`: all of them, if they have
    been read already; they lose their order.
    """
    if known is not None:
        store.execute("CREATE OR REPLACE TEMP TABLE hit (h UBIGINT)")
        return _hits(store, known)
    if rows < MANY:
        grouped = f"SELECT h, count(*) AS n FROM ({query}) GROUP BY h HAVING count(*) > 1"
        store.execute(f"CREATE OR REPLACE TEMP TABLE hit AS {grouped}")
        (found,) = store.execute("SELECT coalesce(sum(n), 0) FROM hit").fetchall()
        return int(found[0])
    store.execute("CREATE OR REPLACE TEMP TABLE hit (h UBIGINT)")
    turns = -(-rows // AT_ONCE)
    read, hit = 0, 0
    for turn in range(turns):
        one = query if turns == 1 else f"SELECT h FROM ({query}) WHERE h % {turns} = {turn}"
        some, again = _sorted(store, one, rows - read)
        read, hit = read + some, hit + again
    if read != rows:
        raise Changed
    return hit


def _sorted(store: duckdb.DuckDBPyConnection, query: str, most: int) -> tuple[int, int]:
    """How many rows there are, at most so many, and in how many of them stand hashes that occur more than once."""
    import numpy as np  # noqa: PLC0415 - only for many rows

    hashes, number = np.empty(most, np.uint64), 0  # pages that stay empty take no memory
    for batch in store.sql(query).to_arrow_reader(1_000_000):
        if number + len(batch) > most:
            raise Changed
        hashes[number : number + len(batch)] = numbers(batch.column(0))
        number += len(batch)
    return number, _hits(store, hashes[:number])


def numbers(column: Any) -> Any:
    """An array of Arrow without NULL as one of numpy; its own way loads pandas, where there is one."""
    import numpy as np  # noqa: PLC0415

    kind = np.dtype(str(column.type))
    return np.frombuffer(column.buffers()[1], kind, len(column), column.offset * kind.itemsize)


def _hits(store: duckdb.DuckDBPyConnection, hashes: Any) -> int:
    """Put the hashes that occur more than once into `hit`; returns how often they occur in all."""
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    hashes.sort()
    as_before = hashes[1:] == hashes[:-1]
    first = np.empty(len(as_before), bool)  # of each run of equals, the second one
    first[:1], first[1:] = as_before[:1], as_before[1:] & ~as_before[:-1]
    found = hashes[1:][first]
    array = pa.Array.from_buffers(pa.uint64(), len(found), [None, pa.py_buffer(found)])
    store.register("found", pa.table([array], names=["h"]))
    try:
        store.execute("INSERT INTO hit SELECT h FROM found")
    finally:
        store.unregister("found")
    return int(as_before.sum()) + len(found)
