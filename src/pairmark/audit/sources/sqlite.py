"""A table of a SQLite file, read in one snapshot without a lock that stops its writers longer than any reader's."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import adbc_driver_sqlite.dbapi as adbc
import duckdb

from pairmark.audit.columns import Columns
from pairmark.audit.sources.tables import choose
from pairmark.errors import BadRequest


@dataclass(frozen=True)
class SqliteTable:
    """A table; without a name, the one that looks like an outbox."""

    path: Path
    table: str | None

    @property
    def shown(self) -> str:
        """The file, and the table if it was named."""
        return f"sqlite:{self.path}" + (f"?table={self.table}" if self.table else "")

    def columns(self) -> list[str]:
        """Columns of the table."""
        return self._tables()[self._table()]

    def load(self, store: duckdb.DuckDBPyConnection, columns: Columns, where: str) -> None:
        """Copy the wanted columns; one statement is one snapshot."""
        wanted = ", ".join(_quoted(name) for name in dict.fromkeys(columns.named().values()))
        with adbc.connect(f"file:{self.path.absolute()}?mode=ro") as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT {wanted} FROM {_quoted(self._table())}")
            rows = cursor.fetch_record_batch()
            store.register("arriving", rows)
            store.execute("CREATE OR REPLACE TEMP TABLE raw AS SELECT * FROM arriving")
            store.unregister("arriving")

    def _table(self) -> str:
        return choose(self._tables(), self.table, self.shown)

    def _tables(self) -> dict[str, list[str]]:
        if not self.path.is_file():
            raise BadRequest(
                f"{self.path} is not there.", remedy="Give sqlite:FILE with the path of a SQLite database."
            )
        try:
            with closing(sqlite3.connect(f"file:{self.path.absolute()}?mode=ro", uri=True)) as connection:
                names = [
                    row[0]
                    for row in connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
                ]
                return {
                    name: [row[1] for row in connection.execute(f"PRAGMA table_info({_quoted(name)})")]
                    for name in names
                }
        except sqlite3.DatabaseError as error:
            raise BadRequest(f"{self.path} cannot be read as a SQLite database: {error}.") from error


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
