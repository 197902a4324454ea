"""How the audit reads worlds of known causes: a table of confusions, and what is counted in it."""

import csv
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from pairmark.audit import AuditReport, Finding, audit
from support.histories import UNCLEAR, World

OPEN = {"sporadic", "unclassified"}
BURSTS = {"runaway_loop", "trigger_drain"}
Confusions = Counter[tuple[str, str]]


def audited(made: World, folder: Path, *, triggered: bool = True) -> AuditReport:
    """The audit of a world, as anybody would do it: from its outbox and, if they have it, its stream of callbacks."""
    outbox, callbacks = folder / "outbox.csv", folder / "callbacks.csv"
    _write(outbox, ("aggregate_id", "event_type", "created_at", "event_id"), made.rows())
    _write(callbacks, ("aggregate_id", "received_at"), made.triggers())
    if not triggered:
        return audit(str(outbox))
    return audit(str(outbox), triggers=str(callbacks), trigger_columns={"time": "received_at"})


def confusions(made: World, report: AuditReport, *, sure: bool = False) -> Confusions:
    """How often which cause was read as what; with `sure`, a reading that calls itself open counts as unclear."""
    return Counter((made.facts[one.key["aggregate"] or ""].cause, _told(one, sure)) for one in report.findings)


def _told(finding: Finding, sure: bool) -> str:
    return UNCLEAR if finding.pattern in OPEN or (sure and finding.confidence == "open") else finding.pattern


def macro_f1(found: Confusions) -> float:
    """The mean over all causes of the harmonic mean of precision and recall."""
    return sum(scores(found).values()) / len(scores(found))


def scores(found: Confusions) -> dict[str, float]:
    """F1 of each cause."""
    names = {cause for cause, _ in found} | {read for _, read in found}
    return {name: _f1(found, name) for name in sorted(names)}


def _f1(found: Confusions, name: str) -> float:
    hit = found[name, name]
    told = sum(number for (_, read), number in found.items() if read == name)
    there = sum(number for (cause, _), number in found.items() if cause == name)
    return 2 * hit / (told + there)


def wrong(found: Confusions) -> Confusions:
    """Readings that name another cause than the true one; a burst whose cause is left open is not wrong."""
    return Counter({
        (cause, read): number for (cause, read), number in found.items()
        if read not in (cause, UNCLEAR) and not (cause in BURSTS and read == "tight_burst")
    })  # fmt: skip


def matrix(found: Confusions) -> str:
    """The table for people: a row for each cause, a column for each reading."""
    names = sorted({name for pair in found for name in pair})
    rows = [["", *(name[:11] for name in names), "F1"]]
    each = scores(found)
    rows += [[cause, *(str(found[cause, read] or "·") for read in names), f"{each[cause]:.3f}"] for cause in names]
    return "\n".join("".join(f"{cell:>14}" for cell in row) for row in rows)


def _write(path: Path, header: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
