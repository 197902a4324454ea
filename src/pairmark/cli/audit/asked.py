"""What the ways of `pairmark audit` ask in the same words: a source, its columns, what the same fact means, the form of output."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pairmark.errors import BadRequest, Busy

PARTS = ("aggregate", "type", "time", "id", "payload", "published", "key", "correlation")
SOURCE = (
    "a CSV, JSONL, Parquet or log file or glob, sqlite:FILE[?table=NAME], postgresql://...[?table=schema.name], "
    "kafka://HOST:PORT/TOPIC[?from=...&to=...], or loki+http://HOST:PORT?query=...[&from=...&to=...&tenant=...]"
)


def add_source(parser: argparse.ArgumentParser) -> None:
    """A source, what of it is looked at, what its columns hold, and the form of output."""
    parser.add_argument("source", metavar="SOURCE", help=SOURCE)
    parser.add_argument(
        "--type", metavar="PATTERN", action="append", default=[], help="only these types; * and ? as in file names"
    )
    parser.add_argument(
        "--since", metavar="TIME", help="only events from this time on (ISO 8601, UTC unless it says otherwise)"
    )
    parser.add_argument("--until", metavar="TIME", help="only events before this time")
    parser.add_argument(
        "--unique-on",
        metavar="PARTS",
        default="aggregate,type",
        help="what the same fact means: some of aggregate,type,id,key,correlation,payload (default: aggregate,type)",
    )
    for part in PARTS:
        parser.add_argument(f"--{part}-column", metavar="NAME", help=f"the column that holds the {part}")
    add_output(parser)


def add_output(parser: argparse.ArgumentParser) -> None:
    """The form of output."""
    parser.add_argument("--json", action="store_true", help="machine-readable output on stdout and nothing else there")
    parser.add_argument("--verbose", action="store_true", help="show where an error comes from")


def chosen(arguments: argparse.Namespace) -> dict[str, Any]:
    """Filters and columns that were named, as the library takes them."""
    columns = {part: getattr(arguments, f"{part}_column") for part in PARTS}
    return {
        "types": arguments.type,
        "since": arguments.since,
        "until": arguments.until,
        "columns": {part: name for part, name in columns.items() if name},
    }


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
