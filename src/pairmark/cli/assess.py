"""`pairmark assess`: from a folder or table of texts to a ranked report."""

import argparse
from pathlib import Path
from typing import Any

from pairmark.cli.arguments import folder
from pairmark.cli.models import JUDGES, add_model_options, add_spend_limit, chosen
from pairmark.cli.output import note, put_json

FAILED = 1


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "assess",
        parents=[shared],
        help="rank texts and write the report",
        description="Rank the texts at PATH by comparative judgement and write report.html, results.csv, results.json and "
        "judgements.csv. Stop it at any time; the same command goes on where it was.",
    )
    parser.add_argument("path", metavar="PATH", type=Path, help="folder of .txt, .md, .docx, .pdf files, or a CSV file")
    parser.add_argument(
        "--judge",
        required=True,
        action="append",
        metavar="KIND",
        help=f"{JUDGES}; repeat it for several, each with its share at the end, as in openai:MODEL=60%%",
    )
    parser.add_argument("--out", metavar="DIR", type=folder, help="folder for the report (made if missing)")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="show the exact prompts of the first calls, and how many calls, tokens and dollars it would take; asks nobody",
    )
    _add_design(parser)
    add_model_options(parser)
    _add_running(parser)
    _add_texts(parser)
    parser.set_defaults(run=run)


def _add_design(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how it is judged")
    group.add_argument("--name", default="", help="name of the batch; another name is another batch")
    group.add_argument("--seed", type=int, default=1, help="seed of all random choices (default %(default)s)")
    group.add_argument("--budget", type=int, metavar="N", help="most comparisons to send")
    group.add_argument(
        "--comparisons-per-essay", type=int, default=20, metavar="N", help="without a budget (default %(default)s)"
    )
    group.add_argument("--target-reliability", type=float, metavar="R", help="stop once the reliability reaches R")
    group.add_argument("--organisation", metavar="ID", help="whose credits pay, if it has an account")
    group.add_argument(
        "--user", metavar="ID", default="local", help="whose credits pay otherwise (default %(default)s)"
    )


def _add_running(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("money and names")
    add_spend_limit(group)
    group.add_argument(
        "--batch", action="store_true", help="use the provider's batch interface: half the price, up to 24 hours"
    )
    group.add_argument("--roster", metavar="FILE", type=Path, help="names that never leave this machine, one a line")


def _add_texts(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what a CSV file holds")
    group.add_argument("--id-column", metavar="NAME", help="column of ids (default: essay_id, item or id)")
    group.add_argument("--text-column", metavar="NAME", help="column of texts (default: text, essay, content or body)")
    group.add_argument("--compare", metavar="NAME", help="numeric column to report rank agreement with")
    group.add_argument("--smaller-is-better", action="store_true", help="in the --compare column")
    parser.add_argument("--human", metavar="CSV", type=Path, help="judgements of people to report agreement with")


def run(arguments: argparse.Namespace) -> int:
    """Assess and report, or only tell what would be asked."""
    if arguments.dry_run:
        return rehearse(arguments)
    from pairmark.assessing import assess  # noqa: PLC0415 - start-up time
    from pairmark.cli.live import Live  # noqa: PLC0415

    with Live() as live:
        result = assess(
            arguments.path,
            judge=arguments.judge,
            out=arguments.out,
            database=arguments.database,
            on_progress=live.show,
            **chosen(arguments),
        )
    return report(result, arguments)


def rehearse(arguments: argparse.Namespace) -> int:
    """Tell what would be asked and what it would cost; no database is touched and nobody asked."""
    from pairmark.assessing import rehearse as rehearsed  # noqa: PLC0415 - start-up time

    told = rehearsed(arguments.path, arguments.judge, chosen(arguments))
    if arguments.json:
        put_json(told.as_dict())
        return 0
    from rich.console import Console  # noqa: PLC0415

    from pairmark.report.rehearsed import print_rehearsal  # noqa: PLC0415

    print_rehearsal(told, Console())
    return 0


def report(result: Any, arguments: argparse.Namespace) -> int:
    """Print the result; the exit code says whether there is one."""
    if arguments.json:
        put_json(result.as_dict())
    else:
        from rich.console import Console  # noqa: PLC0415 - start-up time

        from pairmark.report.terminal import print_summary  # noqa: PLC0415

        print_summary(result, Console())
        if arguments.out is not None:
            names = "report.html, results.csv, results.json, judgements.csv"
            Console().print(f"Written to {arguments.out}: {names}", soft_wrap=True, highlight=False, markup=False)
    if result.error:
        note(f"pairmark: {result.error}")
    return 0 if result.status.startswith("COMPLETE_") else FAILED
