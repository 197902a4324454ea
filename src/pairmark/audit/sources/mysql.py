"""A table of a MySQL or MariaDB, read in one read-only snapshot, row after row as the server sends them; nothing is kept there."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property, partial
from typing import Any

import duckdb
import pyarrow as pa
import pymysql
from pymysql.cursors import SSCursor

from pairmark.audit.sources.arriving import append, make_table
from pairmark.audit.sources.mysql_address import MysqlAddress
from pairmark.audit.sources.mysql_errors import refusing
from pairmark.audit.sources.mysql_login import Wary
from pairmark.audit.sources.mysql_text import Kind, from_bytes, is_one_of, named, selected
from pairmark.audit.sources.reach import WHOLE, Reach
from pairmark.audit.sources.tables import choose
from pairmark.config import mysql_password
from pairmark.errors import BadRequest

AT_ONCE = 50_000
SILENCE = 900
"""Seconds without a word from the server before it is taken for lost."""
PATIENCE = 10
"""Seconds for a connection."""
LIMITS = ("statement_timeout", "lock_timeout")
"""Settings that have a counterpart here; all others are a PostgreSQL's alone."""
SYSTEM = ("information_schema", "performance_schema", "mysql", "sys")
COLUMNS = """
SELECT c.table_schema, c.table_name, c.column_name, c.data_type, c.column_type, t.engine
FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
WHERE c.table_schema NOT IN %s {narrowed}ORDER BY 1, 2, c.ordinal_position
"""
UNIQUE = """
SELECT index_name, column_name FROM information_schema.statistics
WHERE (table_schema, table_name) = (%s, %s) AND NOT non_unique
"""


@dataclass
class MysqlTable:
    """A table or view by its address. `settings`: limits as a PostgreSQL takes them: `statement_timeout`, `lock_timeout`."""

    address: MysqlAddress
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """The address without its password."""
        return self.address.shown

    @property
    def table(self) -> str | None:
        """The table that was named."""
        return self.address.table

    def columns(self) -> list[str]:
        """Columns of the table."""
        return list(self._kinds)

    def tables(self) -> dict[str, list[str]]:
        """Tables that may be read, by schema and name, with their columns."""
        return {name: list(kinds) for name, kinds in self._tables.items()}

    def load(self, store: duckdb.DuckDBPyConnection, names: Sequence[str]) -> None:
        """Copy these columns as text."""
        self._copy(store, "raw", names, "", [])

    def look_closer(
        self,
        store: duckdb.DuckDBPyConnection,
        names: Sequence[str],
        keys: Sequence[str],
        spelled: Sequence[Sequence[str | None]],
    ) -> None:
        """Copy all that is known of a few facts, in the snapshot of the first look."""
        where, values = is_one_of(keys, spelled, self._kinds)
        self._copy(store, "near", names, f" WHERE {where}", values)

    def run_query(self, query: str) -> Any:
        """The rows of a query of the user, as an Arrow table of text."""
        with self._refusing():
            if self.address.database:
                self._connection.select_db(self.address.database)
            cursor = self._connection.cursor(SSCursor)
            cursor.execute(query)
            names = [one[0] for one in cursor.description or ()]
            parts = list(_batches(cursor))
        columns = [[from_bytes(value) for part in parts for value in part[place]] for place in range(len(names))]
        return pa.table({name: pa.array(column, pa.string()) for name, column in zip(names, columns, strict=True)})

    def unique(self) -> list[frozenset[str]]:
        """The columns of each unique key over all rows of the table."""
        with self._refusing(), self._connection.cursor() as cursor:
            cursor.execute(UNIQUE, self._places[self._chosen])
            keys: dict[str, set[str]] = {}
            for name, column in cursor.fetchall():
                keys.setdefault(str(name), set()).add(str(from_bytes(column)))
        return [frozenset(columns) for columns in keys.values()]

    def reach(self) -> Reach:
        """Everything was there; an engine without snapshots may have let newer rows in, and so may what is under a view."""
        engine = self._engines[self._chosen]
        if engine is None:
            return Reach((f"{self._chosen} is a view, and whether the tables under it have snapshots is not known.",))
        if engine.lower() in ("innodb", "rocksdb"):
            return WHOLE
        return Reach(
            (
                f"{self._chosen} is kept by {engine}, which has no snapshots: rows that came meanwhile may be counted in part.",
            )
        )

    def close(self) -> None:
        """End the transaction."""
        connection = self.__dict__.pop("_connection", None)
        if connection is not None:
            with suppress(pymysql.MySQLError):
                connection.close()

    def _copy(
        self, store: duckdb.DuckDBPyConnection, name: str, names: Sequence[str], where: str, values: Sequence[Any]
    ) -> None:
        table = ".".join(map(named, self._places[self._chosen]))
        wanted = ", ".join(selected(one, self._kinds[one]) for one in names)
        if values:
            wanted, table = wanted.replace("%", "%%"), table.replace("%", "%%")
        make_table(store, name, names)
        with self._refusing():
            cursor = self._connection.cursor(SSCursor)
            cursor.execute(f"SELECT {wanted} FROM {table}{where}", list(values) or None)
            for columns in _batches(cursor):
                append(
                    store,
                    name,
                    {one: list(map(from_bytes, column)) for one, column in zip(names, columns, strict=True)},
                )

    @cached_property
    def _connection(self) -> Any:
        """One read-only transaction, and so one snapshot, for everything."""
        password = self.address.password if self.address.password is not None else mysql_password()
        with self._refusing():
            connection = (pymysql.connect if self.address.proven else partial(Wary, self.shown))(
                user=self.address.user,
                password=(password or "").encode(),
                charset="utf8mb4",
                sql_mode="",
                conv={**pymysql.converters.encoders},  # no decoders: everything arrives as text
                connect_timeout=PATIENCE,
                read_timeout=SILENCE,
                program_name="pairmark audit",
                **self.address.way(),
            )
            with connection.cursor() as cursor:
                for statement in self._first(maria="MariaDB" in str(connection.get_server_info())):
                    cursor.execute(statement)
        return connection

    def _first(self, *, maria: bool) -> Iterator[str]:
        """Statements that begin the session."""
        yield "SET time_zone = '+00:00'"
        limits = {name: _seconds(self.settings[name]) for name in LIMITS if name in self.settings}
        for name, seconds in limits.items():
            if name == "statement_timeout":
                yield (
                    f"SET max_statement_time = {seconds}"
                    if maria
                    else f"SET max_execution_time = {round(seconds * 1000)}"
                )
            else:
                yield f"SET lock_wait_timeout = {max(round(seconds), 1)}"
        yield "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"
        yield "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"

    @cached_property
    def _chosen(self) -> str:
        return choose(self.tables(), self.table, self.shown)

    @property
    def _kinds(self) -> dict[str, Kind]:
        return self._tables[self._chosen]

    @property
    def _tables(self) -> dict[str, dict[str, Kind]]:
        return self._catalogue[0]

    @property
    def _engines(self) -> dict[str, str | None]:
        return self._catalogue[1]

    @property
    def _places(self) -> dict[str, tuple[str, str]]:
        return self._catalogue[2]

    @cached_property
    def _catalogue(self) -> tuple[dict[str, dict[str, Kind]], dict[str, str | None], dict[str, tuple[str, str]]]:
        """Tables with the type of each column, what keeps them, and their database and name, which may have dots in them."""
        database, (schema, dot, _) = self.address.database, (self.table or "").partition(".")
        schemas = [database, *([schema] if dot else [])] if database else []
        statement = COLUMNS.format(narrowed="AND c.table_schema IN %s " if schemas else "")
        with self._refusing(), self._connection.cursor() as cursor:
            cursor.execute(statement, [SYSTEM, schemas] if schemas else [SYSTEM])
            rows = [tuple(map(from_bytes, row)) for row in cursor.fetchall()]
            if database and not rows:
                self._refuse_unknown(database, cursor)
        tables: dict[str, dict[str, Kind]] = {}
        for owner, name, column, kind, declared, _ in rows:
            tables.setdefault(f"{owner}.{name}", {})[str(column)] = Kind(str(kind).lower(), str(declared).lower())
        shown = {f"{row[0]}.{row[1]}": row for row in rows}
        engines = {name: row[5] for name, row in shown.items()}
        return tables, engines, {name: (str(row[0]), str(row[1])) for name, row in shown.items()}

    def _refuse_unknown(self, database: str, cursor: Any) -> None:
        cursor.execute("SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN %s", [SYSTEM])
        there = [str(from_bytes(row[0])) for row in cursor.fetchall()]
        if database not in there:
            close = get_close_matches(database, there, n=3, cutoff=0.3) or there[:5]
            raise BadRequest(
                f"{self.shown} has no database {database} that this login may see.",
                remedy=f"The closest are {', '.join(close) or 'none'}.",
            )

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Errors in one sentence; the transaction does not outlive them, for it would keep others from altering the table."""
        try:
            with refusing(self.shown):
                yield
        except BaseException:
            self.close()
            raise


def _batches(cursor: Any) -> Iterator[list[tuple[Any, ...]]]:
    """Columns of so many rows at once."""
    while rows := cursor.fetchmany(AT_ONCE):
        yield list(zip(*rows, strict=True))


def _seconds(limit: str) -> float:
    """A limit as PostgreSQL takes it, `60s` or `1500ms`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s)", limit)
    if found is None:
        raise BadRequest(f"{limit} is no limit of time.", remedy="Write it as 60s or 1500ms.")
    return float(found[1]) / (1000 if found[2] == "ms" else 1)
