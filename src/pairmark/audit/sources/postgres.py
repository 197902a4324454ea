"""A table of any PostgreSQL, read in one read-only snapshot; payloads stay there until a finding needs them."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import adbc_driver_manager
import duckdb
import pyarrow as pa

from pairmark.audit.sources.postgres_address import TABLES, UNIQUE, PostgresAddress
from pairmark.audit.sources.postgres_commits import committed
from pairmark.audit.sources.postgres_ranges import PLACE, Range, Ranges, blocks_of
from pairmark.audit.sources.postgres_sessions import begin_anew, open_session, together
from pairmark.audit.sources.reach import WHOLE, Reach
from pairmark.audit.sources.statements import is_one_of, narrowed, quoted
from pairmark.audit.sources.tables import choose
from pairmark.errors import BadRequest, Busy

AS_THEY_ARE = {
    "timestamp with time zone",
    "timestamp without time zone",
    "boolean",
    "text",
    "character varying",
    "bigint",
    "integer",
}
"""Types that arrive as they are; everything else travels as text."""
PLAIN = {"uuid", "text", "character varying", "bigint", "integer"}
"""Types of which a value as text, taken for a literal, is that value again."""
ALONE = ("max_parallel_workers_per_gather", "0")
"""Who asks for this is to be spared: a scan of the whole table goes through a small ring of buffers, ranges go through all."""
LARGE = 1_000
"""Blocks from which on reading in ranges is worth a session more."""
FEW = 0.1
"""The part of all blocks up to which a second look goes to the ranges it needs, and not to an index or to all."""
LIMITS = ("57014", "55P03")
"""What the server says when a statement or a lock took longer than it may."""


@dataclass
class PostgresTable(PostgresAddress):
    """A table, view or partitioned table by the address of its database. `settings`: of the session that reads it."""

    settings: Mapping[str, str] = field(default_factory=dict)
    _ranges: Ranges | None = field(default=None, init=False, repr=False, compare=False)

    def columns(self) -> list[str]:
        """Columns of the table."""
        return list(self._kinds)

    def tables(self) -> dict[str, list[str]]:
        """Tables that may be read, by schema and name, with their columns."""
        return {name: list(columns) for name, columns in self._tables.items()}

    def load(self, store: duckdb.DuckDBPyConnection, names: Sequence[str]) -> None:
        """Copy these columns: of a large table in ranges, by two sessions; otherwise in the driver's binary batches."""
        if not self._copy_ranges(store, names):
            self._copy(store, "raw", names, "")

    def _copy_ranges(self, store: duckdb.DuckDBPyConnection, names: Sequence[str]) -> bool:
        """Whether it could be done so. A limit that was reached is told; whatever else stops it may not stop a copy row by row."""
        kinds = {name: self._kinds[name] for name in names}
        ranges: Ranges | None = None
        if ALONE in self.settings.items():
            return False
        try:
            blocks = blocks_of(self._connection, self._quoted)
            if blocks < LARGE:
                return False
            with together(self._connection, self.settings) as sessions:
                ranges = Ranges(sessions, self._quoted, kinds, blocks)
                _keep(store, "raw", pa.RecordBatchReader.from_batches(ranges.schema, ranges.batches()))
        except (adbc_driver_manager.Error, duckdb.Error) as error:
            stopped = ranges.stopped_by if ranges else error
            if not isinstance(stopped, adbc_driver_manager.Error) or stopped.sqlstate in LIMITS:
                raise self._refusal(stopped or error) from error
            begin_anew(self._connection, self.settings)
            return False
        self._ranges = ranges
        return True

    def tidy(self) -> Collection[str]:
        """Columns in which every value is in shape, as far as that was seen on the way."""
        return self._ranges.tidy if self._ranges else ()

    def look_closer(
        self,
        store: duckdb.DuckDBPyConnection,
        names: Sequence[str],
        keys: Sequence[str],
        spelled: Sequence[Sequence[str | None]],
    ) -> None:
        """Copy all that is known of a few facts, in the snapshot of the first look."""
        plain = {name for name, kind in self._kinds.items() if kind in PLAIN}
        where = f" WHERE {narrowed(keys, spelled, 'text', plain)}"
        ranges = self._around(store, is_one_of(keys, spelled, "VARCHAR"))
        self._copy(store, "near", names, *[f"{where} AND {one.condition}" for one in ranges] or [where], commits=True)

    def _around(self, store: duckdb.DuckDBPyConnection, same: str) -> list[Range]:
        """Ranges in which all these rows stand; none if that is not known, or not worth while."""
        if self._ranges is None:
            return []
        found = store.execute(f"SELECT DISTINCT {quoted(PLACE)} FROM candidate WHERE {same}").fetchall()
        ranges = self._ranges.around([place for (place,) in found])
        return ranges if sum(one.end - one.begin for one in ranges) <= FEW * self._ranges.blocks else []

    def _copy(
        self, store: duckdb.DuckDBPyConnection, name: str, names: Sequence[str], *wheres: str, commits: bool = False
    ) -> None:
        """Make a table of what is so by any of `wheres`, of which no two are true of one row."""
        try:
            kinds, table = self._kinds, self._quoted
            wanted = ", ".join(
                quoted(one) if kinds[one] in AS_THEY_ARE else f"{quoted(one)}::text AS {quoted(one)}" for one in names
            )
            with self._connection.cursor() as cursor:
                wanted += f", {known}" if commits and (known := committed(cursor, table)) else ""
                for number, where in enumerate(wheres):
                    cursor.execute(f"SELECT {wanted} FROM {table}{where}")
                    _keep(store, name, cursor.fetch_record_batch(), more=number > 0)
        except (adbc_driver_manager.Error, duckdb.Error) as error:
            raise self._refusal(error) from error

    @cached_property
    def _connection(self) -> Any:
        """One read-only transaction, and so one snapshot, for everything."""
        try:
            return open_session(self.url, self.settings)
        except adbc_driver_manager.Error as error:
            raise self._refusal(error) from error

    @cached_property
    def _chosen(self) -> str:
        return choose(self.tables(), self.table, self.shown)

    @property
    def _quoted(self) -> str:
        return ".".join(map(quoted, self._chosen.split(".", 1)))

    @property
    def _kinds(self) -> dict[str, str]:
        return self._tables[self._chosen]

    def unique(self) -> list[frozenset[str]]:
        """The columns of each unique key over all rows of the table."""
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(UNIQUE, (self._quoted,))
                return [frozenset(json.loads(columns)) for (columns,) in cursor.fetchall()]
        except adbc_driver_manager.Error as error:
            raise self._refusal(error) from error

    def reach(self) -> Reach:
        """Everything was there."""
        return WHOLE

    def close(self) -> None:
        """End the transaction."""
        if "_connection" in self.__dict__:
            self._connection.close()

    @cached_property
    def _tables(self) -> dict[str, dict[str, str]]:
        """Tables that may be read, with the type of each column."""
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(TABLES)
                return {str(name): dict(json.loads(columns)) for name, columns in cursor.fetchall()}
        except adbc_driver_manager.Error as error:
            raise self._refusal(error) from error

    def _refusal(self, error: Exception) -> BadRequest | Busy:
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        first = re.sub(r"(?i)password=\S+", "password=***", first)[:300]
        if "statement timeout" in first:
            return Busy(f"{self.shown} took too long ({first}).", remedy="Give more seconds by --statement-timeout.")
        if "lock timeout" in first:
            return Busy(f"{self.shown} is locked by another session ({first}).", remedy="Try again when that is done.")
        if any(
            word in first.lower()
            for word in ("could not connect", "connection refused", "timeout", "could not translate")
        ):
            return Busy(f"{self.shown} cannot be reached: {first}", remedy="Is the server up, and the address right?")
        return BadRequest(f"{self.shown} cannot be read: {first}")


def _keep(store: duckdb.DuckDBPyConnection, name: str, batches: Any, *, more: bool = False) -> None:
    """Make a table of what arrives, or put more into it."""
    store.register("arriving", batches)
    try:
        begin = f"INSERT INTO {name}" if more else f"CREATE OR REPLACE TEMP TABLE {name} AS"
        store.execute(f"{begin} SELECT * FROM arriving")
    finally:
        store.unregister("arriving")
