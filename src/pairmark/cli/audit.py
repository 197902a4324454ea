"""`pairmark audit`: duplicate events in anybody's outbox, export or table. Needs none of our servers, and writes nothing there."""

import argparse
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pairmark.cli.output import put_json, say
from pairmark.errors import BadRequest, Busy

EXIT_CODES = {"clean": 0, "findings": 1, "undetermined": 3}
PARTS = ("aggregate", "type", "time", "id", "payload", "published", "key", "correlation")
WAYS = ("run", "simulate-constraint", "verify")
SOURCE = "a CSV, JSONL or Parquet file or glob, sqlite:FILE[?table=NAME], or postgresql://...[?table=schema.name]"


def spelled_out(words: Sequence[str]) -> list[str]:
    """`audit SOURCE` is short for `audit run SOURCE`; a file named like a subcommand is written with ./ before it."""
    if len(words) < 2 or words[0] != "audit" or words[1] in (*WAYS, "-h", "--help"):
        return list(words)
    return ["audit", "run", *words[1:]]


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Declare the command and its ways."""
    parser = commands.add_parser(
        "audit",
        help="find and explain duplicate events in any system",
        description="Find facts that were told more than once, in any system, and say what their repetition looks like.",
    )
    ways = parser.add_subparsers(title="ways", metavar="WAY", required=True)
    running = ways.add_parser(
        "run",
        help="find and explain duplicates (`audit SOURCE` is short for it)",
        description="Find facts that were told more than once. Exit codes: 0 clean, 1 findings, 2 error, 3 undetermined.",
    )
    _add_source(running)
    running.add_argument(
        "--triggers", metavar="SOURCE", help="what may have caused the events; tells a loop from a drain"
    )
    running.add_argument("--trigger-time-column", metavar="NAME", help="the column of times in there")
    running.add_argument("--markdown", metavar="FILE", type=Path, help="write the report as Markdown, too")
    running.add_argument("--junit", metavar="FILE", type=Path, help="write the findings as JUnit XML, too")
    running.set_defaults(run=run)
    trying = ways.add_parser(
        "simulate-constraint",
        help="try a unique key on history before it is built",
        description="Count the rows that a unique key would have refused, and those among them that may have been legitimate: "
        "their payload differs from that of the row before.",
    )
    _add_source(trying)
    trying.set_defaults(run=try_constraint)
    checking = ways.add_parser(
        "verify",
        help="check a recorded report against its source",
        description="Run the audit of a recorded report again. Exit codes: 0 same snapshot and numbers, 1 they differ, 2 error.",
    )
    checking.add_argument("report", metavar="REPORT.json", type=Path, help="what `audit run --json` printed")
    checking.add_argument("source", metavar="SOURCE", help=SOURCE)
    _add_output(checking)
    checking.set_defaults(run=verify)


def _add_source(parser: argparse.ArgumentParser) -> None:
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
    _add_output(parser)


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="machine-readable output on stdout and nothing else there")
    parser.add_argument("--verbose", action="store_true", help="show where an error comes from")


def run(arguments: argparse.Namespace) -> int:
    """Audit the source and tell what was found."""
    engine = _engine()
    triggered = arguments.trigger_time_column
    with _one_error_code():
        report = engine.audit(
            arguments.source,
            unique_on=_unique_on(arguments),
            triggers=arguments.triggers,
            trigger_columns={"time": triggered} if triggered else {},
            **_chosen(arguments),
        )
    _write_texts(report, arguments)
    if arguments.json:
        put_json(report.as_dict())
    else:
        from rich.console import Console  # noqa: PLC0415 - start-up time

        from pairmark.audit.terminal import print_report  # noqa: PLC0415

        print_report(report, Console())
    return EXIT_CODES[report.verdict]


def try_constraint(arguments: argparse.Namespace) -> int:
    """Say what a unique key would have refused."""
    _engine()
    from pairmark.audit import again  # noqa: PLC0415 - its engine is an extra

    with _one_error_code():
        trial = again.try_constraint(arguments.source, _unique_on(arguments), **_chosen(arguments))
    if arguments.json:
        put_json(trial.as_dict())
        return 0
    say(
        f"A unique key on ({', '.join(trial.unique_on)}) would have refused {trial.refused:,} of {trial.events:,} events."
    )
    if trial.facts_affected:
        say(
            f"They belong to {trial.facts_affected:,} facts; the payloads of {trial.examined:,} of these were compared:"
        )
        say(
            f"  {trial.changed_facts:,} changed from one event to the next, so a refused event may have been legitimate;"
        )
        say(f"  of {trial.unknown_payloads:,} the payload is not known.")
    for example in trial.examples:
        fields = f" ({', '.join(example['fields'])})" if example["fields"] else ""
        say(
            f"  {' '.join(map(str, example['key'].values()))}: {example['refused']:,} refused, {example['payload']}{fields}"
        )
    return 0


def verify(arguments: argparse.Namespace) -> int:
    """Say whether a recorded report still holds."""
    _engine()
    from pairmark.audit import again  # noqa: PLC0415 - its engine is an extra

    try:
        recorded = json.loads(arguments.report.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadRequest(f"{arguments.report} cannot be read as a report: {error}.") from error
    with _one_error_code():
        differing = again.verify(recorded, arguments.source)
    if arguments.json:
        put_json({"same": not differing, "differences": differing})
    else:
        say("The same snapshot and the same numbers." if not differing else "The report does not hold any more:")
        for one in differing:
            say(f"  {one}")
    return 1 if differing else 0


def _chosen(arguments: argparse.Namespace) -> dict[str, Any]:
    columns = {part: getattr(arguments, f"{part}_column") for part in PARTS}
    return {
        "types": arguments.type,
        "since": arguments.since,
        "until": arguments.until,
        "columns": {part: name for part, name in columns.items() if name},
    }


def _unique_on(arguments: argparse.Namespace) -> list[str]:
    return [part.strip() for part in arguments.unique_on.split(",") if part.strip()]


def _write_texts(report: Any, arguments: argparse.Namespace) -> None:
    from pairmark.audit import texts  # noqa: PLC0415 - start-up time
    from pairmark.report.files import put  # noqa: PLC0415

    for path, render in ((arguments.markdown, texts.markdown), (arguments.junit, texts.junit)):
        if path is not None:
            put(path.absolute().parent, {path.name: render(report).encode()})


def _engine() -> Any:
    try:
        from pairmark.audit import report  # noqa: PLC0415 - its engine is an extra
    except ModuleNotFoundError as error:
        raise BadRequest(
            f"The audit needs the package {error.name}, which is not installed.", remedy="Install pairmark[audit]."
        ) from error
    return report


@contextmanager
def _one_error_code() -> Iterator[None]:
    """A source that is down is an error as any other here: the codes of an audit are 0 to 3."""
    try:
        yield
    except Busy as error:
        raise BadRequest(error.message, remedy=error.remedy) from error
