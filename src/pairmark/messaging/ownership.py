"""Who may do a thing that only one process at a time should do: session advisory locks on a connection of their own.

The lock dies with its connection, and its owner works on that same connection, so it cannot outlive the lock unknowingly.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import TypeVar

import psycopg

from pairmark.clock import Clock
from pairmark.errors import Busy, PairmarkError
from pairmark.storage.connection import Database, Tx, execute, translated, values

Thing = TypeVar("Thing")
TAKE = """
SELECT name FROM unnest(%s::text[]) AS n (name) WHERE pg_try_advisory_lock(hashtextextended(name, 1))
"""
FREE = """
SELECT name FROM unnest(%s::text[]) AS n (name) WHERE pg_try_advisory_xact_lock(hashtextextended(name, 1))
"""
HELD = """
SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (classid::bigint << 32) | objid::bigint = hashtextextended(%s, 1)
"""
STOPPED_AFTER_SECONDS = 30.0
"""An owner gives a sign of life every few seconds; one that has not for so long is stopped."""
OUST = """
SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.pid <> pg_backend_pid()
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (l.classid::bigint << 32) | l.objid::bigint = hashtextextended(%s, 1)
    AND a.state = 'idle' AND a.state_change < clock_timestamp() - make_interval(secs => %s)
"""
"""Ends the session that holds a lock and has been silent for long. One that is at a statement is not silent."""


def held_by_somebody(tx: Tx, name: str) -> bool:
    """Whether any process holds this lock; looking takes nothing."""
    return bool(execute(tx, HELD, [name]))


class OwnedConnection:
    """A direct connection that holds named locks. Every statement through it proves that they are still held."""

    def __init__(
        self,
        database: Database,
        role: str,
        schema: str | None = None,
        *,
        waits_for_disk: bool = True,
        plans: bool = True,
    ) -> None:
        """Without `waits_for_disk` a commit may be lost with the machine: for what is only done again then.

        Without `plans` queries go by the index that gives their order, whatever the planner thinks of a table that changes fast.
        """
        self._database = database
        self._role = role
        self._schema = schema
        self._settings = [] if waits_for_disk else ["synchronous_commit"]
        self._settings += [] if plans else ["enable_sort", "enable_bitmapscan", "enable_seqscan", "enable_hashjoin"]
        self._connection: Tx | None = None
        self.held: set[str] = set()

    def connection(self) -> Tx:
        """The live connection. One that was lost with locks is told as `Busy` once, and then replaced; its locks are gone."""
        if self._connection is None or self._connection.closed or self._connection.broken:
            if self.held:
                raise self.lost(Busy("The connection that held locks in the database was lost."))
            self._connection = self._database.connect(self._role, self._schema)
            with translated():
                for name in self._settings:
                    execute(self._connection, "SELECT set_config(%s, 'off', false)", [name])
        return self._connection

    def try_own(self, name: str) -> bool:
        """Take the named lock if nobody else has it."""
        return bool(self.try_own_each({name: True}))

    def try_own_each(self, names: Mapping[str, Thing]) -> list[Thing]:
        """Take each of these locks that nobody else has, in one statement; returns what stands under the names that are ours."""
        connection = self.connection()
        wanted = [name for name in names if name not in self.held]
        if wanted:
            with translated():
                self.held |= set(values(execute(connection, TAKE, [wanted])))
        return [thing for name, thing in names.items() if name in self.held]

    def free(self, names: Mapping[str, Thing]) -> list[Thing]:
        """What stands under those of these names that nobody else has; the locks are given back with the same statement."""
        if not names:
            return []
        with translated():
            found = set(values(execute(self.connection(), FREE, [list(names)])))
        return [thing for name, thing in names.items() if name in found]

    def beat(self) -> None:
        """Speak to the server, whatever thread works on the connection; what is wrong with it, its owner finds out."""
        connection = self._connection
        if connection is not None and self.held:
            with suppress(psycopg.Error):
                connection.execute("SELECT 1")

    def prove(self) -> None:
        """Raise `Busy` if the connection, and with it every lock, is gone without our having noticed."""
        with translated():
            execute(self.connection(), "SELECT 1")

    def lost(self, error: Busy) -> Busy:
        """Drop the connection after `error`, so that its locks are free and nothing more is done under them."""
        self.close()
        return error

    def close(self) -> None:
        """Give the locks and the connection back."""
        self.held.clear()
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Lookout:
    """For whoever did not get a lock: looks now and then whether its owner is stopped, and ends its session then.

    When that process wakes, its connection is gone, and what it does under the lock ends with an error.
    """

    def __init__(self, owned: OwnedConnection, clock: Clock) -> None:
        self._owned = owned
        self._clock = clock
        self._look_again_at = float("-inf")

    def look(self, name: str) -> int:
        """Look, unless that was done a moment ago; returns how many sessions were ended.

        As the login and not as the service's role: that alone sees its other sessions. Where even it may not, nothing is done.
        """
        if self._clock.monotonic() < self._look_again_at:
            return 0
        self._look_again_at = self._clock.monotonic() + STOPPED_AFTER_SECONDS / 6
        connection = self._owned.connection()
        try:
            with translated(), connection.transaction():
                execute(connection, "SET LOCAL ROLE NONE")
                return len(execute(connection, OUST, [name, STOPPED_AFTER_SECONDS]))
        except Busy:
            raise
        except PairmarkError:
            return 0
