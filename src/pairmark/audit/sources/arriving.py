"""Columns of text that arrive in batches, put into a table of DuckDB."""

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from pairmark.audit.sources.fields import as_text, storable
from pairmark.audit.sources.statements import quoted

PLACE = ("#place", "#number")
"""Columns beside those that were asked for: where a record is, so that it can be found again."""


def make_table(store: duckdb.DuckDBPyConnection, name: str, columns: Sequence[str], *, places: bool = False) -> None:
    """An empty table with these columns, of text; with `places`, also the two of `PLACE`."""
    kinds = [f"{quoted(one)} VARCHAR" for one in columns] + [f"{quoted(one)} BIGINT" for one in PLACE if places]
    store.execute(f"CREATE OR REPLACE TEMP TABLE {quoted(name)} ({', '.join(kinds)})")


def append(store: duckdb.DuckDBPyConnection, name: str, columns: Mapping[str, Sequence[Any]]) -> None:
    """Put rows into it: lists of values that become text, and of whole numbers for the columns of `PLACE`."""
    arrays = [pa.array(values, pa.int64()) if one in PLACE else _texts(values) for one, values in columns.items()]
    store.register("arriving", pa.Table.from_arrays(arrays, names=list(columns)))
    try:
        store.execute(f"INSERT INTO {quoted(name)} BY NAME SELECT * FROM arriving")
    finally:
        store.unregister("arriving")


def _texts(values: Sequence[Any]) -> Any:
    """Nearly always all of them are text, or nothing, and can be stored."""
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowException, TypeError, UnicodeEncodeError):
        texts = map(as_text, values)
        return pa.array([one if one is None else storable(one) for one in texts], pa.string())
