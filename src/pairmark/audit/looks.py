"""One look at a source for `watch`: which facts are told more than once. Everything, or on PostgreSQL what is new.

New means: by time, with a look-back for transactions that commit late, and then every row of the facts found there. A row
is never passed over because a newer one was seen before it; a full look comes round in any case.
"""

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
from pairmark.audit.sources.address import open_source
from pairmark.audit.sources.postgres import PostgresTable
from pairmark.audit.sources.tables import choose
from pairmark.audit.store import Chosen, Store
from pairmark.errors import BadRequest, Busy

Key = tuple[str, ...]
AT_ONCE = 1_000
SLOWEST = "60s"
MANY = 100_000
INDEXED = """
SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
WHERE i.indrelid = %s::regclass AND i.indisvalid AND i.indpred IS NULL
"""
LARGE = "SELECT 1 FROM pg_class WHERE oid = %s::regclass AND relkind IN ('r', 'm') AND reltuples >= %s"


@dataclass(frozen=True)
class Seen:
    """What one look saw. `repeated`: how often each repeated fact was told, of all facts or of those with new rows (`partial`).

    `conclusive`: whether it proves anything that nothing repeats there. `advice`: what would make such a look cheaper.
    """

    events: int
    repeated: Mapping[Key, int]
    newest: datetime | None
    partial: bool
    conclusive: bool = True
    advice: str = ""


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
            return Seen(events, repeated, _moment(newest), partial=False, conclusive=opened.reach().conclusive)
        finally:
            store.close()

    def new(self, since: datetime) -> Seen:
        """Look at the facts that have rows from `since` on; at everything where the source cannot do that cheaply."""
        opened = open_source(self.source)
        if not isinstance(opened, PostgresTable):
            opened.close()
            return self.all()
        try:
            found = recognise(opened.columns(), self.columns, opened.shown)
            table = choose(opened.tables(), opened.table, opened.shown)
        finally:
            opened.close()
        try:
            with closing(
                psycopg.connect(opened.url, options=f"-c statement_timeout={SLOWEST} -c TimeZone=UTC")
            ) as connection:
                connection.read_only, connection.isolation_level = True, psycopg.IsolationLevel.REPEATABLE_READ
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
        self._since: sql.Composable = sql.NULL
        self._named, self._first = (
            sql.Identifier(*table.split(".", 1)).as_string(connection),
            columns.named()[chosen.unique_on[0]],
        )
        self._table = sql.Identifier(*table.split(".", 1))
        named = columns.named()
        self._keys = [sql.Identifier(named[part]) for part in chosen.unique_on]
        self._type = sql.Identifier(named["type"])
        self._aggregate = sql.Identifier(named["aggregate"])
        self._time = sql.Identifier(named["time"]) if "time" in named else None

    def look(self, since: datetime) -> Seen | None:
        """None if the times are no timestamps, so that new rows cannot be asked for."""
        if self._time is None or not self._has_timestamps():
            return None
        self._since = sql.Literal(since)
        pivots = self._rows(
            "SELECT {pivot}::text, count(*), max({time}) FROM {table} WHERE {time} >= {since} AND {wanted} GROUP BY 1",
            since=self._since,
        )
        newest = max((row[2] for row in pivots), default=None)
        told = Counter[Key]()
        names = [row[0] for row in pivots if row[0] is not None]
        for place in range(0, len(names), AT_ONCE):
            told.update(self._told(names[place : place + AT_ONCE]))
        repeated = {key: number for key, number in told.items() if number > 1}
        events, newest = sum(row[1] for row in pivots), _aware(newest)
        return Seen(events, repeated, newest, partial=True, advice=self._advice())

    def _advice(self) -> str:
        """What would make the next looks cheaper, if the table is large and has no index that serves them."""
        indexed = {row[0] for row in self._connection.execute(INDEXED, [self._named])}
        lacking = [name for name in (self._columns.time, self._first) if name and name not in indexed]
        large = self._connection.execute(LARGE, [self._named, MANY]).fetchone()
        if not lacking or large is None:
            return ""
        return f"No index of {self._named} begins with {' or '.join(lacking)}, so each pass reads all of it."

    def _told(self, pivots: Sequence[str]) -> Counter[Key]:
        """How often each fact of these was told, over all rows; literals take the column's type, so that its index serves."""
        listed = sql.SQL(", ").join(map(sql.Literal, pivots))
        keyed = sql.SQL(", ").join(sql.SQL("{}::text").format(key) for key in self._keys)
        rows = self._rows("SELECT count(*), {keyed} FROM {table} WHERE {pivot} IN ({listed}) AND {wanted} GROUP BY {keyed}",
                          keyed=keyed, listed=listed)  # fmt: skip
        told = Counter[Key]()
        for number, *key in rows:
            told[_key([_normal(one) for one in key])] += number
        return told

    def _rows(self, statement: LiteralString, **parts: sql.Composable) -> list[Any]:
        query = sql.SQL(statement).format(
            pivot=self._keys[0], time=self._time or sql.NULL, table=self._table, wanted=self._wanted(), **parts
        )
        return self._connection.execute(query).fetchall()

    def _wanted(self) -> sql.Composable:
        """The rows that are asked for; types by their patterns, resolved here so that every source reads them alike."""
        conditions: list[sql.Composable] = [sql.SQL("{} IS NOT NULL").format(self._aggregate)]
        if self._chosen.types:
            conditions.append(sql.SQL("{} IN ({})").format(self._type, self._types()))
        since, until = (
            (sql.SQL("{} >= {}::timestamptz"), self._chosen.since),
            (sql.SQL("{} < {}::timestamptz"), self._chosen.until),
        )
        conditions += [
            how.format(self._time or sql.NULL, sql.Literal(limit)) for how, limit in (since, until) if limit is not None
        ]
        return sql.SQL(" AND ").join(conditions)

    def _types(self) -> sql.Composable:
        """Those of the new rows that fit the patterns: no other fact can have been told again."""
        query = sql.SQL("SELECT DISTINCT {}::text FROM {} WHERE {} >= {}").format(
            self._type, self._table, self._time or sql.NULL, self._since
        )
        names = [row[0] for row in self._connection.execute(query) if row[0]]
        fitting = [name for name in names if any(fnmatchcase(name.strip(), pattern) for pattern in self._chosen.types)]
        return sql.SQL(", ").join(map(sql.Literal, fitting or [""]))

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
    text = text.strip(" \t\n\r")
    bare = text.replace("-", "")
    return text.lower() if len(bare) == 32 and all(one in "0123456789abcdefABCDEF" for one in bare) else text


def _moment(micro: int | None) -> datetime | None:
    return None if micro is None else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micro)


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
