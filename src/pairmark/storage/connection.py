"""Connections to PostgreSQL: one pool for each role, transactions with fault points, driver errors translated once.

A role sees only its own schema, and each schema may stand in a database of its own. Nothing here knows what is stored.
"""

import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
from psycopg import errors as pg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolTimeout

from pairmark.errors import BadRequest, BrokenData, Busy, PairmarkError
from pairmark.storage import faults

Tx = psycopg.Connection[TupleRow]
"""A connection inside a transaction that the caller owns: whoever gets one may execute, never commit."""

_SESSION = (
    "-c lock_timeout=10s -c idle_in_transaction_session_timeout=120s -c client_min_messages=warning "
    "-c tcp_keepalives_idle=20 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3 -c tcp_user_timeout=50000"
)
_ALIVE = {"keepalives_idle": 20, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 50_000}
"""Both ends notice within a minute that the other's machine is gone; the server then frees its locks. Unix sockets ignore it."""
_CONNECT_SECONDS = 5
_POOL_SECONDS = 15.0
_REFUSED = re.compile(
    r"(password authentication failed|database \".*\" does not exist|role \".*\" does not exist|no pg_hba.conf entry|"
    r"no password supplied|is not permitted to log in|permission denied for database)"
)
"""Refusals in which the driver gives no SQLSTATE, because there is no connection yet."""
MOVED = "PM006"
"""What a database says that was copied to another one and stays as it is; its hint is the remedy."""
_BUSY = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    pg.DeadlockDetected,
    pg.SerializationFailure,
    pg.LockNotAvailable,
    pg.QueryCanceled,
    pg.IdleInTransactionSessionTimeout,
    pg.TransactionTimeout,
    pg.ReadOnlySqlTransaction,  # a failover left us with a server that is not, or no more, the one to write to
    PoolTimeout,
)


class Database:
    """All connections of one process to the database of an installation, or to the several that its services are spread over.

    `direct_login` is true on the embedded server, where each role logs in by name; elsewhere the session takes the role on.
    `elsewhere`: addresses of schemas that stand in other databases than this one.
    """

    def __init__(
        self, conninfo: str, *, direct_login: bool = False, elsewhere: Mapping[str, str] | None = None
    ) -> None:
        self.conninfo = _checked(conninfo)
        self._elsewhere = {schema: _checked(address) for schema, address in (elsewhere or {}).items()}
        self._direct_login = direct_login
        self._pools: dict[tuple[str, str], ConnectionPool[Tx]] = {}
        self._lock = threading.Lock()
        self._patience = _POOL_SECONDS

    def hurry(self, seconds: float) -> None:
        """From now on wait no longer than this for a connection: for a process that is to end."""
        self._patience = seconds

    def address(self, schema: str | None = None) -> str:
        """Where a schema stands; what is not named stands where everything does."""
        return self._elsewhere.get(schema, self.conninfo) if schema else self.conninfo

    def places(self, schemas: Iterable[str]) -> dict[str, list[str]]:
        """The databases by address, the main one first, each with those of `schemas` that stand there."""
        found: dict[str, list[str]] = {self.conninfo: []}
        for schema in schemas:
            found.setdefault(self.address(schema), []).append(schema)
        return found

    def role_conninfo(self, role: str, schema: str | None = None) -> str:
        """Connection string of `pairmark_<role>`, which finds its tables in `schema` (by default the one of its name)."""
        return self._conninfo(role, self.address(schema or role), schema or role)

    def _conninfo(self, role: str, address: str, search_path: str) -> str:
        options = f"{_SESSION} -c search_path={search_path}"
        if self._direct_login and address == self.conninfo:
            return make_conninfo(_alive(address), user=f"pairmark_{role}", options=options)
        return make_conninfo(_alive(address), options=f"{options} -c role=pairmark_{role}")

    def connect(self, role: str | None = None, schema: str | None = None) -> Tx:
        """A direct connection outside the pools, in autocommit: for session locks and administration."""
        with translated():
            conninfo = _alive(self.address(schema)) if role is None else self.role_conninfo(role, schema)
            return psycopg.connect(conninfo, autocommit=True, connect_timeout=_CONNECT_SECONDS)

    @contextmanager
    def transaction(self, role: str, schema: str | None = None) -> Iterator[Tx]:
        """One transaction of `role`, where `schema` stands; commits at the end of the block, rolls back on any error."""
        with translated(), self._pool(role, schema).connection(timeout=self._patience) as connection:
            yield connection
            faults.reach(f"{role}.before_commit")
            connection.commit()
            faults.reach(f"{role}.after_commit")

    def at_once(self, role: str, query: LiteralString, params: Any) -> list[TupleRow]:
        """One statement of `role`, a transaction by itself, in one round trip; returns what it returns."""
        with translated(), self._pool(role).connection(timeout=self._patience) as connection:
            connection.autocommit = True
            try:
                return execute(connection, query, params)
            finally:
                if not connection.closed:
                    connection.autocommit = False

    def close(self) -> None:
        """Give every connection back."""
        with self._lock:
            pools, self._pools = list(self._pools.values()), {}
        for pool in pools:
            pool.close(timeout=2)

    def _pool(self, role: str, schema: str | None = None) -> ConnectionPool[Tx]:
        where = (role, self.address(schema or role))
        with self._lock:
            pool = self._pools.get(where)
            if pool is None:
                pool = ConnectionPool(
                    self._conninfo(role, where[1], role),
                    min_size=0,
                    max_size=8,
                    max_idle=300,
                    timeout=_POOL_SECONDS,
                    reconnect_timeout=10,
                    kwargs={"connect_timeout": _CONNECT_SECONDS},
                    open=True,
                )
                self._pools[where] = pool
            return pool


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into ours, once, at this edge."""
    try:
        yield
    except PairmarkError:
        raise
    except (pg.DiskFull, pg.OutOfMemory) as error:
        raise _no_room() from error
    except (pg.InvalidPassword, pg.InvalidAuthorizationSpecification, pg.InvalidCatalogName) as error:
        raise BadRequest(f"The database refuses the connection: {_first_line(error)}.") from error
    except pg.InsufficientPrivilege as error:
        raise BadRequest(f"The database role lacks a right: {_first_line(error)}.") from error
    except pg.ProgramLimitExceeded as error:  # an operational error to the driver, but waiting does not shrink a value
        raise BrokenData(f"The database cannot hold a value of this size: {_first_line(error)}.") from error
    except _BUSY as error:
        if _REFUSED.search(str(error)):
            raise BadRequest(
                f"The database refuses the connection: {_first_line(error)}.",
                remedy="Check user, password and database name.",
            ) from error
        if "No space left on device" in str(error):
            raise _no_room() from error
        raise Busy(
            f"The database cannot be reached or is busy: {_first_line(error)}.",
            remedy="Run the same command again when it is up; it goes on where it was.",
        ) from error
    except psycopg.Error as error:
        if error.sqlstate == MOVED:
            raise BadRequest(f"{_first_line(error)}.", remedy=error.diag.message_hint or "") from error
        raise BrokenData(f"The database refuses the change: {_first_line(error)}.") from error


def _no_room() -> Busy:
    return Busy(
        "The database has no room left on its disk; nothing was lost.",
        remedy="Free some space and run the same command again.",
    )


def _checked(conninfo: str) -> str:
    """The address, if it can be read. The driver's own words are dropped: they may repeat a password."""
    try:
        ports = str(conninfo_to_dict(conninfo).get("port") or "").split(",")
    except psycopg.Error:
        ports = ["unreadable"]
    if not all(port == "" or (port.isdigit() and int(port) < 65_536) for port in ports):
        raise BadRequest(
            "The database address cannot be read.",
            remedy="Write it as postgresql://user:password@host:5432/name, with %25 for a % and %40 for an @ in the password.",
        )
    return conninfo


def _alive(conninfo: str) -> str:
    """The address with our keepalives, where it names none of its own."""
    named = conninfo_to_dict(conninfo)
    return make_conninfo(conninfo, **{name: value for name, value in _ALIVE.items() if name not in named})


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")


def values(rows: list[TupleRow]) -> list[Any]:
    """First column of each row."""
    return [row[0] for row in rows]


def execute(tx: Tx, query: LiteralString, params: Any = None) -> list[TupleRow]:
    """Run one statement and fetch what it returns (an empty list when it returns nothing)."""
    cursor = tx.execute(query, params)
    returned = cursor.pgresult is not None and cursor.pgresult.status == psycopg.pq.ExecStatus.TUPLES_OK
    return cursor.fetchall() if returned else []  # rows without columns (`SELECT FROM …`) are rows too
