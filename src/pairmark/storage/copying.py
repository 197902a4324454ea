"""Moving an installation to another database, so that at no moment both work and nothing is lost.

Two databases cannot commit together, so the copy goes through states that each side commits alone:

    goal: arriving -> goal: arrived, with all rows -> source: moved -> goal: active

The source works until it is marked as moved, and never again after that. The goal works only once that mark is known. A process
that dies in between leaves one of these states, and the same command goes on from it: before the mark by copying anew, because
the source may have worked since; after it by letting the goal work. All of the source is read in one snapshot, under locks that
keep every writer away until the mark, which is set in the same transaction.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from uuid import UUID, uuid4

import psycopg
from psycopg import sql

from pairmark.errors import BadRequest, BrokenData, Busy
from pairmark.storage import copied_tables, faults, installation, schema
from pairmark.storage.connection import Database, Tx, execute, translated
from pairmark.storage.installation import ACTIVE, ARRIVED, MOVED, SCHEMA, Standing

Told = Callable[[str, int, int], None]
"""Hears what is being done, and how many of how many rows have gone."""

LOCK_SECONDS = 20
_SESSION = """
SELECT set_config(name, value, false) FROM (VALUES ('statement_timeout', '0'), ('idle_in_transaction_session_timeout', '0'),
    ('transaction_timeout', '0'), ('TimeZone', 'UTC'), ('DateStyle', 'ISO'), ('IntervalStyle', 'postgres'),
    ('extra_float_digits', '1'), ('bytea_output', 'hex'), ('search_path', 'pg_catalog')) AS wanted (name, value)
WHERE EXISTS (SELECT FROM pg_settings s WHERE s.name = wanted.name)
"""
_FOREIGN = """
SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'installation') AND NOT EXISTS (
    SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') LIMIT 1
"""


@dataclass(frozen=True)
class Copied:
    """How a copy ended. `before`: an earlier run had already moved the rows."""

    tables: int
    rows: int
    before: bool


@dataclass(frozen=True)
class Side:
    """One of the two databases, with the name it may be called by."""

    database: Database
    name: str


def copy(source: Side, goal: Side, told: Told, *, upgrade_if_needed: bool = False) -> Copied:
    """Move the installation at `source` to `goal`, or go on with a move that was cut off; the source must be at rest."""
    with translated(), _session(source.database) as out, _session(goal.database) as into:
        if installation.itself(out) == installation.itself(into):
            raise BadRequest(f"{goal.name} is the database that is to be moved.", remedy="Name another one after --to.")
        with installation.alone(out, source.name), installation.alone(into, goal.name):
            faults.reach("copy.alone")
            here, there = installation.standing(out), installation.standing(into)
            if here is not None and here.state == MOVED:
                return _confirm(into, here, there)
            installation.check_work(here)
            schema.require_current(source.database, upgrade_if_needed=upgrade_if_needed, install=False)
            here = installation.standing(out)
            assert here is not None
            _check_goal(out, into, here, there, goal.name)
            copy_id = uuid4()
            _set_up(into, goal.database, here, copy_id, source.name)
            copied = _move(out, into, copy_id, goal.name, told)
            _activate(into, copy_id)
            return copied


def _check_goal(out: Tx, into: Tx, here: Standing, there: Standing | None, name: str) -> None:
    """The goal is empty, or holds what an interrupted copy of this installation left; and can hold what is to come."""
    if into.info.server_version // 10000 < out.info.server_version // 10000:
        raise BadRequest(
            f"{name} is PostgreSQL {into.info.server_version // 10000}, older than {out.info.server_version // 10000} here.",
            remedy="Copy to a server of the same version or a newer one.",
        )
    encoding = execute(into, "SHOW server_encoding")[0][0]
    if encoding != execute(out, "SHOW server_encoding")[0][0]:
        raise BadRequest(
            f"{name} stores text as {encoding}.", remedy="Create the database with ENCODING 'UTF8' TEMPLATE template0."
        )
    if there is None:
        foreign = execute(into, _FOREIGN)
        if foreign:
            raise BadRequest(f"{name} is not empty: it holds {foreign[0][0]}.", remedy="Name an empty database.")
    elif there.state in {ACTIVE, MOVED} or there.id != here.id:
        raise BadRequest(f"{name} holds a Pairmark of its own.", remedy="Name an empty database.")


def _set_up(into: Tx, goal: Database, here: Standing, copy_id: UUID, source_name: str) -> None:
    """Mark the goal as arriving before anything else is in it, so that nobody begins to work there; then make the schemas."""
    schema.run_migrations(goal.conninfo, SCHEMA)
    execute(
        into,
        "INSERT INTO installation.standing (id, schemas, state, copy_id, other) VALUES (%s, %s, 'arriving', %s, %s) "
        "ON CONFLICT (only_row) DO UPDATE SET state = 'arriving', copy_id = EXCLUDED.copy_id, other = EXCLUDED.other, "
        "changed_at = clock_timestamp()",
        [here.id, list(here.schemas), copy_id, source_name],
    )
    faults.reach("copy.arriving")
    schema.upgrade(goal)
    faults.reach("copy.set_up")


def _move(out: Tx, into: Tx, copy_id: UUID, goal_name: str, told: Told) -> Copied:
    """All rows, and the mark, in one transaction of the source around one of the goal."""
    out.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    tables = copied_tables.tables(into, schema.SCHEMAS)
    _lock_out_writers(out, tables)
    if sorted(map(repr, copied_tables.tables(out, schema.SCHEMAS))) != sorted(map(repr, tables)):
        raise BrokenData("The tables of the two databases differ.", remedy="Undo changes made to them by hand.")
    told("counting", 0, 0)
    total = sum(copied_tables.count(out, table) for table in tables)
    faults.reach("copy.snapshot")
    into.execute("BEGIN")
    _fill(out, into, tables, total, told)
    _state(into, ARRIVED, copy_id)
    faults.reach("copy.before_arrival")
    into.execute("COMMIT")
    faults.reach("copy.arrived")
    _mark(out, tables, copy_id, goal_name)
    faults.reach("copy.before_mark")
    out.execute("COMMIT")
    faults.reach("copy.marked")
    return Copied(len(tables), total, before=False)


def _lock_out_writers(out: Tx, tables: Sequence[copied_tables.Table]) -> None:
    """Before the snapshot is taken: what a writer without our lock commits later would be lost with the source."""
    every = sql.SQL(", ").join(table.identifier for table in tables)
    try:
        out.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'".encode())
        out.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(every))
    except psycopg.errors.LockNotAvailable as error:
        raise Busy(
            f"Somebody has been writing to the database to be moved for {LOCK_SECONDS} s.",
            remedy="End that session, then run the same command again.",
        ) from error


def _fill(out: Tx, into: Tx, tables: Sequence[copied_tables.Table], total: int, told: Told) -> None:
    """Every row and every numbering; afterwards the guards of both sides are the same."""
    unguarded = copied_tables.WithoutGuards(into, tables)
    unguarded.begin()
    done = 0

    def went(rows: int) -> None:
        nonlocal done
        done = min(done + rows, total)
        told(str(table), done, total)

    for table in tables:
        told(str(table), done, total)
        copied_tables.move_rows(out, into, table, went)
    copied_tables.move_sequences(out, into, schema.SCHEMAS)
    unguarded.end()
    if copied_tables.guards(out, schema.SCHEMAS) != copied_tables.guards(into, schema.SCHEMAS):
        raise BrokenData(
            "The guards (triggers) of the two databases differ; nothing was moved.",
            remedy="Undo changes made to the triggers by hand, then give the command again.",
        )


def _mark(out: Tx, tables: Sequence[copied_tables.Table], copy_id: UUID, goal_name: str) -> None:
    """From the commit of this on, every change to the source is refused, whoever tries and on whatever connection."""
    execute(
        out,
        "UPDATE installation.standing SET state = 'moved', copy_id = %s, other = %s, changed_at = clock_timestamp()",
        [copy_id, goal_name],
    )
    for table in tables:
        out.execute(
            sql.SQL(
                "CREATE TRIGGER a_moved_database_stays BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {} "
                "FOR EACH STATEMENT EXECUTE FUNCTION installation.refuse_moved()"
            ).format(table.identifier)
        )


def _confirm(into: Tx, here: Standing, there: Standing | None) -> Copied:
    """The source was marked by an earlier run: all rows are at the goal, if this is it, and it may work."""
    if there is None or there.copy_id is None or there.copy_id != here.copy_id or there.state not in {ARRIVED, ACTIVE}:
        installation.check_work(here)
    assert there is not None
    if there.state == ARRIVED:
        _activate(into, here.copy_id)
    return Copied(0, 0, before=True)


def _activate(into: Tx, copy_id: UUID | None) -> None:
    faults.reach("copy.before_start")
    _state(into, ACTIVE, copy_id)
    faults.reach("copy.started")


def _state(connection: Tx, state: str, copy_id: UUID | None) -> None:
    query = (
        "UPDATE installation.standing SET state = %s, changed_at = clock_timestamp() WHERE copy_id = %s AND state <> %s "
        "RETURNING 1"
    )
    if not execute(connection, query, [state, copy_id, state]):
        raise Busy("Another copy into this database was begun.", remedy="Run the same command again.")


@contextmanager
def _session(database: Database) -> Iterator[Tx]:
    """A connection on which long work is not cut off; when that work is interrupted, the server stops it, too."""
    with ExitStack() as stack:
        connection = database.connect()
        stack.callback(connection.close)
        execute(connection, _SESSION)
        try:
            yield connection
        except BaseException:
            if connection.info.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
                with suppress(psycopg.Error):
                    connection.cancel_safe(timeout=2)
            raise
