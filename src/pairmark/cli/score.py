"""`pairmark score`: from judgements collected elsewhere to scores, grades and a report."""

import argparse
from pathlib import Path
from typing import Any

from pairmark.cli.arguments import folder
from pairmark.cli.output import BEGINS_AGAIN, put_json
from pairmark.errors import BadRequest


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "score",
        parents=[shared],
        help="score judgements collected elsewhere",
        description="Fit the judgements in the CSV at PATH and write report.html, results.csv, results.json and, where the "
        "judges are known, judges.csv. The forms of No More Marking, Comproved, Moodle, sirt and Pairmark are recognised by "
        "their columns. No database is needed.",
    )
    parser.add_argument("path", metavar="PATH", type=Path, help="CSV file with one judgement per row")
    parser.add_argument("--out", metavar="DIR", type=folder, help="folder for the report (made if missing)")
    parser.add_argument("--name", default="", help="title of the report (default: the name of the file)")
    _add_grades(parser)
    _add_fit(parser)
    _add_columns(parser)
    _add_texts(parser)
    parser.set_defaults(run=run, after_stop=BEGINS_AGAIN)


def _add_grades(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("grades")
    group.add_argument(
        "--anchors", metavar="CSV", type=Path, help="essays with a known grade: columns essay_id and grade"
    )
    group.add_argument(
        "--scale",
        metavar="NAME",
        help="swedish-a-f, eng5-national, gcse-9-1, cefr, pass-fail, or the path of your own scale (.toml)",
    )
    group.add_argument("--link", metavar="CSV", type=Path, help="results.csv of an earlier batch with common essays")


def _add_fit(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how it is fitted")
    group.add_argument(
        "--method",
        choices=["map", "ml"],
        default="map",
        help="with a normal prior whose spread the data give, or plain maximum likelihood (default: map)",
    )
    group.add_argument("--compatible", choices=["sirt"], help="reproduce published numbers of this program")
    group.add_argument(
        "--order-effect", action="store_true", help="also estimate the advantage of the text shown first"
    )
    group.add_argument("--target-reliability", type=float, metavar="R", help="hold the reliability against R")


def _add_columns(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what the file holds")
    group.add_argument(
        "--where", action="append", default=[], metavar="COLUMN=VALUE", help="only rows with this value (repeatable)"
    )
    group.add_argument("--won", metavar="NAME", help="column of the text that won (with --lost)")
    group.add_argument("--lost", metavar="NAME", help="column of the text that lost")
    group.add_argument("--left", metavar="NAME", help="column of the text shown first (with --right and --vote)")
    group.add_argument("--right", metavar="NAME", help="column of the text shown second")
    group.add_argument("--vote", metavar="NAME", help="column that says left, right or tie, or holds the chosen id")
    group.add_argument("--judge-column", metavar="NAME", help="column of judges")
    group.add_argument("--time-column", metavar="NAME", help="column of the time a judgement took")
    group.add_argument("--time-unit", choices=["s", "ms"], help="unit of the times (default: that of the form)")
    group.add_argument("--weight-column", metavar="NAME", help="column of weights (default: weight, if there is one)")


def _add_texts(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("dependence on length")
    group.add_argument("--texts", metavar="PATH", type=Path, help="folder or CSV with the texts themselves")
    group.add_argument("--id-column", metavar="NAME", help="column of ids in that CSV (default: recognised)")
    group.add_argument("--text-column", metavar="NAME", help="column of texts in that CSV (default: recognised)")
    group.add_argument("--compare", metavar="NAME", help="numeric column of that CSV to hold the scores against")
    group.add_argument("--smaller-is-better", action="store_true", help="in the --compare column")


def run(arguments: argparse.Namespace) -> int:
    """Score and report."""
    from pairmark.scoring import Options, score  # noqa: PLC0415 - start-up time

    options = Options(
        name=arguments.name,
        columns=_columns(arguments),
        where=[_condition(text) for text in arguments.where],
        anchors=arguments.anchors,
        scale=arguments.scale,
        method=arguments.method,
        compatible=arguments.compatible,
        order_effect=arguments.order_effect,
        target_reliability=arguments.target_reliability,
        texts=arguments.texts,
        id_column=arguments.id_column,
        text_column=arguments.text_column,
        compare=arguments.compare,
        smaller_is_better=arguments.smaller_is_better,
        link=arguments.link,
    )
    result = score(arguments.path, out=arguments.out, options=options)
    if arguments.json:
        put_json(result.as_dict())
        return 0
    from rich.console import Console  # noqa: PLC0415 - start-up time

    from pairmark.report.scored.terminal import print_summary  # noqa: PLC0415

    print_summary(result, Console())
    if arguments.out is not None:
        judges = ", judges.csv" if result.judges else ""
        told = f"Written to {arguments.out}: report.html, results.csv, results.json{judges}"
        Console().print(told, soft_wrap=True, highlight=False, markup=False)
    return 0


def _columns(arguments: argparse.Namespace) -> Any:
    from pairmark.reading.judgements import Columns  # noqa: PLC0415 - start-up time

    won, lost = arguments.won, arguments.lost
    left, right, vote = arguments.left, arguments.right, arguments.vote
    if (won is None) != (lost is None):
        raise BadRequest("A winner column needs a loser column.", remedy="Give both --won and --lost.")
    if any((left, right, vote)) and not all((left, right, vote)):
        raise BadRequest("Sides and votes go together.", remedy="Give --left, --right and --vote.")
    if won and left:
        raise BadRequest(
            "The winner is named in two ways.", remedy="Give --won and --lost, or --left, --right and --vote."
        )
    return Columns(
        first=won or left, second=lost or right, vote=vote, judge=arguments.judge_column, time=arguments.time_column,
        weight=arguments.weight_column, unit=arguments.time_unit,
    )  # fmt: skip


def _condition(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise BadRequest(f"The condition {text!r} is not usable.", remedy="Write it like --where dimension=rigour.")
    return name.strip(), value.strip()
