"""An audit on a terminal: definitions first, totals, severities, then each finding with its numbers, and what to do next."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pairmark.audit.charts import strip
from pairmark.audit.definitions import DEFINITIONS, VERDICTS
from pairmark.audit.figures import figure, seconds
from pairmark.audit.report import SEVERITIES, AuditReport, Finding

SHOWN = 10
STYLES = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "dim"}
COLOURS = {"clean": "green", "findings": "red", "undetermined": "yellow"}


def print_report(report: AuditReport, console: Console) -> None:
    """Print the whole report as text for people."""
    console.print(Text(VERDICTS[report.verdict], style=f"bold {COLOURS[report.verdict]}"))
    console.print(_facts(_what_was_looked_at(report)))
    console.print()
    console.print(_totals(report))
    if report.findings:
        _print_severities(report, console)
        for number, finding in enumerate(report.findings[:SHOWN], start=1):
            _print_finding(number, finding, console)
        left = len(report.findings) - SHOWN + report.not_examined
        if left > 0:
            console.print(Text(f"{left:,} more findings; --json has the first {len(report.findings):,}.", style="dim"))
    console.print()
    console.print(Text("What to do next", style="bold"))
    for number, step in enumerate(report.next_steps, start=1):
        console.print(Text(f"  {number}. {_visible(step)}"))


def _what_was_looked_at(report: AuditReport) -> Iterator[tuple[str, str]]:
    yield "Source", report.source
    yield "Same fact", f"same {' and '.join(report.unique_on)}"
    yield "Columns", ", ".join(f"{part}: {column}" for part, column in report.columns.items())
    asked = [f"type {' or '.join(report.filters['types'])}"] if report.filters["types"] else []
    asked += [f"{word} {report.filters[word]}" for word in ("since", "until") if report.filters[word]]
    if asked:
        yield "Only", ", ".join(asked)
    yield "Snapshot", f"{report.snapshot['digest']}, taken {report.snapshot['taken_at']}"
    for what, number in report.odd.items():
        yield "Odd", f"{number:,} {what}"
    for limit in report.limits:
        yield "Not seen", limit


def _totals(report: AuditReport) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("Figure", no_wrap=True)
    table.add_column("Value", justify="right", no_wrap=True)
    table.add_column("What it counts", style="dim", overflow="fold")
    for name, value in report.totals.items():
        table.add_row(name.replace("_", " "), figure(name, value), DEFINITIONS[name])
    return table


def _print_severities(report: AuditReport, console: Console) -> None:
    console.print()
    console.print(Text("Severity, by events in excess", style="bold"))
    for name, least in SEVERITIES:
        line = f"  {name:<9} {report.severity.get(name, 0):>6,}   from {least}"
        console.print(Text(line, style=STYLES[name] if report.severity.get(name) else "dim"))


def _print_finding(number: int, finding: Finding, console: Console) -> None:
    console.print()
    name = " ".join(_visible(str(value)) for value in finding.key.values())
    console.print(Text(f"{number}. {name}", style=STYLES[finding.severity]))
    console.print(_facts(_about(finding)))


def _about(finding: Finding) -> Iterator[tuple[str, str]]:
    span = f" in {seconds(finding.span_seconds)}" if finding.span_seconds is not None else ""
    yield "Events", f"{finding.events:,}, {finding.excess:,} in excess{span}"
    if finding.first:
        yield "From, to", f"{finding.first}, {finding.last}"
    if finding.intervals:
        yield "Intervals", ", ".join(f"{what} {seconds(value)}" for what, value in finding.intervals.items())
    if strip(finding):
        until = seconds(finding.offsets_ms[-1] / 1e3)
        yield (
            "In time",
            f"|{strip(finding)}| {until}" + ("" if finding.events == len(finding.offsets_ms) else ", the first 200"),
        )
    yield "Pattern", f"{finding.pattern} ({finding.confidence}): {'; '.join(finding.evidence)}"
    for reading in finding.readings:
        yield "Could be", reading
    if finding.settles:
        yield "Settled by", finding.settles
    fields = f" ({', '.join(finding.payload['fields'])})" if finding.payload["fields"] else ""
    yield "Payloads", f"{finding.payload['verdict']}{fields}"
    yield "Ids", f"{finding.ids}; correlation ids: {finding.correlations}"
    if finding.published is not None:
        yield "Published", f"{finding.published:,} of {finding.events:,}"


def _facts(facts: Iterator[tuple[str, str]]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="bold", min_width=12)
    grid.add_column(overflow="fold")
    for name, value in facts:
        grid.add_row(name, Text(_visible(value)))
    return grid


def _visible(text: str) -> str:
    """What would steer a terminal is written out."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
