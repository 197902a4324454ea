"""One connection to somebody's PostgreSQL: every statement has a lock and a time limit, and what is busy is tried again, spaced."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import psycopg
from psycopg import errors

from pairmark.audit.sources.postgres_address import PostgresAddress
from pairmark.clock import Clock, SystemClock
from pairmark.errors import BadRequest, Busy

NAME = "pairmark audit repair"
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 10.0


class InUse(Exception):
    """Another run of the same repair is at work."""


WORTH_ANOTHER_TRY = (InUse, errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure)
Answer = TypeVar("Answer")


class Listener(Protocol):
    """Hears how far a repair has come. Tests end the process in `point`."""

    def step(self, name: str, sentence: str) -> None:
        """A step begins."""
        ...

    def progress(self, what: str, done: int, total: int | None) -> None:
        """A long step has come so far."""
        ...

    def point(self, name: str) -> None:
        """A place between two effects is reached."""
        ...


class Session:
    """A connection in autocommit, read committed, whatever the server's defaults are."""

    def __init__(self, address: PostgresAddress, *, lock_timeout: float, statement_timeout: float) -> None:
        self.shown = address.shown
        self._lock_timeout = lock_timeout
        with _translated(self.shown):
            self.connection = psycopg.connect(address.url, autocommit=True, application_name=NAME, connect_timeout=10)
            self.connection.execute("SET default_transaction_isolation = 'read committed'")
            self.set("lock_timeout", f"{round(lock_timeout * 1000)}ms")
            self.set("statement_timeout", f"{round(statement_timeout * 1000)}ms")
            self.set("idle_in_transaction_session_timeout", "60s")
            self._end_with_us()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and not self.connection.closed:
            self.connection.cancel_safe(timeout=5)
        self.connection.close()

    @property
    def pid(self) -> int:
        """The server's number for this session."""
        return self.connection.info.backend_pid

    def set(self, name: str, value: str) -> None:
        """Change a setting of this session."""
        self.rows("SELECT set_config(%s, %s, false)", [name, value])

    def rows(self, statement: str, values: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        """What a statement returns; nothing if it is none that returns rows."""
        with _translated(self.shown):
            cursor = self.connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def one(self, statement: str, values: Sequence[Any] | None = None) -> Any:
        """The first field of the first row; None without a row."""
        found = self.rows(statement, values)
        return found[0][0] if found else None

    def together(self, *statements: str) -> None:
        """All in one transaction, or none."""
        with _translated(self.shown), self.connection.transaction():
            for statement in statements:
                self.connection.execute(statement.encode())

    def in_vain(self, *statements: str) -> None:
        """All in one transaction that is rolled back: only whether they are possible matters."""
        with _translated(self.shown), self.connection.transaction(force_rollback=True):
            for statement in statements:
                self.connection.execute(statement.encode())

    @contextmanager
    def reading(self) -> Iterator[None]:
        """One read-only snapshot for everything within."""
        with _translated(self.shown), self.connection.transaction():
            self.connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield

    @contextmanager
    def lock_limit(self, seconds: float) -> Iterator[None]:
        """Another limit for locks within: a concurrent build may wait long, because it stops nobody meanwhile."""
        self.set("lock_timeout", f"{round(seconds * 1000)}ms")
        try:
            yield
        finally:
            if not self.connection.closed:
                self.set("lock_timeout", f"{round(self._lock_timeout * 1000)}ms")

    def _end_with_us(self) -> None:
        """Let the server end a long statement soon after this process died; older or other systems cannot."""
        try:
            self.connection.execute("SET client_connection_check_interval = '1s'")
        except (errors.UndefinedObject, errors.InvalidParameterValue):
            return


def patiently(
    action: Callable[[], Answer],
    patience: float,
    what: str,
    *,
    clock: Clock | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Answer:
    """Do it again, after growing pauses, as long as only a lock is in the way; at most `patience` seconds."""
    watch = clock or SystemClock()
    end, wait = watch.monotonic() + patience, FIRST_PAUSE
    while True:
        try:
            return action()
        except Busy as busy:
            if not isinstance(busy.__cause__, WORTH_ANOTHER_TRY) or watch.monotonic() + wait > end:
                raise Busy(f"{what} did not succeed: {busy.message}", remedy=busy.remedy) from busy.__cause__
        pause(wait)
        wait = min(2 * wait, LONGEST_PAUSE)


@contextmanager
def _translated(shown: str) -> Iterator[None]:
    """The driver's errors in our words, once."""
    try:
        yield
    except WORTH_ANOTHER_TRY as error:
        raise Busy(
            f"a lock could not be had in time ({first_line(error)}).",
            remedy="The same command goes on; end the transaction in the way, or give more --patience.",
        ) from error
    except errors.QueryCanceled as error:
        raise Busy(
            f"a statement took too long ({first_line(error)}).",
            remedy="The same command goes on; give more --statement-timeout.",
        ) from error
    except errors.InsufficientPrivilege as error:
        raise BadRequest(
            f"{shown}: a right is missing ({first_line(error)}).",
            remedy="`pairmark audit grants` prints what a repair needs.",
        ) from error
    except (errors.AdminShutdown, errors.CrashShutdown, errors.DiskFull, psycopg.OperationalError) as error:
        raise Busy(
            f"{shown} cannot be reached, or gave up: {first_line(error)}.",
            remedy="When it is back, the same command goes on where it was.",
        ) from error
    except psycopg.Error as error:
        raise BadRequest(f"{shown} refuses: {first_line(error)}.") from error


def first_line(error: BaseException) -> str:
    """The driver's first line, without passwords and without its full stop."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return re.sub(r"(?i)password=\S+", "password=***", text)[:300].rstrip(".")
