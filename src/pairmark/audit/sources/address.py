"""Which kind of source an address means. A password in it is never shown again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import duckdb

from pairmark.audit.sources.reach import Reach
from pairmark.audit.sources.sqlite_address import split
from pairmark.errors import BadRequest

KNOWN = "a CSV, JSONL, Parquet or log file, sqlite:FILE, postgresql://…, kafka://HOST:PORT/TOPIC, or loki+http://HOST?query=…"

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


def open_source(text: str, settings: Mapping[str, str] | None = None) -> Source:
    """The source at this address; refuses what it cannot know in one sentence. `settings`: of a PostgreSQL session."""
    scheme, colon, rest = text.partition(":")
    kind = scheme.lower() if colon else ""
    makers: dict[str, Callable[[], Source]] = {
        "postgresql": lambda: _postgres(text, settings or {}),
        "postgres": lambda: _postgres(text, settings or {}),
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


def _kafka(text: str) -> Source:
    with needing_kafka():
        from pairmark.audit.sources.kafka import KafkaTopics  # noqa: PLC0415
    return KafkaTopics(text)


@contextmanager
def needing_kafka() -> Iterator[None]:
    """Around imports that need an extra: what to install if it is not there."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise BadRequest(
            f"Kafka needs the package {error.name}, which is not installed.", remedy="Install pairmark[kafka]."
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
