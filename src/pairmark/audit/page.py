"""The report as one page for a browser: asks nothing of the network, holds without JavaScript, and escapes everything.

What stands where is in the template `audit.html.j2`; charts are next door.
"""

from pairmark.audit import charts
from pairmark.audit.definitions import DEFINITIONS, VERDICTS
from pairmark.audit.figures import figure, seconds
from pairmark.audit.report import SEVERITIES, AuditReport, Finding
from pairmark.report.html import render_page

SHOWN, DRAWN = 50, 10
"""Findings with all their numbers on the page, and those with a chart of their own."""
LEVELS = {"clean": "good", "findings": "weak", "undetermined": "fair"}


def render_html(report: AuditReport) -> str:
    """The report as one self-contained HTML page."""
    shown = report.findings[:SHOWN]
    specs = {"overview": charts.overview(shown)}
    specs |= {f"finding-{number}": charts.intervals(one) for number, one in enumerate(shown[:DRAWN], start=1)}
    return render_page(
        "audit.html.j2",
        specs,
        report=report,
        shown=shown,
        left=len(report.findings) - len(shown) + report.not_examined,
        verdict=VERDICTS[report.verdict],
        level=LEVELS[report.verdict],
        definitions=DEFINITIONS,
        severities=SEVERITIES,
        figure=figure,
        seconds=seconds,
        timeline=_timeline,
    )


def _timeline(finding: Finding) -> list[tuple[int, str, str]]:
    """Number, time and interval of each event that is kept."""
    gaps = ["", *map(seconds, charts.intervals_of(finding))]
    return [
        (number, moment, gap)
        for number, (moment, gap) in enumerate(zip(charts.moments(finding), gaps, strict=False), 1)
    ]
