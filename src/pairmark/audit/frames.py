"""Findings as plain columns for notebooks: lists of equal length by name, as pandas and polars take them, not needed here."""

from datetime import datetime, timedelta
from typing import Any

from pairmark.audit.report import AuditReport, Finding

Columns = dict[str, list[Any]]


def findings_frame(report: AuditReport) -> Columns:
    """One row for each finding, worst first. Times are aware datetimes, intervals seconds; parts of the key begin with `key_`."""
    rows = [_row(number, one, report.unique_on) for number, one in enumerate(report.findings, start=1)]
    names = list(rows[0]) if rows else list(_row(0, None, report.unique_on))
    return {name: [row[name] for row in rows] for name in names}


def events_frame(report: AuditReport) -> Columns:
    """One row for each event that is kept (the first 200 of a finding): its finding, number, time and interval in seconds."""
    columns: Columns = {"finding": [], "event": [], "time": [], "offset_seconds": [], "interval_seconds": []}
    for number, one in enumerate(report.findings, start=1):
        begin = datetime.fromisoformat(one.first) if one.first else None
        before: float | None = None
        for place, offset in enumerate(one.offsets_ms, start=1):
            moment = begin + timedelta(milliseconds=offset) if begin else None
            interval = None if before is None else (offset - before) / 1e3
            row = (number, place, moment, offset / 1e3, interval)
            for column, value in zip(columns.values(), row, strict=True):
                column.append(value)
            before = offset
    return columns


def _row(number: int, one: Finding | None, parts: list[str]) -> dict[str, Any]:
    """A row; of None the names alone."""
    intervals = (one.intervals if one else None) or {}
    return {
        "finding": number,
        **{f"key_{part}": one.key[part] if one else None for part in parts},
        "events": one.events if one else None,
        "excess": one.excess if one else None,
        "severity": one.severity if one else None,
        "first": datetime.fromisoformat(one.first) if one and one.first else None,
        "last": datetime.fromisoformat(one.last) if one and one.last else None,
        "span_seconds": one.span_seconds if one else None,
        **{f"interval_{what}": intervals.get(what) for what in ("min", "median", "mean", "max")},
        "pattern": one.pattern if one else None,
        "confidence": one.confidence if one else None,
        "payload": one.payload["verdict"] if one else None,
        "ids": one.ids if one else None,
        "correlations": one.correlations if one else None,
        "published": one.published if one else None,
    }
