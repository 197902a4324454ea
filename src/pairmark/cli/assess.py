"""`pairmark assess`: from a folder or table of texts to a ranked report."""

import argparse
from pathlib import Path
from typing import Any

from pairmark.cli.arguments import folder
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
        metavar="KIND",
        help="replay:FILE.csv[,seed=N], simulated:sd=1,seed=3[,order_bias=…,fail=…,delay_ms=…], or surface",
    )
    parser.add_argument("--out", metavar="DIR", type=folder, help="folder for the report (made if missing)")
    _add_design(parser)
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


def _add_texts(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what a CSV file holds")
    group.add_argument("--id-column", metavar="NAME", help="column of ids (default: essay_id, item or id)")
    group.add_argument("--text-column", metavar="NAME", help="column of texts (default: text, essay, content or body)")
    group.add_argument("--compare", metavar="NAME", help="numeric column to report rank agreement with")
    group.add_argument("--smaller-is-better", action="store_true", help="in the --compare column")


def run(arguments: argparse.Namespace) -> int:
    """Assess and report."""
    from pairmark.assessing import Choices, assess  # noqa: PLC0415 - start-up time
    from pairmark.cli.live import Live  # noqa: PLC0415

    names = Choices.__optional_keys__
    choices: Any = {name: value for name, value in vars(arguments).items() if name in names}
    with Live() as live:
        result = assess(
            arguments.path,
            judge=arguments.judge,
            out=arguments.out,
            database=arguments.database,
            on_progress=live.show,
            **choices,
        )
    return report(result, arguments)


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
