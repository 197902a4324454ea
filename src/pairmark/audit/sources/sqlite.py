"""A table of a SQLite file, read in one snapshot without a lock that stops its writers longer than any reader's.

Rows are found again by their rowid where they have one; no index on the key is needed for that.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import adbc_driver_sqlite.dbapi as adbc
import duckdb

from pairmark.audit.sources.arriving import PLACE
from pairmark.audit.sources.reach import WHOLE, Reach
from pairmark.audit.sources.statements import is_one_of, quoted
from pairmark.audit.sources.tables import choose
from pairmark.errors import BadRequest

ROWIDS = ("rowid", "_rowid_", "oid")
"""Names of the number that SQLite gives a row, where no column has taken them."""
MOST_PLACES = 20_000


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
        return self.tables()[self._table()]

    def load(self, store: duckdb.DuckDBPyConnection, names: Sequence[str]) -> None:
        """Copy these columns; one statement is one snapshot."""
        rowid = self._rowid()
        self._copy(store, "raw", [*map(quoted, names), *([f"{rowid} AS {quoted(PLACE[1])}"] if rowid else [])], "")

    def look_closer(
        self,
        store: duckdb.DuckDBPyConnection,
        names: Sequence[str],
        keys: Sequence[str],
        spelled: Sequence[Sequence[str | None]],
    ) -> None:
        """Copy all that is known of a few facts; by their keys if the rows are not where they were, as after VACUUM."""
        wanted, rowid, same = list(map(quoted, names)), self._rowid(), is_one_of(keys, spelled, "VARCHAR")
        if rowid:
            found = store.execute(f"SELECT {quoted(PLACE[1])} FROM raw WHERE {same} LIMIT {MOST_PLACES + 1}").fetchall()
            places = ", ".join(str(place) for (place,) in found)
            if len(found) <= MOST_PLACES:
                self._copy(store, "near", wanted, f" WHERE {rowid} IN ({places})")
                if store.execute(f"SELECT count(*) FROM near WHERE {same}").fetchall() == [(len(found),)]:
                    return
        self._copy(store, "near", wanted, f" WHERE {is_one_of(keys, spelled, 'TEXT')}")

    def reach(self) -> Reach:
        """Everything was there."""
        return WHOLE

    def close(self) -> None:
        """Nothing stays open."""

    def _copy(self, store: duckdb.DuckDBPyConnection, name: str, wanted: Sequence[str], where: str) -> None:
        with adbc.connect(f"file:{self.path.absolute()}?mode=ro") as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(wanted)} FROM {quoted(self._table())}{where}")
            store.register("arriving", cursor.fetch_record_batch())
            store.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM arriving")
            store.unregister("arriving")

    def _rowid(self) -> str | None:
        """A name by which the rowid can be asked for; views and some tables have none."""
        taken = {column.lower() for column in self.columns()}
        name = next((one for one in ROWIDS if one not in taken), None)
        if name is None:
            return None
        try:
            with closing(sqlite3.connect(f"file:{self.path.absolute()}?mode=ro", uri=True)) as connection:
                kind = connection.execute("SELECT type FROM sqlite_master WHERE name = ?", [self._table()]).fetchone()
                connection.execute(f"SELECT {name} FROM {quoted(self._table())} LIMIT 0")
        except sqlite3.OperationalError:
            return None
        return name if kind == ("table",) else None

    def _table(self) -> str:
        return choose(self.tables(), self.table, self.shown)

    def unique(self) -> list[frozenset[str]]:
        """The columns of each unique key over all rows of the table."""
        table = quoted(self._table())
        with closing(sqlite3.connect(f"file:{self.path.absolute()}?mode=ro", uri=True)) as connection:
            primary = frozenset(row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[5])
            names = [row[1] for row in connection.execute(f"PRAGMA index_list({table})") if row[2] and not row[4]]
            indexed = [
                frozenset(row[2] for row in connection.execute(f"PRAGMA index_info({quoted(name)})")) for name in names
            ]
        return [one for one in [primary, *indexed] if one and None not in one]

    def tables(self) -> dict[str, list[str]]:
        """Tables and views with their columns."""
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
                    name: [row[1] for row in connection.execute(f"PRAGMA table_info({quoted(name)})")] for name in names
                }
        except sqlite3.DatabaseError as error:
            raise BadRequest(f"{self.path} cannot be read as a SQLite database: {error}.") from error
