"""The report as Markdown, for an incident ticket, and as JUnit XML, for a pipeline. Values from outside are escaped."""

import re
from xml.sax.saxutils import escape, quoteattr

from pairmark.audit.definitions import DEFINITIONS
from pairmark.audit.figures import figure, seconds
from pairmark.audit.report import AuditReport, Finding

LISTED = 20


def markdown(report: AuditReport) -> str:
    """The report as a page of Markdown."""
    rows = [
        f"| {name.replace('_', ' ')} | {figure(name, value)} | {DEFINITIONS[name]} |"
        for name, value in report.totals.items()
    ]
    parts = [
        f"# Audit of {_plain(report.source)}",
        f"Verdict: **{report.verdict}**. The same fact means the same {' and '.join(report.unique_on)}. "
        f"Snapshot `{report.snapshot['digest']}`, taken {report.snapshot['taken_at']}.",
        "\n".join(["| figure | value | what it counts |", "| --- | ---: | --- |", *rows]),
        *(f"Not seen: {_plain(one)}" for one in report.limits),
        *(_finding(number, one) for number, one in enumerate(report.findings[:LISTED], start=1)),
    ]
    left = len(report.findings) - LISTED + report.not_examined
    if left > 0:
        parts.append(f"{left:,} more findings are not listed here.")
    steps = [f"{number}. {_plain(step)}" for number, step in enumerate(report.next_steps, start=1)]
    return "\n\n".join([*parts, "## What to do next", "\n".join(steps)]) + "\n"


def _finding(number: int, finding: Finding) -> str:
    lines = [f"## {number}. {_plain(' '.join(str(value) for value in finding.key.values()))}", ""]
    span = f" in {seconds(finding.span_seconds)}" if finding.span_seconds is not None else ""
    lines.append(f"- {finding.events:,} events, {finding.excess:,} in excess{span} ({finding.severity})")
    if finding.first:
        lines.append(f"- from {finding.first} to {finding.last}")
    if finding.intervals:
        lines.append(
            "- intervals: " + ", ".join(f"{what} {seconds(value)}" for what, value in finding.intervals.items())
        )
    lines.append(f"- pattern: **{finding.pattern}** ({finding.confidence}): {_plain('; '.join(finding.evidence))}")
    lines += [f"- could be: {_plain(one)}" for one in finding.readings]
    if finding.settles:
        lines.append(f"- settled by: {_plain(finding.settles)}")
    lines.append(
        f"- payloads: {finding.payload['verdict']}; ids: {finding.ids}; correlation ids: {finding.correlations}"
    )
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Text on one line in which nothing is markup."""
    return re.sub(r"([\\*_`\[\]<>|#])", r"\\\1", "".join(one if one.isprintable() else " " for one in text))


def junit(report: AuditReport) -> str:
    """The report as JUnit XML: one case that passes when clean, one failing case for each finding, an error if undetermined."""
    if report.verdict == "clean":
        cases = ['<testcase classname="pairmark.audit" name="no fact was told twice"/>']
    elif report.verdict == "undetermined":
        reason = quoteattr(_printable(report.next_steps[0]))
        cases = [
            f'<testcase classname="pairmark.audit" name="something to look at"><error message={reason}/></testcase>'
        ]
    else:
        cases = [_case(finding) for finding in report.findings]
    failures = len(report.findings) if report.verdict == "findings" else 0
    errors = int(report.verdict == "undetermined")
    head = f'<testsuite name={quoteattr(_printable(report.source))} tests="{len(cases)}" failures="{failures}" errors="{errors}">'
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *cases, "</testsuite>"]) + "\n"


def _case(finding: Finding) -> str:
    name = quoteattr(_printable(" ".join(str(value) for value in finding.key.values())))
    message = quoteattr(
        f"{finding.events} events, {finding.excess} in excess: {finding.pattern} ({finding.confidence})"
    )
    detail = escape(_printable("; ".join(finding.evidence)))
    return f'<testcase classname="pairmark.audit" name={name}><failure message={message}>{detail}</failure></testcase>'


def _printable(text: str) -> str:
    """Without what XML 1.0 cannot hold."""
    return "".join(one if one.isprintable() else "?" for one in text)
