"""`pairmark audit simulate-constraint` and `verify`: a unique key tried on history, and an old report checked."""

import argparse
import json
from pathlib import Path
from typing import Any

from pairmark.cli.audit.asked import (
    SOURCE,
    add_limits,
    add_output,
    add_source,
    chosen,
    engine,
    one_error_code,
    server_settings,
    unique_on,
)
from pairmark.cli.output import put_json, say
from pairmark.errors import BadRequest

WAYS = ("simulate-constraint", "verify")


def add(ways: Any) -> None:
    """Declare both."""
    trying = ways.add_parser(
        "simulate-constraint",
        help="try a unique key on history before it is built",
        description="Count the rows that a unique key would have refused, and those among them that may have been legitimate: "
        "their payload differs from that of the row before.",
    )
    add_source(trying)
    add_limits(trying)
    trying.set_defaults(run=try_constraint)
    checking = ways.add_parser(
        "verify",
        help="check a recorded report against its source",
        description="Run the audit of a recorded report again. Exit codes: 0 same snapshot and numbers, 1 they differ, 2 error.",
    )
    checking.add_argument("report", metavar="REPORT.json", type=Path, help="what `audit run --json` printed")
    checking.add_argument("source", metavar="SOURCE", help=SOURCE)
    add_output(checking)
    checking.set_defaults(run=verify)


def try_constraint(arguments: argparse.Namespace) -> int:
    """Say what a unique key would have refused."""
    engine()
    from pairmark.audit import again  # noqa: PLC0415 - its engine is an extra

    with one_error_code():
        limits = server_settings(arguments)
        trial = again.try_constraint(
            arguments.source, unique_on(arguments), server_settings=limits, **chosen(arguments)
        )
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
    engine()
    from pairmark.audit import again  # noqa: PLC0415 - its engine is an extra

    try:
        recorded = json.loads(arguments.report.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadRequest(f"{arguments.report} cannot be read as a report: {error}.") from error
    with one_error_code():
        differing = again.verify(recorded, arguments.source)
    if arguments.json:
        put_json({"same": not differing, "differences": differing})
    else:
        say("The same snapshot and the same numbers." if not differing else "The report does not hold any more:")
        for one in differing:
            say(f"  {one}")
    return 1 if differing else 0
