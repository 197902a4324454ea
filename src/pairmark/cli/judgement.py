"""`pairmark judgement show` and `export`: every judgement can be looked at, and taken away."""

import argparse
from pathlib import Path
from typing import Any

from pairmark.cli.output import put_json, say
from pairmark.errors import BadRequest


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Declare the commands."""
    parser = commands.add_parser("judgement", help="look at judgements, or export them")
    kinds = parser.add_subparsers(title="what to do", metavar="WHAT", required=True)
    showing = kinds.add_parser(
        "show",
        parents=[shared],
        help="one judgement: prompt, answer, evidence, who, when, cost",
        description="Show one judgement with everything that led to it. The prompt is built anew from the texts and held against "
        "the hash that was written down before the call.",
    )
    showing.add_argument(
        "id", metavar="ID", help="id of a comparison (or its beginning), or BATCH/NUMBER as in judgements.csv"
    )
    showing.set_defaults(run=show)
    exporting = kinds.add_parser(
        "export",
        parents=[shared],
        help="all judgements of a batch as CSV or JSON lines",
        description="Write every judgement of a batch with evidence, tokens and cost, as CSV or as JSON lines, by the name of the "
        "file (.csv, .jsonl).",
    )
    exporting.add_argument("batch", metavar="BATCH", help="id (or its beginning) or name")
    exporting.add_argument("--out", metavar="FILE", type=Path, required=True, help="file to write, .csv or .jsonl")
    exporting.set_defaults(run=export)


def show(arguments: argparse.Namespace) -> int:
    """Look one judgement up and print it."""
    from pairmark.config import load  # noqa: PLC0415
    from pairmark.opening import open_system  # noqa: PLC0415 - start-up time
    from pairmark.outcome.judgement import look_up  # noqa: PLC0415

    with open_system(load(database=arguments.database), install=False) as system:
        found = look_up(system, arguments.id)
    if arguments.json:
        put_json(found.as_dict())
        return 0
    from rich.console import Console  # noqa: PLC0415

    from pairmark.report.looked_up import print_judgement  # noqa: PLC0415

    print_judgement(found, Console())
    return 0


def export(arguments: argparse.Namespace) -> int:
    """Write all judgements of a batch."""
    from pairmark.cli.status import one_batch  # noqa: PLC0415
    from pairmark.config import load  # noqa: PLC0415
    from pairmark.opening import open_system  # noqa: PLC0415 - start-up time
    from pairmark.outcome.export import COLUMNS, rows  # noqa: PLC0415
    from pairmark.report.lines import write_lines  # noqa: PLC0415

    if arguments.out.suffix.lower() not in (".csv", ".jsonl"):
        raise BadRequest(
            f"{arguments.out} is neither .csv nor .jsonl.", remedy="Name the file so that its form is clear."
        )
    with open_system(load(database=arguments.database), install=False) as system:
        batch = one_batch(system, arguments.batch)
        written = write_lines(arguments.out, COLUMNS, rows(system, batch.id))
    if arguments.json:
        put_json({"batch_id": str(batch.id), "file": str(arguments.out), "judgements": written})
    else:
        say(f"Written to {arguments.out}: {written:,} judgements.")
    return 0
