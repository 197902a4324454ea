"""`pairmark judge check` and `compare`: whether a judge can be had, and how several judges see the same pairs."""

import argparse
import sys
from pathlib import Path
from typing import Any

from pairmark.cli.models import JUDGES, add_model_options, add_spend_limit, chosen
from pairmark.cli.output import put_json

FAILED = 1
CHECK = (
    "Put one pair of short texts to a judge and say in words what is wrong, if anything is. Exit code 0: there was a valid "
    "verdict; 1: it answered, but not with a valid verdict; 2: the name, an option or the key is wrong; 75: nobody answers, or the "
    "quota is used up."
)
COMPARE = (
    "Put the same pairs to several judges, each pair in both orders, and print how far they agree with each other and with people, "
    "which side they favour, how often the order turns their answer, how far they go with length, and what they cost. Nothing is "
    "stored; --calls writes every call."
)


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Declare the commands."""
    parser = commands.add_parser("judge", help="try judges, or hold them against each other")
    kinds = parser.add_subparsers(title="what to do", metavar="WHAT", required=True)
    checking = kinds.add_parser("check", parents=[shared], help="try one judge with one pair", description=CHECK)
    checking.add_argument("judge", metavar="KIND", help=JUDGES)
    add_model_options(checking)
    checking.set_defaults(run=check)
    comparing = kinds.add_parser(
        "compare", parents=[shared], help="several judges over the same pairs", description=COMPARE
    )
    _add_compare(comparing)
    add_model_options(comparing)
    comparing.set_defaults(run=compare, after_stop="Nothing was stored; what was asked until then may be charged.")


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", type=Path, help="folder of .txt, .md, .docx, .pdf files, or a CSV file")
    parser.add_argument(
        "--judge", required=True, action="append", metavar="KIND", help=f"{JUDGES}; repeat it for each judge"
    )
    parser.add_argument("--human", metavar="CSV", type=Path, help="judgements of people; their pairs are then asked")
    parser.add_argument("--pairs", type=int, default=50, metavar="N", help="pairs to ask (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the choice of pairs (default %(default)s)")
    add_spend_limit(parser)
    parser.add_argument("--roster", metavar="FILE", type=Path, help="names that never leave this machine, one a line")
    parser.add_argument("--html", metavar="FILE", type=Path, help="also write the comparison as a page")
    parser.add_argument("--calls", metavar="FILE", type=Path, help="also write every call, as .csv or .jsonl")
    parser.add_argument("--id-column", metavar="NAME", help="column of ids in a CSV (default: recognised)")
    parser.add_argument("--text-column", metavar="NAME", help="column of texts in a CSV (default: recognised)")


def check(arguments: argparse.Namespace) -> int:
    """Try one judge."""
    from pairmark.assessing.panel import options  # noqa: PLC0415 - start-up time
    from pairmark.judges.spec import parse_judge  # noqa: PLC0415
    from pairmark.scoring.probing import probe  # noqa: PLC0415

    told = probe(parse_judge(arguments.judge, options(chosen(arguments))))
    if arguments.json:
        put_json(told.as_dict())
    else:
        from rich.console import Console  # noqa: PLC0415

        from pairmark.report.compared import print_probe  # noqa: PLC0415

        print_probe(told, Console())
    return 0 if told.works else FAILED


def compare(arguments: argparse.Namespace) -> int:
    """Hold judges against each other."""
    from pairmark.assessing.comparing import compare_judges  # noqa: PLC0415 - start-up time
    from pairmark.report.compared import print_comparison, write_calls, write_page  # noqa: PLC0415

    for path in (arguments.html, arguments.calls):
        _check_place(path)
    with _Counting() as shown:
        compared = compare_judges(
            arguments.path, arguments.judge, chosen(arguments), pairs=arguments.pairs, tell=shown.tell
        )
    if arguments.calls is not None:
        write_calls(arguments.calls, compared.rows())
    if arguments.html is not None:
        write_page(arguments.html, compared.result)
    if arguments.json:
        put_json(compared.result.as_dict())
    else:
        from rich.console import Console  # noqa: PLC0415

        print_comparison(compared.result, Console())
    return 0


class _Counting:
    """Questions answered so far, on stderr."""

    def __enter__(self) -> "_Counting":
        from rich.console import Console  # noqa: PLC0415 - start-up time

        from pairmark.clock import SystemClock  # noqa: PLC0415
        from pairmark.report.progress import Progress  # noqa: PLC0415

        self._progress = Progress(Console(file=sys.stderr), SystemClock())
        self._progress.__enter__()
        return self

    def __exit__(self, *end: Any) -> None:
        self._progress.__exit__(*end)

    def tell(self, done: int, total: int, spent: float) -> None:
        """Update the display."""
        from pairmark.report.figures import money  # noqa: PLC0415 - start-up time

        told = f"{money(spent)} spent" if spent else ""
        self._progress.tell([f"{done:,} of {total:,} questions answered"], done, total, cost=told)


def _check_place(path: Path | None) -> None:
    """Refuse before anything is asked what could not be written afterwards."""
    if path is None:
        return
    from pairmark.report.files import check  # noqa: PLC0415

    check(path.parent, [path.name])
