"""What the original report of the incident said, beside what its own data give: computed by the audit, for the page on it."""

import csv
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from pairmark.audit import AuditReport, audit
from pairmark.audit.figures import figure, seconds

MONITOR = 300.0
"""Seconds between two sweeps of the monitor that was suspected."""


def render(outbox: Path) -> str:
    """A table: what was said, what the rows give, and how that is reckoned."""
    report = audit(str(outbox))
    lines = ["| the report said | the rows give | reckoned as |", "| --- | --- | --- |"]
    lines += [f"| {said} | {gives} | {how} |" for said, gives, how in [*_counts(report), *_times(report, outbox)]]
    return "\n".join(lines) + "\n"


def _counts(report: AuditReport) -> list[tuple[str, str, str]]:
    totals, (worst, second) = report.totals, report.findings
    events, duplicates, aggregates = (int(totals[name] or 0) for name in ("events", "duplicates", "aggregates"))
    others, left = aggregates - 2, events - worst.events - second.events
    shares = (
        f"{100 * duplicates / aggregates:.0f} % by batch, {figure('share', totals['duplicate_share'])} of events, "
        f"{figure('share', totals['affected_share'])} of batches"
    )
    how = f"{duplicates} / {aggregates}, {duplicates} / {events}, {totals['affected']} / {totals['facts']}"
    return [
        ("94 duplicates", str(duplicates), f"{events} - {aggregates} = {worst.excess} + {second.excess}"),
        ("a duplicate rate of 376 %", shares, how),
        ("83 duplicates of the worst batch", f"{worst.events} events, {worst.excess} in excess", f"{worst.events} - 1"),
        (
            "the other 23 batches 1 to 3 each",
            f"{left // others} each",
            f"{events} - {worst.events} - {second.events} = {left}",
        ),
    ]


def _times(report: AuditReport, outbox: Path) -> list[tuple[str, str, str]]:
    worst, second = report.findings
    span, days = worst.span_seconds or 0.0, second.span_seconds or 0.0
    known = _published(outbox, worst.key["aggregate"] or "")
    gaps = [round(after - before) for before, after in pairwise(known)]
    sweeps, pauses = int(days // MONITOR), [gap for gap in gaps if gap > 100]
    mean, said = span / worst.excess, span / worst.events
    return [
        (
            "72 ms from one event to the next",
            seconds(mean),
            f"{span} s / {worst.excess} intervals; {seconds(said)} is / {worst.events} events",
        ),
        (
            "a longest interval of 160 ms",
            f"{max(gaps)} ms",
            f"its own first offsets: {', '.join(f'{one:.0f}' for one in known)} ms",
        ),
        ("no pauses over 0.1 s", f"{len(pauses)} among the first {len(gaps)}", f"{' and '.join(map(str, pauses))} ms"),
        ("13 events over 9 days", seconds(days), f"{_short(second.first)} to {_short(second.last)}"),
        (
            "a monitor that runs every 5 minutes",
            f"{second.events} events",
            f"{seconds(days)} / 5 min would be about {sweeps:,}",
        ),
    ]


def _published(outbox: Path, aggregate: str) -> list[float]:
    """Offsets in ms of the first events of an aggregate, those whose times the report gave."""
    with outbox.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["aggregate_id"] == aggregate]
    moments = [datetime.fromisoformat(row["created_at"]) for row in rows]
    invented = next(place for place, row in enumerate(rows) if row["time_is"] == "invented")
    return [(one - moments[0]).total_seconds() * 1_000 for one in moments[:invented]]


def _short(moment: str | None) -> str:
    return (moment or "").replace("T", " ").removesuffix("+00:00")
