"""`pairmark audit SOURCE`: duplicate events in anybody's outbox, export or table. Needs none of our servers, and writes nothing."""

import argparse
from typing import Any

from pairmark.cli.output import put_json
from pairmark.errors import BadRequest, Busy

EXIT_CODES = {"clean": 0, "findings": 1, "undetermined": 3}
PARTS = ("aggregate", "type", "time", "id", "payload", "published", "key", "correlation")


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "audit",
        help="find and explain duplicate events in any system",
        description="Find facts that were told more than once, and say what their repetition looks like. Reads only. "
        "Exit codes: 0 clean, 1 findings, 2 error, 3 could not be determined.",
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="a CSV, JSONL or Parquet file or glob, sqlite:FILE[?table=NAME], or postgresql://...[?table=schema.name]",
    )
    parser.add_argument(
        "--type", metavar="PATTERN", action="append", default=[], help="only these types (* and ? as in file names)"
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
    parser.add_argument(
        "--triggers", metavar="SOURCE", help="what may have caused the events; tells a loop from a drain"
    )
    parser.add_argument("--trigger-time-column", metavar="NAME", help="the column of times in there")
    parser.add_argument("--json", action="store_true", help="machine-readable output on stdout and nothing else there")
    parser.add_argument("--verbose", action="store_true", help="show where an error comes from")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Audit the source and print what was found."""
    audit = _audit()
    chosen = {part: getattr(arguments, f"{part}_column") for part in PARTS}
    triggered = arguments.trigger_time_column
    try:
        report = audit(
            arguments.source,
            types=arguments.type,
            since=arguments.since,
            until=arguments.until,
            unique_on=[part.strip() for part in arguments.unique_on.split(",") if part.strip()],
            columns={part: name for part, name in chosen.items() if name},
            triggers=arguments.triggers,
            trigger_columns={"time": triggered} if triggered else {},
        )
    except Busy as busy:
        raise BadRequest(busy.message, remedy=busy.remedy) from busy
    if arguments.json:
        put_json(report.as_dict())
    else:
        from rich.console import Console  # noqa: PLC0415 - start-up time

        from pairmark.audit.terminal import print_report  # noqa: PLC0415

        print_report(report, Console())
    return EXIT_CODES[report.verdict]


def _audit() -> Any:
    try:
        from pairmark.audit.report import audit  # noqa: PLC0415 - its engine is an extra
    except ModuleNotFoundError as error:
        raise BadRequest(
            f"The audit needs the package {error.name}, which is not installed.", remedy="Install pairmark[audit]."
        ) from error
    return audit
