"""Which kind of source an address means. A password in it is never shown again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import duckdb

from pairmark.audit.sources.reach import Reach
from pairmark.audit.sources.sqlite_address import split
from pairmark.errors import BadRequest

KNOWN = "a CSV, JSONL, Parquet or log file, sqlite:FILE, postgresql://…, mysql://…, kafka://HOST:PORT/TOPIC, or loki+http://HOST?query=…"

LINES = (".jsonl", ".ndjson")
"""Files of such names are exports or logs, which their first lines tell."""


class Source(Protocol):
    """A place that holds events."""

    @property
    def shown(self) -> str:
        """The address as it may be printed."""
        ...

    def columns(self) -> list[str]:
        """Names of the columns there are, in order."""
        ...

    def load(self, store: duckdb.DuckDBPyConnection, names: Sequence[str]) -> None:
        """Make the relation `raw` with these columns, under their own names."""
        ...

    def look_closer(
        self,
        store: duckdb.DuckDBPyConnection,
        names: Sequence[str],
        keys: Sequence[str],
        spelled: Sequence[Sequence[str | None]],
    ) -> None:
        """Make the table `near` with the columns `names` of the rows whose columns `keys` are, as text, one of `spelled`."""
        ...

    def reach(self) -> Reach:
        """How far it could be seen, once everything was read."""
        ...

    def close(self) -> None:
        """Let go of what was opened."""
        ...


@runtime_checkable
class HasTables(Protocol):
    """A source that has tables beside the one that is read."""

    def tables(self) -> dict[str, list[str]]:
        """Tables that may be read, with their columns."""
        ...


@runtime_checkable
class HasKeys(Protocol):
    """A source that knows what is unique in its table."""

    def unique(self) -> list[frozenset[str]]:
        """The columns of each unique key over all rows of the table."""
        ...


@runtime_checkable
class TakesQueries(Protocol):
    """A source that runs a query of the user by itself."""

    def run_query(self, query: str) -> Any:
        """The rows, as an Arrow table; only reads."""
        ...


def open_source(text: str, settings: Mapping[str, str] | None = None) -> Source:
    """The source at this address; refuses what it cannot know in one sentence. `settings`: of a session of a server."""
    scheme, colon, rest = text.partition(":")
    kind = scheme.lower() if colon else ""
    makers: dict[str, Callable[[], Source]] = {
        "postgresql": lambda: _postgres(text, settings or {}),
        "postgres": lambda: _postgres(text, settings or {}),
        "mysql": lambda: _mysql(text, settings or {}),
        "mariadb": lambda: _mysql(text, settings or {}),
        "sqlite": lambda: _sqlite(rest),
        "kafka": lambda: _kafka(text),
        "loki+http": lambda: _loki(text),
        "loki+https": lambda: _loki(text),
        "log": lambda: _log(rest),
    }
    if kind in makers:
        return makers[kind]()
    if colon and len(scheme) > 1 and rest.startswith("//"):
        raise BadRequest(f"{scheme}:// is no source that can be read here.", remedy=f"Give {KNOWN}.")
    return _file(text)


def _postgres(text: str, settings: Mapping[str, str]) -> Source:
    from pairmark.audit.sources.postgres import PostgresTable  # noqa: PLC0415 - only what is used is loaded

    return replace(PostgresTable.at(text), settings=settings)


def _sqlite(rest: str) -> Source:
    from pairmark.audit.sources.sqlite import SqliteTable  # noqa: PLC0415

    return SqliteTable(*split(rest))


def _mysql(text: str, settings: Mapping[str, str]) -> Source:
    with needing("MySQL", "mysql"):
        from pairmark.audit.sources.mysql import MysqlTable  # noqa: PLC0415
    from pairmark.audit.sources.mysql_address import MysqlAddress  # noqa: PLC0415

    return MysqlTable(MysqlAddress.of(text), settings)


def _kafka(text: str) -> Source:
    with needing("Kafka", "kafka"):
        from pairmark.audit.sources.kafka import KafkaTopics  # noqa: PLC0415
    return KafkaTopics(text)


@contextmanager
def needing(what: str, extra: str) -> Iterator[None]:
    """Around imports that need an extra: what to install if it is not there."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise BadRequest(
            f"{what} needs the package {error.name}, which is not installed.", remedy=f"Install pairmark[{extra}]."
        ) from error


def _loki(text: str) -> Source:
    from pairmark.audit.sources.loki import LokiLogs  # noqa: PLC0415

    return LokiLogs.at(text)


def _log(path: str) -> Source:
    from pairmark.audit.sources.logs import LogFiles  # noqa: PLC0415

    return LogFiles.at(path)


def _file(text: str) -> Source:
    suffix = Path(text.removesuffix(".gz")).suffix.lower()
    if suffix == ".log" or text.endswith(".gz"):
        return _log(text)
    if suffix in LINES and Path(text).is_file():
        from pairmark.audit.sources.logs import is_log  # noqa: PLC0415

        if is_log(Path(text)):
            return _log(text)
    from pairmark.audit.sources.files import FileOfRows  # noqa: PLC0415

    return FileOfRows.at(text)
