"""What the ways of `pairmark audit` ask in the same words: a source, its columns, what the same fact means, the form of output."""

import argparse
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from pairmark.errors import BadRequest, Busy

EXIT_CODES = {"clean": 0, "findings": 1, "undetermined": 3}
WORST_FIRST = ("findings", "undetermined", "clean")
PARTS = ("aggregate", "type", "time", "id", "payload", "published", "key", "correlation")
GENTLE = {"max_parallel_workers_per_gather": "0", "lock_timeout": "1s", "statement_timeout": "60s"}
KEYS = "aggregate,type,id,key,correlation,payload"
SOURCE = (
    "a CSV, JSONL, Parquet or log file or glob, sqlite:FILE[?table=NAME], postgresql://...[?table=schema.name], "
    "mysql://...[?table=name], kafka://HOST:PORT/TOPIC[?from=...&to=...], or loki+http://HOST:PORT?query=...[&from=...&to=...&tenant=...]"
)


def add_source(parser: argparse.ArgumentParser) -> None:
    """A source, what of it is looked at, what its columns hold, and the form of output."""
    add_facts(parser)
    parser.add_argument(
        "--since", metavar="TIME", help="only events from this time on (ISO 8601, UTC unless it says otherwise)"
    )
    parser.add_argument("--until", metavar="TIME", help="only events before this time")
    add_output(parser)


def add_limits(parser: argparse.ArgumentParser) -> None:
    """What a PostgreSQL, or a MySQL, may be asked to bear."""
    parser.add_argument("--gentle", action="store_true",
                        help="spare a PostgreSQL or MySQL: one process there, 1 s for a lock, 60 s for a statement")  # fmt: skip
    parser.add_argument("--statement-timeout", metavar="SECONDS", type=float,
                        help="what one statement in a PostgreSQL or MySQL may take, whatever its role allows")  # fmt: skip


def add_facts(parser: argparse.ArgumentParser, *, source: str = SOURCE, parts: str = KEYS) -> None:
    """A source, the types that matter, what the same fact means, and what its columns hold."""
    parser.add_argument("source", metavar="SOURCE", help=source)
    parser.add_argument(
        "--type", metavar="PATTERN", action="append", default=[], help="only these types; * and ? as in file names"
    )
    parser.add_argument(
        "--unique-on",
        metavar="PARTS",
        default="aggregate,type",
        help=f"what the same fact means: some of {parts} (default: aggregate,type)",
    )
    for part in PARTS:
        parser.add_argument(f"--{part}-column", metavar="NAME", help=f"the column that holds the {part}")


def add_output(parser: argparse.ArgumentParser) -> None:
    """The form of output."""
    parser.add_argument("--json", action="store_true", help="machine-readable output on stdout and nothing else there")
    parser.add_argument("--verbose", action="store_true", help="show where an error comes from")


def worst_of(verdicts: Collection[str]) -> str:
    """The worst verdict of several looks or parts; without any, nothing is known."""
    return next((one for one in WORST_FIRST if one in verdicts), "undetermined")


def chosen(arguments: argparse.Namespace) -> dict[str, Any]:
    """Filters and columns that were named, as the library takes them."""
    return {
        "types": arguments.type,
        "since": arguments.since,
        "until": arguments.until,
        "columns": columns(arguments),
    }


def server_settings(arguments: argparse.Namespace) -> dict[str, str]:
    """Settings of the session that reads a PostgreSQL or MySQL, by these limits."""
    settings = dict(GENTLE) if arguments.gentle else {}
    if arguments.statement_timeout is not None:
        if arguments.statement_timeout <= 0:
            raise BadRequest("--statement-timeout must be above 0.")
        settings["statement_timeout"] = f"{round(1000 * arguments.statement_timeout)}ms"
    return settings


def columns(arguments: argparse.Namespace) -> dict[str, str]:
    """Columns that were named, by the part they hold."""
    named = {part: getattr(arguments, f"{part}_column") for part in PARTS}
    return {part: name for part, name in named.items() if name}


def unique_on(arguments: argparse.Namespace) -> list[str]:
    """What the same fact means."""
    return [part.strip() for part in arguments.unique_on.split(",") if part.strip()]


def engine() -> Any:
    """The module that audits; says what to install where its engine is missing."""
    try:
        from pairmark.audit import report  # noqa: PLC0415 - its engine is an extra
    except ModuleNotFoundError as error:
        raise BadRequest(
            f"The audit needs the package {error.name}, which is not installed.", remedy="Install pairmark[audit]."
        ) from error
    return report


@contextmanager
def one_error_code() -> Iterator[None]:
    """A source that is down is an error as any other here: the codes of an audit are 0 to 3."""
    try:
        yield
    except Busy as error:
        raise BadRequest(error.message, remedy=error.remedy) from error
