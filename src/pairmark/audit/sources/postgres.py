"""A table of any PostgreSQL, read in one read-only snapshot; payloads stay there until a finding needs them."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import adbc_driver_manager
import adbc_driver_postgresql.dbapi as adbc
import duckdb

from pairmark.audit.sources.postgres_address import TABLES, UNIQUE, PostgresAddress
from pairmark.audit.sources.postgres_commits import committed
from pairmark.audit.sources.reach import WHOLE, Reach
from pairmark.audit.sources.statements import literal, narrowed, quoted
from pairmark.audit.sources.tables import choose, parts_of
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
ONE_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"


@dataclass
class PostgresTable(PostgresAddress):
    """A table, view or partitioned table by the address of its database. `settings`: of the session that reads it."""

    settings: Mapping[str, str] = field(default_factory=dict)

    def columns(self) -> list[str]:
        """Columns of the table."""
        return list(self._kinds)

    def tables(self) -> dict[str, list[str]]:
        """Tables that may be read, by schema and name, with their columns."""
        return {name: list(columns) for name, columns in self._tables.items()}

    def load(self, store: duckdb.DuckDBPyConnection, names: Sequence[str]) -> None:
        """Copy these columns in the driver's binary batches."""
        self._copy(store, "raw", names, "")

    def look_closer(
        self,
        store: duckdb.DuckDBPyConnection,
        names: Sequence[str],
        keys: Sequence[str],
        spelled: Sequence[Sequence[str | None]],
    ) -> None:
        """Copy all that is known of a few facts, in the snapshot of the first look."""
        plain = {name for name, kind in self._kinds.items() if kind in PLAIN}
        self._copy(store, "near", names, f" WHERE {narrowed(keys, spelled, 'text', plain)}", commits=True)

    def _copy(
        self, store: duckdb.DuckDBPyConnection, name: str, names: Sequence[str], where: str, *, commits: bool = False
    ) -> None:
        try:
            kinds, table = self._kinds, self._from
            wanted = ", ".join(
                quoted(one) if kinds[one] in AS_THEY_ARE else f"{quoted(one)}::text AS {quoted(one)}" for one in names
            )
            with self._connection.cursor() as cursor:
                wanted += f", {known}" if commits and (known := committed(cursor, table)) else ""
                cursor.execute(f"SELECT {wanted} FROM {table}{where}")
                store.register("arriving", cursor.fetch_record_batch())
                store.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM arriving")
                store.unregister("arriving")
        except (adbc_driver_manager.Error, duckdb.Error) as error:
            raise self._refusal(error) from error

    @cached_property
    def _connection(self) -> Any:
        """One read-only transaction, and so one snapshot, for everything."""
        try:
            connection = adbc.connect(self.url)
            with connection.cursor() as cursor:
                cursor.execute(ONE_SNAPSHOT)
                for name, value in self.settings.items():
                    cursor.execute(f"SET {quoted(name)} = {literal(value)}")
        except adbc_driver_manager.Error as error:
            raise self._refusal(error) from error
        return connection

    @cached_property
    def _chosen(self) -> str:
        return choose(self.tables(), self.table, self.shown)

    @property
    def _from(self) -> str:
        return ".".join(map(quoted, parts_of(self._chosen)))

    @property
    def _kinds(self) -> dict[str, str]:
        return self._tables[self._chosen]

    def unique(self) -> list[frozenset[str]]:
        """The columns of each unique key over all rows of the table."""
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(UNIQUE, (self._from,))
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
