"""Judges side by side, on a terminal and as a page; and one judge that was tried."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pairmark.domain.compared import ComparedJudge, JudgeComparison
from pairmark.domain.judged import Proportion
from pairmark.report import judge_charts, judge_words
from pairmark.report.figures import MISSING, count, money, tokens, visible
from pairmark.report.lines import write_lines
from pairmark.report.terminal import facts

ROWS = ("Decisions", "Failed", "First text chosen", "Turned with the order", "Longer text chosen", "Agrees with people",
        "Median time", "Tokens", "Cost", "Canaries")  # fmt: skip


def print_comparison(told: JudgeComparison, console: Console) -> None:
    """Print the whole comparison as text for people; judges have letters, so that their columns are narrow."""
    letters = {judge.judge: _letter(place) for place, judge in enumerate(told.judges) if not judge.control}
    console.print(Text(headline(told), style="bold"))
    console.print()
    console.print(facts((letter, Text(visible(name))) for name, letter in letters.items()))
    console.print()
    console.print(_judges(told, letters))
    console.print()
    between = [(f"{letters[pair.one]} and {letters[pair.other]}", within(pair.agreement)) for pair in told.between]
    if told.among_humans is not None:
        between.append(("Two people", within(told.among_humans)))
    if between:
        console.print(Text("Agreement over the same pairs (95 % interval in brackets)", style="bold"))
        console.print(facts((name, Text(text)) for name, text in between))
        console.print()
    for sentence in closing(told):
        console.print(Text(sentence), soft_wrap=True)
    for warning in told.warnings:
        console.print(Text(f"Warning: {visible(warning)}", style="yellow"), soft_wrap=True)


def _letter(place: int) -> str:
    return "ABCDEFGHIJ"[place]


def headline(told: JudgeComparison) -> str:
    """How many judges saw how many pairs of how many texts."""
    judges = sum(not judge.control for judge in told.judges)
    return (
        f"{count(judges, 'judge')} over {count(told.pairs, 'pair')} of {count(told.texts, 'text')}, each in both orders"
    )


def closing(told: JudgeComparison) -> Iterator[str]:
    """What it cost, whether it was cut short, and what it rests on."""
    limit = f" of at most {money(told.spend_limit)}" if told.spend_limit is not None else ""
    unknown = f"; the cost of {count(told.unpriced, 'call')} is not known" if told.unpriced else ""
    yield f"Spent: {money(told.spent)}{limit}{unknown}."
    if told.stopped:
        yield told.stopped
    if told.human_source:
        yield f"People: {count(told.human_judgements, 'judgement')} from {visible(told.human_source)}."
    yield "Agreement says that two see the same, not that they see what is there. Nothing of this was stored."


def within(found: Proportion | None) -> str:
    """'83 % (79 to 87)', with ordinary spaces."""
    return judge_words.within(found).replace("\u00a0", " ")


def cells(judge: ComparedJudge) -> dict[str, str]:
    """What there is to tell about one judge, by the names of `ROWS`."""
    kinds = judge_words.KINDS
    failed = ", ".join(f"{number:,} {kinds.get(kind, visible(kind))}" for kind, number in judge.failures.items())
    paid = (
        money(None) if judge.unpriced and not judge.cost else f"{money(judge.cost)}{' and more' * bool(judge.unpriced)}"
    )
    passed = sum(canary.passed for canary in judge.canaries)
    wrong = ", ".join(visible(canary.kind) for canary in judge.canaries if not canary.passed)
    told = (
        f"{judge.decisions:,}", failed or "none", within(judge.first_seat), within(judge.flips), within(judge.longer),
        within(judge.humans), MISSING if judge.median_seconds is None else f"{judge.median_seconds:.1f} s",
        f"{tokens(judge.input_tokens)} in, {tokens(judge.output_tokens)} out" if judge.calls else MISSING,
        paid if judge.calls else MISSING,
        f"{passed} of {len(judge.canaries)} passed{f'; failed: {wrong}' * bool(wrong)}" if judge.canaries else MISSING,
    )  # fmt: skip
    known = dict(zip(ROWS, told, strict=True))
    return (
        known
        if not judge.control
        else dict.fromkeys(ROWS, MISSING) | {"Agrees with people": known["Agrees with people"]}
    )


def name_of(judge: ComparedJudge) -> str:
    """How the judge is called."""
    return judge_words.SURFACE_LABEL if judge.control else visible(judge.judge)


def _judges(told: JudgeComparison, letters: dict[str, str]) -> Table:
    """A row for each figure; rows in which nobody has anything are left out."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("", no_wrap=True)
    for judge in told.judges:
        heading = judge_words.SURFACE_LABEL if judge.control else letters[judge.judge]
        table.add_column(Text(heading), overflow="fold", style="dim" if judge.control else "")
    columns = [cells(judge) for judge in told.judges]
    for name in ROWS:
        row = [column[name] for column in columns]
        if any(cell != MISSING for cell in row):
            table.add_row(name, *map(Text, row))
    return table


def write_page(path: Path, told: JudgeComparison) -> None:
    """The comparison as one self-contained page, whole or not at all."""
    from pairmark.report.files import writing  # noqa: PLC0415
    from pairmark.report.html import render_page  # noqa: PLC0415 - jinja2 only when a page is made

    rows = [(name_of(judge), judge.humans, judge.control) for judge in told.judges if judge.humans is not None]
    if told.among_humans is not None:
        rows.append((judge_charts.AMONG_PEOPLE, told.among_humans, True))
    pairs = [
        (f"{pair.one} and {pair.other}", pair.agreement, False) for pair in told.between if pair.agreement is not None
    ]
    specs = {
        "people": judge_charts.proportions("Agreement with people", rows, chance=0.5) if told.human_source else None,
        "between": judge_charts.proportions("Agreement of two judges", pairs, chance=0.5),
    }
    shown = {"told": told, "rows": ROWS, "cells": [cells(judge) for judge in told.judges], "names": list(map(name_of, told.judges)),
             "headline": headline(told), "closing": list(closing(told)), "within": within}  # fmt: skip
    page = render_page("compare.html.j2", specs, **shown)
    with writing(path) as file:
        file.write(page)


def write_calls(path: Path, rows: Iterator[dict[str, Any]]) -> int:
    """Every call as CSV or JSON lines; returns how many."""
    told = list(rows)
    return write_lines(path, list(told[0]) if told else ["judge"], told)


def print_probe(told: Any, console: Console) -> None:
    """What came of trying one judge."""
    style = "bold green" if told.works and told.sensible else "bold yellow" if told.works else "bold red"
    console.print(Text(_verdict(told), style=style), soft_wrap=True)
    console.print(facts((name, Text(text)) for name, text in _probe(told)))


def _verdict(told: Any) -> str:
    name = visible(told.judge)
    if not told.works:
        kind = judge_words.KINDS.get(told.kind, told.kind)
        return f"{name} answered, but there is no verdict ({kind}{f': {visible(told.detail)}' if told.detail else ''})."
    if not told.sensible:
        return f"{name} works, but preferred the text that every reader finds worse. Compare it with people before you rely on it."
    return f"{name} works."


def _probe(told: Any) -> Iterator[tuple[str, str]]:
    if told.model:
        yield "Answered by", f"{visible(told.model)} ({visible(told.provider)})"
    if told.reason:
        yield "Reason", visible(told.reason)
    for quote in filter(None, told.evidence):
        yield "Evidence", f"\u201c{visible(quote)}\u201d"
    if told.seconds is not None:
        yield "Time", f"{told.seconds:.1f} s{f' in {told.requests} requests' if (told.requests or 1) > 1 else ''}"
    if told.input_tokens is not None:
        yield "Tokens", f"{told.input_tokens:,} in, {told.output_tokens or 0:,} out"
    if told.requests is not None:
        yield "Cost", f"{money(told.cost)}{f' by {visible(told.price)}' if told.price else ''}"
