"""Sessions that read a PostgreSQL, each in one read-only transaction, and several of them in one snapshot."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import adbc_driver_manager
import adbc_driver_postgresql.dbapi as adbc

from pairmark.audit.sources.statements import literal, quoted

ONE_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
STARTED = "SELECT pg_postmaster_start_time()::text"
"""What tells one server from another behind the same address."""


def open_session(url: str, settings: Mapping[str, str]) -> Any:
    """One transaction with a snapshot of its own."""
    return _begun(adbc.connect(url), settings, None)


def _begun(session: Any, settings: Mapping[str, str], snapshot: str | None) -> Any:
    try:
        _begin(session, settings, snapshot)
    except BaseException:
        session.close()
        raise
    return session


def _begin(session: Any, settings: Mapping[str, str], snapshot: str | None) -> None:
    """With a snapshot of its own, or with one that another session has exported."""
    with session.cursor() as cursor:
        cursor.execute(ONE_SNAPSHOT)
        if snapshot is not None:
            cursor.execute(f"SET TRANSACTION SNAPSHOT {literal(snapshot)}")
        for name, value in settings.items():
            cursor.execute(f"SET {quoted(name)} = {literal(value)}")


@contextmanager
def together(first: Any, settings: Mapping[str, str]) -> Iterator[list[Any]]:
    """A session with one beside it in the same snapshot, if one is to be had.

    Behind one address may be several servers, or a pool that has no second session to give.
    """
    beside = None
    snapshot, started = asked(first, f"SELECT pg_export_snapshot(), ({STARTED})")
    with suppress(adbc_driver_manager.Error):
        beside = _begun(first.adbc_clone(), settings, snapshot)
        if asked(beside, STARTED) != (started,):
            beside.close()
            beside = None
    try:
        yield [one for one in (first, beside) if one is not None]
    finally:
        if beside is not None:
            beside.close()


def begin_anew(session: Any, settings: Mapping[str, str]) -> None:
    """Another transaction with another snapshot: the driver lets none go on after an error, not even to a savepoint."""
    session.rollback()
    _begin(session, settings, None)


def asked(session: Any, query: str, values: Sequence[Any] = ()) -> Any:
    """The first row of what a query gives, None if it gives none."""
    with session.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchone()
