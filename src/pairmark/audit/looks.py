"""One look at a source for `watch`: which facts are told more than once. Everything, or on PostgreSQL what is new.

New means: by time, with a look-back for transactions that commit late, or without a time, and then every row of the facts found
there. A row that comes with an old time is passed over until the next full look, which comes round in any case. Facts are found
by what leads their key as it is spelled: where it is spelled in several ways, everything is looked at.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from pairmark.audit.columns import Columns, recognise
from pairmark.audit.shapes import UUID
from pairmark.audit.sources.address import open_source
from pairmark.audit.sources.postgres import PostgresTable
from pairmark.audit.sources.postgres_address import TABLES
from pairmark.audit.sources.tables import choose, parts_of
from pairmark.audit.store import Chosen, Store
from pairmark.errors import BadRequest, Busy

Key = tuple[str, ...]
AT_ONCE = 1_000
SLOWEST = "60s"
MANY = 100_000
BLANKS = " \t\n\r"
INDEXED = """
SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
WHERE i.indrelid = %s::regclass AND i.indisvalid AND i.indpred IS NULL
"""
LARGE = "SELECT 1 FROM pg_class WHERE oid = %s::regclass AND relkind IN ('r', 'm') AND reltuples >= %s"


@dataclass(frozen=True)
class Seen:
    """What one look saw. `repeated`: how often each repeated fact was told, of all facts or of those with new rows (`partial`).

    `conclusive`: whether it proves anything that nothing repeats there. `advice`: what would make such a look cheaper.
    `tidy`: whether what leads the key is spelled in one way, so that a later look at new rows finds their facts by it.
    """

    events: int
    repeated: Mapping[Key, int]
    newest: datetime | None
    partial: bool
    conclusive: bool = True
    advice: str = ""
    tidy: bool = True


@dataclass(frozen=True)
class Watched:
    """What is watched: a source, its columns and what the same fact means."""

    source: str
    chosen: Chosen
    columns: Mapping[str, str]

    @property
    def shown(self) -> str:
        """The source without a password."""
        return open_source(self.source).shown

    def all(self) -> Seen:
        """Look at everything."""
        opened = open_source(self.source)
        store = Store(opened, recognise(opened.columns(), self.columns, opened.shown), self.chosen)
        try:
            rows = store.told_again()
            (newest,) = store.rows("SELECT max(moment) FROM looked_at")[0]
            repeated = {_key(row[:-1]): int(row[-1]) for row in rows}
            events = store.totals().events
            whole = opened.reach().conclusive
            return Seen(events, repeated, _moment(newest), partial=False, conclusive=whole, tidy=store.leads_tidily)
        finally:
            store.close()

    def new(self, since: datetime) -> Seen:
        """Look at the facts that have rows from `since` on; at everything where the source cannot do that cheaply."""
        opened = open_source(self.source)
        if not isinstance(opened, PostgresTable):
            opened.close()
            return self.all()
        try:
            with closing(
                psycopg.connect(opened.url, options=f"-c statement_timeout={SLOWEST} -c TimeZone=UTC")
            ) as connection:
                connection.read_only, connection.isolation_level = True, psycopg.IsolationLevel.REPEATABLE_READ
                rows = connection.execute(TABLES).fetchall()
                tables = {name: [column for column, _ in json.loads(columns)] for name, columns in rows}
                table = choose(tables, opened.table, opened.shown)
                found = recognise(tables[table], self.columns, opened.shown)
                seen = _NewRows(connection, table, found, self.chosen).look(since)
        except psycopg.OperationalError as error:
            raise Busy(f"{opened.shown} cannot be looked at: {_first_line(error)}") from error
        except psycopg.Error as error:
            raise BadRequest(f"{opened.shown} cannot be read: {_first_line(error)}") from error
        return seen or self.all()


class _NewRows:
    """The statements of a look at new rows, in one read-only snapshot."""

    def __init__(self, connection: psycopg.Connection[Any], table: str, columns: Columns, chosen: Chosen) -> None:
        self._connection, self._chosen, self._columns = connection, chosen, columns
        self._table = sql.Identifier(*parts_of(table))
        self._named, self._first = self._table.as_string(connection), columns.named()[chosen.unique_on[0]]
        named = columns.named()
        self._keys = [sql.Identifier(named[part]) for part in chosen.unique_on]
        self._type = sql.Identifier(named["type"])
        self._aggregate = sql.Identifier(named["aggregate"])
        self._time = sql.Identifier(named["time"]) if "time" in named else None

    def look(self, since: datetime) -> Seen | None:
        """None if new rows cannot be asked for by time, or their facts not be found by what leads the key as it is spelled."""
        if self._time is None or not self._has_timestamps():
            return None
        found = self._rows(
            "SELECT {type}, count(*), {pivot}::text, max({time}) FROM {table} "
            "WHERE ({time} >= {since} OR {time} IS NULL) AND {wanted} GROUP BY 1, 3",
            since=sql.Literal(since),
        )
        pivots = {row[2] for row in found}
        if not all(map(_is_tidy, pivots)):
            return None
        newest = max((row[3] for row in found if row[3] is not None), default=None)
        told = Counter[Key]()
        names = sorted(one for one in pivots if one is not None)
        for place in range(0, len(names), AT_ONCE):
            told.update(self._told(names[place : place + AT_ONCE]))
        if None in pivots:
            told.update(self._told([]))
        repeated = {key: number for key, number in told.items() if number > 1}
        return Seen(sum(row[1] for row in found), repeated, _aware(newest), partial=True, advice=self._advice())

    def _advice(self) -> str:
        """What would make the next looks cheaper, if the table is large and has no index that serves them."""
        indexed = {row[0] for row in self._connection.execute(INDEXED, [self._named])}
        lacking = [name for name in (self._columns.time, self._first) if name and name not in indexed]
        large = self._connection.execute(LARGE, [self._named, MANY]).fetchone()
        if not lacking or large is None:
            return ""
        return f"No index of {self._named} begins with {' or '.join(lacking)}, so each pass reads all of it."

    def _told(self, pivots: Sequence[str]) -> Counter[Key]:
        """How often each fact of these was told, over all rows; literals take the column's type, so that its index serves.

        Without any, it is the facts of which what leads the key is unknown.
        """
        listed = sql.SQL(", ").join(map(sql.Literal, pivots))
        keyed = sql.SQL(", ").join(sql.SQL("{}::text").format(key) for key in self._keys)
        one_of = (
            sql.SQL("{} IN ({})").format(self._keys[0], listed)
            if pivots
            else sql.SQL("{} IS NULL").format(self._keys[0])
        )
        rows = self._rows("SELECT {type}, count(*), {keyed} FROM {table} WHERE {one_of} AND {wanted} GROUP BY 1, {keyed}",
                          keyed=keyed, one_of=one_of)  # fmt: skip
        told = Counter[Key]()
        for number, *key in (row[1:] for row in rows):
            told[_key([_normal(one) for one in key])] += number
        return told

    def _rows(self, statement: LiteralString, **parts: sql.Composable) -> list[Any]:
        """Rows, first of all with their type, whose type is asked for: patterns are resolved here, for all sources alike."""
        kind = sql.SQL("{}::text").format(self._type) if self._chosen.types else sql.SQL("NULL::text")
        query = sql.SQL(statement).format(
            pivot=self._keys[0],
            time=self._time or sql.NULL,
            table=self._table,
            wanted=self._wanted(),
            type=kind,
            **parts,
        )
        rows = self._connection.execute(query).fetchall()
        return [row for row in rows if self._fits(row[0])] if self._chosen.types else rows

    def _fits(self, kind: str | None) -> bool:
        name = _normal(kind)
        return bool(name) and any(fnmatchcase(name or "", pattern) for pattern in self._chosen.types)

    def _wanted(self) -> sql.Composable:
        """The rows that are asked for, but for their type."""
        blanks = sql.Literal(BLANKS)
        conditions: list[sql.Composable] = [sql.SQL("btrim({}::text, {}) <> ''").format(self._aggregate, blanks)]
        since, until = (
            (sql.SQL("{} >= {}::timestamptz"), self._chosen.since),
            (sql.SQL("{} < {}::timestamptz"), self._chosen.until),
        )
        conditions += [
            how.format(self._time or sql.NULL, sql.Literal(limit)) for how, limit in (since, until) if limit is not None
        ]
        return sql.SQL(" AND ").join(conditions)

    def _has_timestamps(self) -> bool:
        query = sql.SQL("SELECT pg_typeof({})::text FROM {} LIMIT 1").format(self._time or sql.NULL, self._table)
        row = self._connection.execute(query).fetchone()
        return row is not None and str(row[0]).startswith("timestamp")


def _key(values: Sequence[str | None]) -> Key:
    return tuple(value or "" for value in values)


def _normal(text: str | None) -> str | None:
    """As the store shapes text: no blanks at the ends, UUIDs in lower case."""
    if text is None:
        return None
    text = text.strip(BLANKS)
    return text.lower() if re.fullmatch(UUID.strip("'"), text) else text


def _is_tidy(text: str | None) -> bool:
    return text is None or text == (_normal(text) or None)


def _moment(micro: int | None) -> datetime | None:
    return None if micro is None else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micro)


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
