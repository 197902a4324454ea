"""Alert rules, a dashboard and log queries over what `watch` measures, made for the user's names.

YAML is written as JSON strings within a fixed frame, so that no name can break out of its place.
"""

import json
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from pairmark.audit.metrics import PREFIX
from pairmark.errors import BadRequest

PIECE = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?(?:[a-zA-Z-]+[:)]|P?<?.)|(?:[*+?]|\{\d*,?\d*\})\+|\{\d+(?:,\d*)?\}|.",
    re.DOTALL,
)
"""An escape, a set, the beginning of a group, a count of repetitions, or one character."""
NOT_RE2 = re.compile(
    r"\\[1-9uUNZ]|\(\?(?:[=!>#(]|P=|<[=!]|[a-zA-Z-]*[auLx][a-zA-Z-]*[:)])|(?:[*+?]|\{.*\})\+"
    r"|\{.*(?:\d{5}|[2-9]\d{3}|1(?!000\b)\d{3}).*\}"
)
"""Pieces of Python's that RE2 has not: looks around and back, groups and repetitions that give nothing back, comments, more than
1,000 repetitions, flags, and escapes of its own."""
NOT_IN_SETS = re.compile(r"\\[1-9uUNZ]")
FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def alerts(source: str, interval: timedelta) -> str:
    """Prometheus alert rules: duplicates again, nothing to look at, the watch blind or gone. `source`: a regular expression."""
    label = _label(source)
    late = max(3 * interval.total_seconds(), 180)
    made = [
        _alert("PairmarkDuplicateEvents", f"increase({PREFIX}_new_duplicates_total{label}[15m]) > 0", "0s", "critical",
               "Facts were told more than once, again",
               "{{ $value }} new duplicates in 15 minutes in {{ $labels.source }}. Run pairmark audit on it."),
        _alert("PairmarkAuditUndetermined", f'{PREFIX}_verdict{{verdict="undetermined",{label[1:]} == 1', "15m", "warning",
               "Nothing to look at: absence of data is not clean",
               "{{ $labels.source }} had nothing from which duplicates could be told."),
        _alert("PairmarkAuditBlind", f"{PREFIX}_up{label} == 0", "5m", "warning",
               "The audit cannot look at its source", "The last passes over {{ $labels.source }} failed."),
        _alert("PairmarkAuditLate", f"time() - {PREFIX}_last_pass_timestamp_seconds{label} > {late:.0f}", "0s", "warning",
               "The audit has not looked for a while", "{{ $labels.source }} was last looked at {{ $value }} seconds ago."),
        _alert("PairmarkAuditGone", f"absent({PREFIX}_up{label})", "10m", "warning",
               "The audit is not running", "No watch reports on these sources."),
    ]  # fmt: skip
    return (
        "\n".join(["groups:", '  - name: "pairmark-audit"', "    rules:", *(line for one in made for line in one)])
        + "\n"
    )


def _alert(name: str, expression: str, lasting: str, severity: str, summary: str, description: str) -> list[str]:
    return [
        f"      - alert: {name}",
        f"        expr: {_text(expression)}",
        f"        for: {lasting}",
        "        labels:",
        f"          severity: {severity}",
        "        annotations:",
        f"          summary: {_text(summary)}",
        f"          description: {_text(description)}",
    ]


def _label(source: str) -> str:
    try:
        re.compile(source)
    except re.error as error:
        raise BadRequest(
            f"{source} is no regular expression ({error}).", remedy="Leave --source out to mean all."
        ) from error
    unknown = next((one for one in PIECE.findall(source) if _is_unknown(one)), None)
    if unknown is not None:
        raise BadRequest(
            f"{source} has {unknown} in it, which expressions of Prometheus do not know.",
            remedy="Name what is wanted only; they neither look around nor back.",
        )
    return f"{{source=~{_text(source)}}}"


def _is_unknown(piece: str) -> bool:
    if piece.startswith("["):
        return any(NOT_IN_SETS.fullmatch(one) for one in re.findall(r"\\.|.", piece, re.DOTALL))
    return NOT_RE2.fullmatch(piece) is not None


def _text(text: str) -> str:
    """A text in the quotes of YAML, PromQL and LogQL alike: none of them knows JSON's two halves of a character."""
    known = text.encode(errors="replace").decode()
    return '"' + "".join(f"\\U{ord(one):08x}" if ord(one) > 0xFFFF else json.dumps(one)[1:-1] for one in known) + '"'


def dashboard(source: str) -> dict[str, Any]:
    """A Grafana dashboard: recurrence, what stands, and whether the audit sees anything at all."""
    label = _label(source)
    panels = [
        _panel("stat", "New duplicates, 24 h", [f"increase({PREFIX}_new_duplicates_total{label}[24h])"], 0, 0),
        _panel("stat", "Repeated facts", [f"{PREFIX}_repeated_facts{label}"], 6, 0),
        _panel("stat", "Duplicates in all", [f"{PREFIX}_duplicates{label}"], 12, 0),
        _panel("stat", "Verdict (1 holds)", [f"{PREFIX}_verdict{label}"], 18, 0, legend="{{verdict}}"),
        _panel("timeseries", "New duplicates per 5 min", [f"increase({PREFIX}_new_duplicates_total{label}[5m])"], 0, 6, wide=True),
        _panel("timeseries", "Events looked at", [f"{PREFIX}_events{label}"], 12, 6, wide=True),
        _panel("timeseries", "Age of the newest event, s", [f"time() - {PREFIX}_newest_event_timestamp_seconds{label}"], 0, 14,
               wide=True),
        _panel("timeseries", "Looks at the source: up, and seconds since the last",
               [f"{PREFIX}_up{label}", f"time() - {PREFIX}_last_pass_timestamp_seconds{label}"], 12, 14, wide=True),
    ]  # fmt: skip
    place = {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}
    return {
        "title": "Duplicate events",
        "uid": "pairmark-audit",
        "schemaVersion": 39,
        "tags": ["pairmark"],
        "time": {"from": "now-24h", "to": "now"},
        "refresh": "1m",
        "templating": {"list": [place]},
        "panels": [{"id": number, **panel} for number, panel in enumerate(panels, start=1)],
    }


def _panel(
    kind: str, title: str, expressions: Sequence[str], x: int, y: int, *, wide: bool = False, legend: str = "{{source}}"
) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${datasource}"}
    return {
        "type": kind,
        "title": title,
        "datasource": source,
        "gridPos": {"x": x, "y": y, "w": 12 if wide else 6, "h": 8 if wide else 6},
        "targets": [
            {"refId": chr(ord("A") + place), "expr": expression, "legendFormat": legend, "datasource": source}
            for place, expression in enumerate(expressions)
        ],
    }


def logql(selector: str, kind: str, aggregate: str, type_field: str) -> str:
    """LogQL over JSON log lines: aggregates with more than one event, and whether there are lines at all."""
    for field in (aggregate, type_field):
        if not FIELD.fullmatch(field):
            raise BadRequest(f"{field} is no label of LogQL.", remedy="Letters, digits and _; Loki turns dots into _.")
    wanted = f" | {type_field}={_text(kind)}" if kind else ""
    parsed = f'{selector} | json | __error__=""{wanted}'
    return "\n".join([
        "# Aggregates with more than one event in an hour. More than 500 series are refused, also inside topk.",
        f"topk(20, sum by ({aggregate}) (count_over_time({parsed} [1h])) > 1)",
        "# Events in an hour. None at all is unknown, not clean.",
        f"sum(count_over_time({parsed} [1h]))",
        "# Lines that are no JSON, and would be refused without __error__.",
        f'sum(count_over_time({selector} | json | __error__!="" [1h]))',
        "# The lines themselves. Identical lines with identical times are stored once by Loki: counts may be too small.",
        parsed,
    ]) + "\n"  # fmt: skip
