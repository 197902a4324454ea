"""The one model of an audit: everything that is shown, in any form, is rendered from it.

`audit` reads a source and comes to it; nothing is written anywhere.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from statistics import fmean, median
from typing import Any

from pairmark.audit import payloads
from pairmark.audit.columns import Columns, recognise
from pairmark.audit.commits import overlap
from pairmark.audit.definitions import DEFINITIONS, Totals
from pairmark.audit.neighbours import Company, company, resolution
from pairmark.audit.patterns import read
from pairmark.audit.reading import History, Reading
from pairmark.audit.sources.address import Source, open_source
from pairmark.audit.sources.reach import Reach
from pairmark.audit.store import KEYS, Chosen, Store
from pairmark.audit.trigger_streams import Triggers, read_triggers
from pairmark.errors import BadRequest

EXAMINED = 1_000
"""Findings whose history is read and whose pattern is named, worst first; all others are counted."""
SEVERITIES = (("critical", 50), ("high", 10), ("medium", 3), ("low", 1))
"""From so many events in excess."""
COMPARED = 200
"""Payloads of one fact that are compared, the earliest first."""


@dataclass(frozen=True)
class Finding:
    """One fact that was told more than once. Times are ISO 8601 in UTC, intervals in seconds."""

    key: dict[str, str | None]
    events: int
    excess: int
    severity: str
    first: str | None
    last: str | None
    span_seconds: float | None
    intervals: dict[str, float] | None
    pattern: str
    confidence: str
    evidence: list[str]
    readings: list[str]
    settles: str
    payload: dict[str, Any]
    ids: str
    correlations: str
    published: int | None
    offsets_ms: list[float]


@dataclass(frozen=True)
class AuditReport:
    """What an audit found. `verdict`: clean, findings, or undetermined (nothing to look at: absence of data is never clean).

    `limits`: what of the source could not be seen, in sentences.
    """

    source: str
    columns: dict[str, str]
    unique_on: list[str]
    filters: dict[str, Any]
    snapshot: dict[str, Any]
    verdict: str
    totals: dict[str, float | int | None]
    severity: dict[str, int]
    patterns: dict[str, int]
    findings: list[Finding]
    not_examined: int
    odd: dict[str, int]
    limits: list[str]
    next_steps: list[str]
    definitions: dict[str, str] = field(default_factory=lambda: dict(DEFINITIONS))

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return asdict(self)


def audit(
    source: str,
    *,
    types: Sequence[str] = (),
    since: str | None = None,
    until: str | None = None,
    unique_on: Sequence[str] = ("aggregate", "type"),
    columns: Mapping[str, str] | None = None,
    triggers: str | None = None,
    trigger_columns: Mapping[str, str] | None = None,
    server_settings: Mapping[str, str] | None = None,
) -> AuditReport:
    """Look for facts that were told more than once in `source`; reads only.

    `source`: a CSV, JSONL, Parquet or log file or glob, `sqlite:FILE[?table=…]`, `postgresql://…[?table=schema.name]`,
    `mysql://…[?table=name]`, `kafka://HOST:PORT/TOPIC[?from=…&to=…]`,
    or `loki+http://HOST:PORT?query=…[&from=…&to=…&tenant=…]`. `types`: glob patterns.
    `since` (inclusive), `until` (exclusive): ISO 8601. `unique_on`: what the same fact means, of aggregate, type, id, key,
    correlation and payload. `columns`: column names by part, where they are not recognised. `triggers`: a source of what may
    have caused the events, such as callbacks; only it tells a loop from a drain.
    `server_settings`: of the session that reads a PostgreSQL or MySQL, such as `{"statement_timeout": "60s"}`.
    """
    chosen = chosen_from(types=types, since=since, until=until, unique_on=unique_on)
    opened = open_source(source, server_settings)
    found = recognise(opened.columns(), columns or {}, opened.shown)
    _check_parts(unique_on, found, opened.shown)
    store = Store(opened, found, chosen)
    try:
        rows = store.repeated(EXAMINED)
        aggregates = [row["aggregate"] for row in rows if row.get("aggregate")]
        joined = read_triggers(triggers, trigger_columns or {}, aggregates) if triggers else None
        return _report(store, opened, found, chosen, _findings(rows, chosen, joined))
    finally:
        store.close()


def chosen_from(
    *,
    types: Sequence[str] = (),
    since: str | None = None,
    until: str | None = None,
    unique_on: Sequence[str] = ("aggregate", "type"),
) -> Chosen:
    """What is asked for, checked."""
    _check(unique_on)
    return Chosen(types, _moment(since, "since"), _moment(until, "until"), unique_on)


def _check(unique_on: Sequence[str]) -> None:
    unknown = [part for part in unique_on if part not in KEYS]
    if unknown or not unique_on or len(set(unique_on)) < len(unique_on):
        raise BadRequest(
            f"A fact cannot be told by {', '.join(unique_on) or 'nothing'}.",
            remedy=f"Give --unique-on some of {','.join(KEYS)}.",
        )


def _check_parts(unique_on: Sequence[str], found: Columns, where: str) -> None:
    absent = [part for part in unique_on if part not in found.named()]
    if absent:
        raise BadRequest(f"{where} has no column for {', '.join(absent)}.", remedy=f"Name it by --{absent[0]}-column.")


def _moment(text: str | None, option: str) -> str | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest(f"--{option} {text!r} is no time.", remedy="Write it as 2025-11-15T18:59:00+00:00.") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


def _report(store: Store, source: Source, found: Columns, chosen: Chosen, findings: list[Finding]) -> AuditReport:
    totals, reach = store.totals(), source.reach()
    verdict = "findings" if totals.affected else "clean" if totals.events and reach.conclusive else "undetermined"
    return AuditReport(
        source=source.shown,
        columns=found.named(),
        unique_on=list(chosen.unique_on),
        filters={"types": list(chosen.types), "since": chosen.since, "until": chosen.until},
        snapshot={"taken_at": datetime.now(UTC).isoformat(timespec="seconds"), "digest": store.digest()},
        verdict=verdict,
        totals=totals.as_dict(),
        severity=dict(Counter(finding.severity for finding in findings)),
        patterns=dict(Counter(finding.pattern for finding in findings)),
        findings=findings,
        not_examined=max(totals.affected - len(findings), 0),
        odd={what: number for what, number in {**store.odd(), **reach.odd}.items() if number},
        limits=list(reach.limits),
        next_steps=_next_steps(totals, findings, store, chosen, reach),
    )


def _findings(rows: list[dict[str, Any]], chosen: Chosen, triggers: Triggers | None) -> list[Finding]:
    micros: list[list[int]] = [row["times"] or [] for row in rows]
    rounded = resolution(micros)
    companies = company([[moment / 1e6 for moment in times] for times in micros])
    return [
        _finding(row, chosen, _read(row, shared, triggers, rounded))
        for row, shared in zip(rows, companies, strict=True)
    ]


def _read(row: dict[str, Any], shared: Company, triggers: Triggers | None, rounded: float) -> Reading:
    times = [moment / 1e6 for moment in row["times"] or []]
    if len(times) < 2:
        return Reading("unclassified", "open", [f"{row['n']} events, fewer than two of them with a readable time"])
    overlapped = overlap(row["times"], row["commits"])
    caused, joined_by = triggers.of(row.get("aggregate")) if triggers else (None, "")
    return read(
        History(
            times,
            same_id=row["ids"] == 1 and row["with_id"] == row["n"] if row["with_id"] else None,
            shared_gap=shared.shared_gap,
            restarting=shared.restarting,
            swept=shared.swept,
            triggers=caused,
            joined_by=joined_by,
            overlapping=overlapped.number > 0 if overlapped else None,
            overlap=overlapped,
            clocked=row["clocked"],
            resolution=rounded,
        )
    )


def _finding(row: dict[str, Any], chosen: Chosen, reading: Reading) -> Finding:
    micro: list[int] = row["times"] or []
    gaps = [(after - before) / 1e6 for before, after in pairwise(micro)]
    return Finding(
        key={part: row[part] for part in chosen.unique_on},
        events=row["n"],
        excess=row["n"] - 1,
        severity=next(name for name, least in SEVERITIES if row["n"] - 1 >= least),
        first=_iso(micro[0]) if micro else None,
        last=_iso(micro[-1]) if micro else None,
        span_seconds=(micro[-1] - micro[0]) / 1e6 if micro else None,
        intervals={"min": min(gaps), "median": median(gaps), "mean": fmean(gaps), "max": max(gaps)} if gaps else None,
        pattern=reading.pattern,
        confidence=reading.confidence,
        evidence=reading.evidence,
        readings=reading.readings,
        settles=reading.settles,
        payload=payloads.compare((row["payloads"] or [])[:COMPARED]),
        ids=_repeats(row["ids"], row["with_id"]),
        correlations=_repeats(row["correlations"], row["with_correlation"]),
        published=row["published"] if row["with_published"] else None,
        offsets_ms=[(moment - micro[0]) / 1e3 for moment in micro[:200]],
    )


def _iso(micro: int) -> str:
    return datetime.fromtimestamp(micro // 1_000_000, UTC).replace(microsecond=micro % 1_000_000).isoformat()


def _repeats(distinct: int, known: int) -> str:
    if not known:
        return "not known"
    if distinct == known:
        return "each its own"
    return "all the same" if distinct == 1 else f"{distinct} different among {known}"


def _next_steps(totals: Totals, findings: list[Finding], store: Store, chosen: Chosen, reach: Reach) -> list[str]:
    if totals.events == 0:
        types = ", ".join(f"{name} ({number})" for name, number in store.types(5)) or "none at all"
        return [f"No event was looked at, so nothing is proven. Types in the source: {types}."]
    if not totals.affected and not reach.conclusive:
        return ["Nothing repeats in what could be seen, but that was not all that was asked for, so nothing is proven."]
    if not totals.affected:
        return [f"Nothing repeats on {', '.join(chosen.unique_on)} in this snapshot."]
    steps = [
        "Find out whether the effects repeated as well, in the ledgers and tables of the consumers (`pairmark audit impact`): "
        "events alone cannot tell."
    ]
    settling = list(dict.fromkeys(finding.settles for finding in findings[:10] if finding.settles))
    steps += [f"To be surer of the cause: {what}." for what in settling[:2]]
    if any(finding.ids == "each its own" for finding in findings[:10]):
        steps.append("Consumers that deduplicate by event id cannot see these duplicates: each has an id of its own.")
    steps.append(
        f"Forbid it: a unique key on ({', '.join(chosen.unique_on)}) over all rows, published or not, once the duplicates are "
        "set aside."
    )
    return steps
