"""The findings of an audit on a time axis: as Vega-Lite for a page, as one line of text for a terminal."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from pairmark.audit.figures import seconds
from pairmark.audit.report import Finding
from pairmark.report.charts import INTERVAL, POINT, by_name, chart
from pairmark.report.figures import visible

OVERVIEW = 15
"""Findings in the chart of all."""
ROW = 26
UNITS = ((1e-3, "ms"), (1.0, "s"), (60.0, "min"), (3_600.0, "h"), (86_400.0, "d"))
CELLS, LEVELS = 48, "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"


def overview(findings: Sequence[Finding]) -> dict[str, Any] | None:
    """Every event of the worst findings at its time in UTC, a row for each finding; None if no time is known."""
    shown = [(number, one) for number, one in enumerate(findings[:OVERVIEW], start=1) if one.first]
    if not shown:
        return None
    data = [
        {"finding": row_name(number, one), "at": moment, "pattern": one.pattern}
        for number, one in shown
        for moment in moments(one)
    ]
    axis = {"title": "Time in UTC", "labelOverlap": True, "grid": True}
    x = {"field": "at", "type": "temporal", "scale": {"type": "utc", "nice": True}, "axis": axis}
    tooltip = [
        {"field": "finding", "type": "nominal", "title": "Finding"},
        {"field": "at", "type": "temporal", "title": "At", "format": "%Y-%m-%d %H:%M:%S.%L"},
        {"field": "pattern", "type": "nominal", "title": "Pattern"},
    ]
    layer = {
        "name": "point",
        "mark": {"type": "point", "filled": True, "opacity": 0.7, "color": POINT, "size": 45, "aria": False},
        "encoding": {"x": x, "tooltip": tooltip},
    }
    return chart(
        f"Events of the {len(shown)} worst findings at their times. The table below holds first, last and intervals.",
        data=data,
        height=max(3 * ROW, ROW * len(shown)),
        layer=[layer],
        encoding={"y": by_name("finding")},
    )


def intervals(finding: Finding) -> dict[str, Any] | None:
    """Each event of one finding: when it came, and how long after the one before; None for fewer than three times."""
    if len(finding.offsets_ms) < 3:
        return None
    gaps = intervals_of(finding)
    (across, across_unit), (up, up_unit) = unit(finding.offsets_ms[-1] / 1e3), unit(max(gaps))
    data = [
        {"number": number, "after": offset / 1e3 / across, "interval": gap / up}
        for number, (offset, gap) in enumerate(zip(finding.offsets_ms[1:], gaps, strict=True), start=2)
    ]
    x = {"field": "after", "type": "quantitative", "title": f"Since the first event, in {across_unit}"}
    y = {"field": "interval", "type": "quantitative", "title": f"Interval, in {up_unit}"}
    flat = {"scale": {"zero": True, "nice": True}}
    tooltip = [
        {"field": "number", "type": "quantitative", "title": "Event number"},
        {"field": "after", "type": "quantitative", "title": x["title"], "format": ".3f"},
        {"field": "interval", "type": "quantitative", "title": y["title"], "format": ".3f"},
    ]
    encoding = {"x": {**x, **flat}, "y": {**y, **flat}}
    course = {"type": "line", "color": INTERVAL, "strokeWidth": 1, "aria": False}
    point = {"type": "point", "filled": True, "opacity": 1, "color": POINT, "size": 36}
    return chart(
        f"Intervals of {len(gaps)} repetitions over {seconds(finding.offsets_ms[-1] / 1e3)}. "
        "The table below holds the same numbers.",
        data=data,
        height=150,
        layer=[
            {"name": "course", "mark": course, "encoding": encoding},
            {"name": "point", "mark": point, "encoding": {**encoding, "tooltip": tooltip}},
        ],
        encoding={},
    )


def row_name(number: int, finding: Finding) -> str:
    """Number and key of a finding, short enough for an axis."""
    return f"{number}. {visible(' '.join(str(value) for value in finding.key.values()))}"


def moments(finding: Finding) -> list[str]:
    """Times of the events that are kept (the first 200), ISO 8601."""
    if finding.first is None:
        return []
    begin = datetime.fromisoformat(finding.first)
    return [(begin + timedelta(milliseconds=offset)).isoformat() for offset in finding.offsets_ms]


def unit(longest: float) -> tuple[float, str]:
    """The largest unit of which `longest` seconds are at least two."""
    fitting = [(size, name) for size, name in UNITS if longest >= 2 * size]
    return fitting[-1] if fitting else UNITS[0]


def strip(finding: Finding) -> str:
    """One line of text in which taller blocks hold more events, from the first event to the last that is kept."""
    if len(finding.offsets_ms) < 2 or finding.offsets_ms[-1] <= 0:
        return ""
    cells = [0] * CELLS
    for offset in finding.offsets_ms:
        cells[min(int(CELLS * offset / finding.offsets_ms[-1]), CELLS - 1)] += 1
    most = max(cells)
    return "".join(" " if not one else LEVELS[(one * len(LEVELS) - 1) // most] for one in cells)


def intervals_of(finding: Finding) -> list[float]:
    """Seconds between the events that are kept."""
    return [(after - before) / 1e3 for before, after in pairwise(finding.offsets_ms)]
