"""Repairing a table of a SQLite file: everything in one BEGIN IMMEDIATE, so either all of it happens or nothing.

No guard is needed, because nobody else writes meanwhile; a killed run is rolled back by SQLite itself.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from pairmark.audit.repair import sqlite_table as tables
from pairmark.audit.repair.plan import Plan
from pairmark.audit.repair.request import PARTS_OF_UNDO, Request
from pairmark.audit.repair.result import Result, agree
from pairmark.audit.repair.session import Listener
from pairmark.audit.repair.undo import UndoPlan, UndoResult
from pairmark.audit.sources.sqlite_address import split
from pairmark.audit.sources.statements import quoted
from pairmark.errors import BadRequest, Busy


def make_plan(request: Request) -> Plan:
    """Look and count; nothing is written."""
    with _opened(request, "ro") as (connection, wanted, shown):
        return tables.plan_repair(connection, shown, tables.find(connection, request, wanted, shown), request)


def apply(request: Request, listener: Listener, *, digest: str | None = None) -> Result:
    """Do all of it in one transaction."""
    with _opened(request, "rw") as (connection, wanted, shown):
        connection.execute("BEGIN IMMEDIATE")
        table = tables.find(connection, request, wanted, shown)
        plan = tables.plan_repair(connection, shown, table, request)
        agree(plan, digest)
        listener.step(plan.steps[0].name, plan.steps[0].purpose)
        for statement in () if plan.nothing_to_do else table.statements():
            connection.execute(statement)
            listener.point("sqlite: statement")
        result = Result(
            table=table.name,
            digest=plan.digest,
            index=table.index,
            quarantine=table.bare_side,
            rows_before=plan.counts.rows if plan.counts else 0,
            rows_after=tables.number(connection, f"SELECT count(*) FROM {quoted(table.name)}"),
            quarantined=_held(connection, table),
            diverted=0,
            refused=0,
            slipped=0,
            excess=tables.excess(connection, table),
            valid=tables.is_there(connection, table.index),
            evading=(),
        )
        listener.point("sqlite: before commit")
        connection.execute("COMMIT")
    return result


def plan_undo(request: Request, parts: Sequence[str] = PARTS_OF_UNDO[:3]) -> UndoPlan:
    """What an undo would do."""
    with _opened(request, "ro") as (connection, wanted, shown):
        table = tables.find(connection, request, wanted, shown)
        return tables.plan_opposite(connection, shown, table, request, parts)


def undo(
    request: Request, listener: Listener, parts: Sequence[str] = PARTS_OF_UNDO[:3], *, digest: str | None = None
) -> UndoResult:
    """Take a repair back in one transaction."""
    with _opened(request, "rw") as (connection, wanted, shown):
        connection.execute("BEGIN IMMEDIATE")
        table = tables.find(connection, request, wanted, shown)
        plan = tables.plan_opposite(connection, shown, table, request, parts)
        agree(plan, digest)
        for step in plan.steps:
            listener.step(step.name, step.purpose)
            for statement in step.statements:
                connection.execute(statement)
        held = _held(connection, table)
        listener.point("sqlite: before commit")
        connection.execute("COMMIT")
    return UndoResult(table.name, plan.held - held, held)


def _held(connection: sqlite3.Connection, table: tables.Table) -> int:
    there = tables.is_there(connection, table.bare_side)
    return tables.number(connection, f"SELECT count(*) FROM {table.side}") if there else 0


@contextmanager
def _opened(request: Request, mode: str) -> Iterator[tuple[sqlite3.Connection, str | None, str]]:
    """A connection that is closed, and so rolled back, at the end; with the table that was named, and the source as it is shown."""
    path, wanted = split(request.source.partition(":")[2])
    if not path.is_file():
        raise BadRequest(f"{path} is not there.", remedy="Give sqlite:FILE with the path of a SQLite database.")
    try:
        uri = f"file:{path.absolute()}?mode={mode}"
        with closing(sqlite3.connect(uri, uri=True, timeout=request.patience, isolation_level=None)) as connection:
            yield connection, wanted, tables.shown(path, wanted)
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise Busy(
                f"{path} is locked by another process.", remedy="Nothing was changed; the same command tries again."
            ) from error
        raise BadRequest(f"{path} refuses: {error}.", remedy="Nothing was changed.") from error
    except sqlite3.DatabaseError as error:
        raise BadRequest(f"{path} refuses: {error}.", remedy="Nothing was changed.") from error
