"""`pairmark simulate`: what a design needs, before anyone spends it."""

import argparse
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pairmark.cli.output import BEGINS_AGAIN, put_json
from pairmark.errors import BadRequest

if TYPE_CHECKING:
    from pairmark.stats.designs import Design, Need, Range

RULES = ("adaptive", "closest-score", "equal-appearances", "random")
WIDE = 100
"""Columns of the terminal from which a cell has a single line."""
FEWEST_SESSIONS, MOST_SESSIONS = 3, 10_000


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "simulate",
        parents=[shared],
        help="say what a design needs before anyone spends it",
        description="Simulate whole sessions with essays of a known order, and say how many comparisons, judges, hours and "
        "how much money it takes to reach a reliability, under each pairing rule. Needs no texts and no database.",
    )
    parser.add_argument("--essays", type=int, required=True, metavar="N", help="number of essays")
    parser.add_argument("--target-reliability", type=float, required=True, metavar="R", help="such as 0.85")
    _add_assumptions(parser)
    _add_prices(parser)
    group = parser.add_argument_group("how it is simulated")
    group.add_argument(
        "--rule", action="append", choices=RULES, help="pairing rule; give it again for another (default: all of them)"
    )
    group.add_argument(
        "--seeds", type=int, default=20, metavar="N", help="simulated sessions per rule (default %(default)s)"
    )
    group.add_argument("--seed", type=int, default=1, help="seed of the first session (default %(default)s)")
    group.add_argument(
        "--most-per-essay",
        type=int,
        default=60,
        metavar="N",
        help="comparisons per essay to give up at (default %(default)s)",
    )
    parser.set_defaults(run=run, after_stop=BEGINS_AGAIN)


def _add_assumptions(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is assumed")
    group.add_argument(
        "--true-sd", type=float, default=1.5, metavar="SD", help="spread of the essays, in logits (default %(default)s)"
    )
    group.add_argument(
        "--judge-noise",
        type=float,
        default=1.0,
        metavar="X",
        help="noise of a decision; 2 halves every difference (default %(default)s)",
    )
    group.add_argument(
        "--random-share",
        type=float,
        default=0.0,
        metavar="P",
        help="share of decisions that are coin tosses (default %(default)s)",
    )


def _add_prices(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what it costs")
    group.add_argument(
        "--seconds", type=float, default=60.0, metavar="S", help="of a judge per comparison (default %(default)s)"
    )
    group.add_argument("--cost", type=float, default=0.0, metavar="C", help="money per comparison (default: none)")
    group.add_argument(
        "--comparisons-per-judge",
        type=int,
        default=100,
        metavar="N",
        help="most that one judge is asked (default %(default)s)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Simulate and report."""
    from pairmark.stats.designs import LEVEL, Design  # noqa: PLC0415 - start-up time
    from pairmark.stats.errors import StatsError  # noqa: PLC0415

    seeds = _seeds(arguments)
    try:
        design = Design(
            essays=arguments.essays,
            target=arguments.target_reliability,
            true_sd=arguments.true_sd,
            judge_noise=arguments.judge_noise,
            random_share=arguments.random_share,
            seconds=arguments.seconds,
            cost=arguments.cost,
            comparisons_per_judge=arguments.comparisons_per_judge,
            most_per_essay=arguments.most_per_essay,
        )
        needs = _simulated(design, list(dict.fromkeys(arguments.rule or RULES)), seeds)
    except StatsError as error:
        raise BadRequest(str(error), remedy="See `pairmark simulate --help`.") from error
    if arguments.json:
        put_json({"design": asdict(design), "level": LEVEL, "rules": [asdict(one) for one in needs]})
    else:
        _print(design, needs)
    return 0


def _simulated(design: "Design", rules: list[str], seeds: range) -> "list[Need]":
    """All rules one after the other, with progress on stderr."""
    from rich.console import Console  # noqa: PLC0415 - start-up time

    from pairmark.clock import SystemClock  # noqa: PLC0415
    from pairmark.report.progress import Progress  # noqa: PLC0415
    from pairmark.stats.designs import need  # noqa: PLC0415

    total, needs = len(rules) * len(seeds), []
    with Progress(Console(file=sys.stderr), SystemClock()) as progress:
        for number, name in enumerate(rules):

            def told(done: int, before: int = number * len(seeds), name: str = name) -> None:
                progress.tell([name, f"session {before + done:,} of {total:,}"], before + done, total)

            needs.append(need(design, name, seeds, told))
    return needs


def _seeds(arguments: argparse.Namespace) -> range:
    if not FEWEST_SESSIONS <= arguments.seeds <= MOST_SESSIONS:
        raise BadRequest(
            f"The number of seeds must lie between {FEWEST_SESSIONS} and {MOST_SESSIONS:,}, not {arguments.seeds:,}.",
            remedy="Each seed is one simulated session.",
        )
    if arguments.seed < 0:
        raise BadRequest(f"A seed is a whole number from 0 up, not {arguments.seed}.")
    return range(arguments.seed, arguments.seed + arguments.seeds)


def _print(design: "Design", needs: "list[Need]") -> None:
    """One screen: the assumptions, a row per rule, and what to plan for."""
    from rich.console import Console  # noqa: PLC0415 - start-up time
    from rich.table import Table  # noqa: PLC0415

    console = Console(highlight=False)
    narrow = console.width < WIDE
    console.print(
        f"{design.essays} essays, true SD {design.true_sd:g} logits, judge noise {design.judge_noise:g}, "
        f"{design.random_share:.0%} of decisions random; target {design.target:g}"
    )
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("pairing rule", no_wrap=True)
    money = ["cost"] if design.cost else []
    for heading in ("per essay", "comparisons", "judges", "hours", *money, "r²" if narrow else "true r²", "reached"):
        table.add_column(heading, justify="right")
    for one in needs:
        table.add_row(*(_in_two_lines(cell) if narrow else cell for cell in _row(design, one)))
    console.print(table)
    console.print("Median of the simulated sessions that reached the target, and the middle 90 % of them.")
    console.print(_advice(design, needs[0]))


def _in_two_lines(cell: str) -> str:
    """A range below its median, a rule's name broken at its hyphen."""
    return cell.replace(" (", "\n(").replace("-", "-\n") if cell != "-" else cell


def _row(design: "Design", one: "Need") -> list[str]:
    cost = [_range(one.cost)] if design.cost else []
    agreement = "-" if one.true_reliability is None else f"{one.true_reliability.median:.2f}"
    return [
        one.rule, _range(one.comparisons_per_essay), _range(one.comparisons, 0), _range(one.judges, 0), _range(one.hours), *cost,
        agreement, f"{one.reached}/{one.sessions}",
    ]  # fmt: skip


def _range(found: "Range | None", digits: int | None = None) -> str:
    """Median (low-high), rounded to what a plan needs."""
    if found is None:
        return "-"
    digits = (0 if found.high >= 10 else 1) if digits is None else digits
    return f"{found.median:,.{digits}f} ({found.low:,.{digits}f}–{found.high:,.{digits}f})"  # noqa: RUF001 - a range


def _advice(design: "Design", one: "Need") -> str:
    """What to set aside under this rule: the upper end, so that most sessions do with it."""
    if one.comparisons is None or one.judges is None or one.hours is None or one.cost is None:
        return (
            f"No session under the rule {one.rule} reached {design.target:g} within {design.most_per_essay} comparisons per "
            "essay: lower the target or find judges who agree more."
        )
    money = f", {one.cost.high:,.2f} in money" if design.cost else ""
    missed = f" ({one.sessions - one.reached} of {one.sessions} did not reach it)" if one.reached < one.sessions else ""
    return (
        f"Plan for {one.comparisons.high:,.0f} comparisons with the rule {one.rule}: {one.judges.high:,.0f} judges, "
        f"{one.hours.high:,.1f} hours of judging{money}{missed}."
    )
