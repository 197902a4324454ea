"""Which installation a database belongs to, whether it works here or has moved away, and who is at work on it right now.

Every process holds a shared session lock on each of its databases while it works; whoever moves an installation needs it alone.
The lock is a courtesy that gives a clear refusal. What makes a moved database stay as it is are triggers in it.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg

from pairmark.config import without_password
from pairmark.errors import BadRequest, Busy
from pairmark.storage.connection import Database, Tx, execute, translated

SCHEMA = "installation"
ACTIVE, ARRIVING, ARRIVED, MOVED = "active", "arriving", "arrived", "moved"

_AT_WORK = 7_216_250_904
_HOLDERS = """
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid() AND objsubid = 1
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (classid::bigint << 32) + objid::bigint = %s
"""


@dataclass(frozen=True)
class Standing:
    """What a database says of itself. `other`: where a copy of it went, or came from."""

    id: UUID
    schemas: tuple[str, ...]
    state: str
    copy_id: UUID | None
    other: str | None
    changed_at: datetime


def standing(connection: Tx) -> Standing | None:
    """What the database says of itself; None if nobody has set it up, or only an older version of Pairmark."""
    if execute(connection, "SELECT to_regclass('installation.standing')")[0][0] is None:
        return None
    rows = execute(connection, "SELECT id, schemas, state, copy_id, other, changed_at FROM installation.standing")
    return Standing(rows[0][0], tuple(rows[0][1]), *rows[0][2:]) if rows else None


def found(connection: Tx, identity: UUID | None, schemas: Sequence[str]) -> UUID:
    """Write down, where nothing is, that these schemas of the installation stand here; returns the installation's id."""
    rows = execute(
        connection,
        "INSERT INTO installation.standing (id, schemas, state) VALUES (coalesce(%s, gen_random_uuid()), %s, 'active') "
        "ON CONFLICT DO NOTHING RETURNING id",
        [identity, sorted(schemas)],
    )
    return UUID(str(rows[0][0])) if rows else execute(connection, "SELECT id FROM installation.standing")[0][0]


def itself(connection: Tx) -> tuple[object, ...]:
    """What tells a database from every other one, whatever address leads there."""
    query = "SELECT system_identifier, (SELECT oid FROM pg_database WHERE datname = current_database()) FROM pg_control_system()"
    return tuple(execute(connection, query)[0])


def check_work(here: Standing | None) -> None:
    """Refuse to work on a database that moved away, or is not all there yet."""
    if here is None or here.state == ACTIVE:
        return
    if here.state == MOVED:
        raise BadRequest(
            f"This Pairmark moved to {here.other} on {here.changed_at:%Y-%m-%d}.",
            remedy=f"Set PAIRMARK_DATABASE, or --database, to {here.other}.",
        )
    raise BadRequest(
        f"This database is the goal of a copy from {here.other} that has not come to its end.",
        remedy="Give the same `pairmark db copy` again; it goes on where it was.",
    )


def check_places(places: Mapping[str, Sequence[str]], told: Mapping[str, tuple[Standing | None, set[str]]]) -> None:
    """Refuse addresses that lead elsewhere than where the schemas stand: a service would begin anew beside its data.

    `told`: by address, what the database says of itself and the schemas that are there.
    """
    identities = {here.id for here, _ in told.values() if here is not None}
    for address, schemas in places.items():
        here, there = told[address]
        strays = there - set(schemas)
        if strays or (here is not None and set(here.schemas) != set(schemas)):
            keeps = ", ".join(sorted(here.schemas if here is not None else there))
            raise BadRequest(
                f"The database {shown(address)} is that of {keeps}; the addresses given want {', '.join(sorted(schemas))} there.",
                remedy="Give every process the same PAIRMARK_DATABASE addresses as when the databases were set up.",
            )
    if len(identities) > 1:
        raise BadRequest(
            "The databases given belong to different installations of Pairmark.",
            remedy="Check PAIRMARK_DATABASE and the addresses of the single services; nothing was changed.",
        )


def shown(address: str) -> str:
    """An address as it may be shown: without its password."""
    if "://" in address:
        return without_password(address)
    with suppress(psycopg.Error):
        parts = psycopg.conninfo.conninfo_to_dict(address)
        return f"{parts.get('dbname', '')} at {parts.get('host', '')}"
    return "(not shown)"


class Presence:
    """The locks by which a process at work is seen, one in each of its databases."""

    def __init__(self, database: Database, schemas: Sequence[str]) -> None:
        self._database = database
        self._places = [first for first, *_ in database.places(schemas).values()]
        self._held: dict[str, Tx] = {}
        self._lock = threading.Lock()

    def renew(self) -> None:
        """Hold every lock, also after a server went away; refuses where the installation is being moved, or has moved."""
        if not self._lock.acquire(blocking=False):
            return  # another thread is about it
        try:
            for schema in self._places:
                if not self._alive(schema):
                    self._held[schema] = self._present(schema)
        finally:
            self._lock.release()

    def _present(self, schema: str) -> Tx:
        connection = self._database.connect(schema=schema)
        try:
            with translated():
                _join(connection)
                check_work(standing(connection))
        except BaseException:
            connection.close()
            raise
        return connection

    def _alive(self, schema: str) -> bool:
        connection = self._held.get(schema)
        if connection is None:
            return False
        try:
            connection.execute("SELECT")
        except psycopg.Error:
            connection.close()
            return False
        return True

    def close(self) -> None:
        """Be gone."""
        for connection in self._held.values():
            connection.close()


@contextmanager
def at_work(database: Database, schemas: Sequence[str]) -> Iterator[Presence]:
    """Be seen at work on all databases while the block lasts; refused while one is being moved, and after that."""
    presence = Presence(database, schemas)
    try:
        presence.renew()
        yield presence
    finally:
        presence.close()


@contextmanager
def alone(connection: Tx, what: str) -> Iterator[None]:
    """Nobody else is at work on this database while the block lasts, nor can begin; refused while somebody is."""
    if not execute(connection, "SELECT pg_try_advisory_lock(%s)", [_AT_WORK])[0][0]:
        number = execute(connection, _HOLDERS, [_AT_WORK])[0][0]
        raise Busy(
            f"{number} {'process is' if number == 1 else 'processes are'} at work on {what}.",
            remedy="Stop every worker and command there, then run the same command again.",
        )
    with ExitStack() as stack:
        stack.callback(_leave, connection)
        yield


def _leave(connection: Tx) -> None:
    if not connection.closed and not connection.broken:
        with suppress(psycopg.Error):
            connection.execute("SELECT pg_advisory_unlock(%s)", [_AT_WORK])


def _join(connection: Tx) -> None:
    if not execute(connection, "SELECT pg_try_advisory_lock_shared(%s)", [_AT_WORK])[0][0]:
        raise Busy(
            "This Pairmark is being copied to another database.",
            remedy="Wait for the copy to end; work goes on there.",
        )
