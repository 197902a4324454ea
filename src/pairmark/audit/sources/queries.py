"""What a SQL query of the user gives, as a source: on PostgreSQL and SQLite read-only, on files as DuckDB reads them.

On files the query finds its rows in a table named `ledger`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import adbc_driver_manager
import adbc_driver_postgresql.dbapi as postgres
import adbc_driver_sqlite.dbapi as sqlite
import duckdb

from pairmark.audit.sources.address import Source, TakesQueries, open_source
from pairmark.audit.sources.files import FileOfRows
from pairmark.audit.sources.postgres import ONE_SNAPSHOT, PostgresTable
from pairmark.audit.sources.reach import Reach
from pairmark.audit.sources.sqlite import SqliteTable
from pairmark.audit.sources.statements import is_one_of, quoted
from pairmark.errors import BadRequest


@dataclass
class QueryRows:
    """The rows of one query; it runs once, and only reads."""

    inner: Source
    query: str

    @property
    def shown(self) -> str:
        """Where it runs."""
        return f"a query on {self.inner.shown}"

    def columns(self) -> list[str]:
        """Columns of the result."""
        return list(self._found.schema.names)

    def load(self, store: duckdb.DuckDBPyConnection, names: Sequence[str]) -> None:
        """Hand the result over."""
        store.register("arrived", self._found)
        store.execute(f"CREATE OR REPLACE TEMP VIEW raw AS SELECT {', '.join(map(quoted, names))} FROM arrived")

    def look_closer(
        self,
        store: duckdb.DuckDBPyConnection,
        names: Sequence[str],
        keys: Sequence[str],
        spelled: Sequence[Sequence[str | None]],
    ) -> None:
        """Some of what has arrived already."""
        wanted, where = ", ".join(map(quoted, names)), is_one_of(keys, spelled, "VARCHAR")
        store.register("arrived", self._found)
        store.execute(f"CREATE OR REPLACE TEMP TABLE near AS SELECT {wanted} FROM arrived WHERE {where}")

    def reach(self) -> Reach:
        """As far as the place it runs at."""
        return self.inner.reach()

    def close(self) -> None:
        """Nothing stays open."""

    def rows(self) -> Any:
        """All rows, as an Arrow table."""
        return self._found

    @cached_property
    def _found(self) -> Any:
        try:
            return self._run()
        except (adbc_driver_manager.Error, duckdb.Error) as error:
            first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise BadRequest(
                f"The query on {self.inner.shown} fails: {first[:300]}", remedy="Try it by itself."
            ) from error

    def _run(self) -> Any:
        if isinstance(self.inner, PostgresTable):
            return _fetched(postgres.connect(self.inner.url), ONE_SNAPSHOT, self.query)
        if isinstance(self.inner, SqliteTable):
            return _fetched(
                sqlite.connect(f"file:{self.inner.path.absolute()}?mode=ro"), "PRAGMA query_only = 1", self.query
            )
        if isinstance(self.inner, TakesQueries):
            return self.inner.run_query(self.query)
        with duckdb.connect() as store:
            self.inner.load(store, self.inner.columns())
            store.execute("CREATE TEMP TABLE ledger AS SELECT * FROM raw")
            store.execute("SET enable_external_access = false")
            return store.sql(self.query).to_arrow_table()


def _fetched(connection: Any, first: str, query: str) -> Any:
    with connection, connection.cursor() as cursor:
        cursor.execute(first)
        cursor.execute(query)
        return cursor.fetch_arrow_table()


def read_query(address: str, query: str) -> list[tuple[Any, ...]]:
    """The rows of `query` at the address of a database."""
    found = open_query(address, query).rows()
    return [tuple(row.values()) for row in found.to_pylist()]


def open_query(address: str, query: str) -> QueryRows:
    """The rows of `query` at an address."""
    inner = open_source(address)
    if not isinstance(inner, PostgresTable | SqliteTable | FileOfRows | TakesQueries):
        raise BadRequest(f"{inner.shown} takes no query.", remedy="Give a database or a file.")
    if isinstance(inner, SqliteTable) and not Path(inner.path).is_file():
        raise BadRequest(f"{inner.path} is not there.")
    return QueryRows(inner, query)
