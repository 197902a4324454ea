"""A table of a SQLite file that is to be repaired: what is in the way, what is counted, and the statements."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from pairmark.audit.columns import Columns, recognise
from pairmark.audit.repair.counting import Counts
from pairmark.audit.repair.key import Keyed
from pairmark.audit.repair.obstacle import Obstacle
from pairmark.audit.repair.plan import Plan, Step
from pairmark.audit.repair.quarantine import HISTORY
from pairmark.audit.repair.request import PARTS_OF_UNDO, Request, condition
from pairmark.audit.repair.target import key_columns
from pairmark.audit.repair.undo import UndoPlan
from pairmark.audit.sources.statements import literal, quoted
from pairmark.audit.sources.tables import choose
from pairmark.errors import BadRequest

ALL = "the whole file is locked for writers until the end; readers wait only for the commit"
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'pairmark_%'"
TRIGGERS = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?"
SECONDS_PER_ROW = 4e-6
"""2 million rows took 8 s."""


@dataclass(frozen=True)
class Table(Keyed):
    """A table, its key, which rows the key concerns, and the statements of its repair."""

    name: str
    columns: tuple[str, ...]
    parts: Columns
    key: tuple[str, ...]
    condition: str | None
    keep: str

    @property
    def digest(self) -> str:
        """What tells this key of this table from others."""
        return sha256(repr((self.name, self.key, self.condition)).encode()).hexdigest()[:8]

    @property
    def bare_side(self) -> str:
        """The name of the quarantine."""
        return f"pairmark_quarantine_{self.digest}"

    @property
    def side(self) -> str:
        """The quarantine, quoted."""
        return quoted(self.bare_side)

    @property
    def index(self) -> str:
        """The name of the unique index."""
        return f"{self.name}_once_{self.digest}"

    @property
    def written(self) -> str:
        """All columns that can be written, quoted."""
        return ", ".join(map(quoted, self.columns))

    @property
    def published(self) -> str:
        """The expression for whether a row was published."""
        return (
            f"({quoted(self.parts.published)} IS NOT NULL AND {quoted(self.parts.published)} <> 0)"
            if self.parts.published
            else "0"
        )

    @property
    def order(self) -> str:
        """Which row of a fact comes first; that one stays."""
        first = [f"({self.published}) DESC"] if self.keep == "published" else []
        return ", ".join([*first, *(quoted(one) for one in (self.parts.time, self.parts.id) if one), "rowid"])

    def statements(self) -> tuple[str, ...]:
        """Side table, rows into it, rows out of the table, index."""
        name = quoted(self.name)
        again = (
            f"SELECT rowid AS pairmark_row, *, row_number() OVER (PARTITION BY {self.keys} ORDER BY {self.order}) AS pairmark_nth "
            f"FROM {name} WHERE {self.concerned}"
        )
        return (
            f"CREATE TABLE IF NOT EXISTS {self.side} (pairmark_rowid INTEGER, pairmark_at TEXT DEFAULT CURRENT_TIMESTAMP, "
            f"pairmark_reason TEXT, {self.written})",
            f"INSERT INTO {self.side} (pairmark_rowid, pairmark_reason, {self.written}) SELECT pairmark_row, {literal(HISTORY)}, "
            f"{self.written} FROM ({again}) WHERE pairmark_nth > 1",
            f"DELETE FROM {name} WHERE rowid IN (SELECT pairmark_row FROM ({again}) WHERE pairmark_nth > 1)",
            f"CREATE UNIQUE INDEX IF NOT EXISTS {quoted(self.index)} ON {name} ({self.keys}){self.narrowed}",
        )

    def sent_again(self) -> str:
        """The query for facts of which an unpublished row would stay although another was published."""
        return (
            "SELECT count(*) FROM ("
            f"SELECT first_value({self.published}) OVER (PARTITION BY {self.keys} ORDER BY {self.order}) AS kept, "
            f"max({self.published}) OVER (PARTITION BY {self.keys}) AS any_sent, "
            f"row_number() OVER (PARTITION BY {self.keys} ORDER BY {self.order}) AS nth "
            f"FROM {quoted(self.name)} WHERE {self.concerned}) WHERE nth = 1 AND any_sent AND NOT kept"
        )

    def opposite(self) -> dict[str, tuple[str, ...]]:
        """Statements of an undo by part."""
        return {
            "index": (f"DROP INDEX IF EXISTS {quoted(self.index)}",),
            "rows": (
                f"INSERT INTO {quoted(self.name)} (rowid, {self.written}) "
                f"SELECT pairmark_rowid, {self.written} FROM {self.side} ORDER BY pairmark_rowid",
                f"DELETE FROM {self.side}",
            ),
            "tables": (f"DROP TABLE IF EXISTS {self.side}",),
        }


def find(connection: sqlite3.Connection, request: Request, wanted: str | None, shown: str) -> Table:
    """The table that was named, or the only one that looks like an outbox."""
    tables = {
        name: [row[1] for row in connection.execute(f"PRAGMA table_info({quoted(name)})")]
        for (name,) in connection.execute(TABLES)
    }
    name = choose(tables, wanted, shown)
    parts = recognise(tables[name], request.columns, name)
    if request.keep == "published" and parts.published is None:
        raise BadRequest(f"{name} has no column that says what was published.", remedy="Name it by --published-column.")
    key = key_columns(request.unique_on, parts, name)
    return Table(name, tuple(tables[name]), parts, key, condition(request, parts.type), request.keep)


def plan_repair(connection: sqlite3.Connection, shown: str, table: Table, request: Request) -> Plan:
    """What a repair would do."""
    obstacles = tuple(_obstacles(connection, table, request, "DELETE"))
    counts = _count(connection, table, request) if _has_row_ids(connection, table) else None
    statements = table.statements()
    rows, found = (counts.rows, counts.excess) if counts else (0, 0)
    way_back = tuple(one for part in table.opposite().values() for one in part)
    step = Step("all at once", "quarantine and unique index in one transaction (BEGIN IMMEDIATE)", statements, ALL,
                found, rows * SECONDS_PER_ROW, undo=way_back)  # fmt: skip
    return Plan(
        source=shown,
        table=table.name,
        key=table.key,
        condition=table.condition,
        keep=request.keep,
        guard="none: nobody else writes meanwhile",
        counts=counts,
        obstacles=obstacles,
        steps=(step,),
        digest=_digest(statements),
        enforced_by=table.index if is_there(connection, table.index) else None,
        unfinished=None,
        notes=tuple(_notes(counts)) if counts else (),
    )


def plan_opposite(
    connection: sqlite3.Connection, shown: str, table: Table, request: Request, parts: Sequence[str]
) -> UndoPlan:
    """What an undo would do."""
    unknown = [part for part in parts if part not in PARTS_OF_UNDO]
    if unknown:
        raise BadRequest(f"{unknown[0]} is no part of an undo.", remedy=f"Give some of {','.join(PARTS_OF_UNDO)}.")
    held = number(connection, f"SELECT count(*) FROM {table.side}") if is_there(connection, table.bare_side) else 0
    there = {
        "index": is_there(connection, table.index),
        "rows": held > 0,
        "tables": is_there(connection, table.bare_side),
    }
    steps = tuple(
        Step(part, "in one transaction with the others", statements, ALL, held if part == "rows" else 0)
        for part, statements in table.opposite().items()
        if part in parts and there[part]
    )
    obstacles = list(_obstacles(connection, table, request, "INSERT")) if "rows" in parts and held else []
    if "rows" in parts and held and there["index"] and "index" not in parts:
        obstacles.append(
            Obstacle(True, "Duplicates cannot come back while the index stands.", "Undo index,rows together.")
        )
    if "tables" in parts and held and "rows" not in parts:
        obstacles.append(
            Obstacle(True, f"{held:,} rows stand in quarantine and nowhere else.", "Undo rows,tables together.")
        )
    digest = _digest([one for step in steps for one in step.statements])
    return UndoPlan(shown, table.name, tuple(parts), held, None, tuple(obstacles), steps, digest, ())


def is_there(connection: sqlite3.Connection, name: str) -> bool:
    """Whether there is a table or index of this name."""
    return bool(number(connection, f"SELECT count(*) FROM sqlite_master WHERE name = {literal(name)}"))


def number(connection: sqlite3.Connection, statement: str) -> int:
    """The one number that a statement gives."""
    return int(connection.execute(statement).fetchone()[0])


def excess(connection: sqlite3.Connection, table: Table) -> int:
    """Rows beyond the first of each fact."""
    return number(connection, f"SELECT coalesce(sum(n - 1), 0) FROM ({_repeated(table)})")


def _repeated(table: Table) -> str:
    return f"SELECT count(*) AS n FROM {quoted(table.name)} WHERE {table.concerned} GROUP BY {table.keys} HAVING count(*) > 1"


def _count(connection: sqlite3.Connection, table: Table, request: Request) -> Counts:
    name = quoted(table.name)
    rows = number(connection, f"SELECT count(*) FROM {name}")
    concerned = number(connection, f"SELECT count(*) FROM {name} WHERE {table.concerned}")
    nulls = number(connection, f"SELECT count(*) FROM {name} WHERE {table.lacking}")
    affected, largest = connection.execute(f"SELECT count(*), coalesce(max(n), 1) FROM ({_repeated(table)})").fetchone()
    again = (
        None if table.parts.published is None or request.keep == "published" else number(connection, table.sent_again())
    )
    return Counts(rows, concerned, nulls, affected, excess(connection, table), largest, again)


def _obstacles(connection: sqlite3.Connection, table: Table, request: Request, event: str) -> Iterator[Obstacle]:
    if not _has_row_ids(connection, table):
        yield Obstacle(
            True, f"{table.name} has no row ids (WITHOUT ROWID).", "Its primary key must be repaired by hand."
        )
    for name, trigger in connection.execute(TRIGGERS, [table.name]):
        if f" {event} " in " ".join(trigger.upper().split()):
            yield Obstacle(not request.accept_triggers, f"The trigger {name} fires for every row that is moved.",
                           "" if request.accept_triggers else "If that is harmless, add --accept-triggers.")  # fmt: skip
    for (other,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        rows: list[Any] = connection.execute(f"PRAGMA foreign_key_list({quoted(other)})").fetchall()
        if any(row[2].lower() == table.name.lower() for row in rows):
            yield Obstacle(
                True, f"{other} refers to rows of {table.name}; taking rows out would leave it without them."
            )


def _has_row_ids(connection: sqlite3.Connection, table: Table) -> bool:
    (definition,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", [table.name]).fetchone()
    return "WITHOUT ROWID" not in definition.upper()


def _notes(counts: Counts) -> Iterator[str]:
    if counts.nulls:
        yield f"{counts.nulls:,} rows have a NULL in the key. NULL is equal to nothing: they stay, and more are accepted."
    if counts.sent_again:
        yield (f"Of {counts.sent_again:,} facts an unpublished row would stay although another was published: a relay would "
               "publish it again. --keep published keeps the published one.")  # fmt: skip
    yield "Once the index stands, writers need ON CONFLICT DO NOTHING, or an answer to the error of a unique index."


def _digest(statements: Sequence[str]) -> str:
    return sha256("\n".join(statements).encode()).hexdigest()[:16]


def shown(path: Path, table: str | None) -> str:
    """The source as it may be printed."""
    return f"sqlite:{path}" + (f"?table={table}" if table else "")
