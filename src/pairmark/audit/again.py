"""Trying a constraint on history before it is built, and checking an old report against its source."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pairmark.audit.report import AuditReport, audit
from pairmark.errors import BadRequest

NUMBERS = ("totals", "severity", "patterns", "verdict")


@dataclass(frozen=True)
class ConstraintTrial:
    """What a unique key would have done to the rows of this history, had it stood from the beginning.

    `refused`: events it would have refused, every one but the first of each fact. `changed_facts`: facts among them whose payloads
    differ, so that a refused event may have been legitimate. `examined`: facts whose payloads were compared.
    """

    unique_on: list[str]
    events: int
    refused: int
    facts_affected: int
    examined: int
    changed_facts: int
    unknown_payloads: int
    examples: list[dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return asdict(self)


def try_constraint(source: str, unique_on: Sequence[str], **options: Any) -> ConstraintTrial:
    """Which rows a unique key on these parts would have refused, and which of them may have been legitimate."""
    report = audit(source, unique_on=unique_on, **options)
    changed = [finding for finding in report.findings if finding.payload["verdict"] == "different"]
    unknown = [finding for finding in report.findings if finding.payload["verdict"] == "unknown"]
    return ConstraintTrial(
        unique_on=list(unique_on),
        events=_number(report, "events"),
        refused=_number(report, "duplicates"),
        facts_affected=_number(report, "affected"),
        examined=len(report.findings),
        changed_facts=len(changed),
        unknown_payloads=len(unknown),
        examples=[
            {"key": one.key, "refused": one.excess, "payload": one.payload["verdict"], "fields": one.payload["fields"]}
            for one in [*changed, *report.findings][:10]
        ],
    )


def _number(report: AuditReport, name: str) -> int:
    return int(report.totals[name] or 0)


def verify(recorded: Mapping[str, Any], source: str) -> list[str]:
    """What differs between a recorded report and the same audit of `source` now; empty if snapshot and numbers are the same."""
    try:
        asked = recorded["filters"]
        now = audit(
            source,
            types=asked["types"],
            since=asked["since"],
            until=asked["until"],
            unique_on=recorded["unique_on"],
            columns=recorded["columns"],
        ).as_dict()
        before = {name: recorded[name] for name in NUMBERS} | {"snapshot": recorded["snapshot"]["digest"]}
    except (KeyError, TypeError) as error:
        raise BadRequest(
            f"The report lacks {error}.", remedy="Give a file written by `pairmark audit run SOURCE --json`."
        ) from error
    after = {name: now[name] for name in NUMBERS} | {"snapshot": now["snapshot"]["digest"]}
    differing = [name for name in before if before[name] != after[name]]
    return [f"{name}: {_short(before[name], after[name])}" for name in differing]


def _short(before: Any, after: Any) -> str:
    if isinstance(before, dict) and isinstance(after, dict):
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        return ", ".join(f"{name} {before.get(name)} → {after.get(name)}" for name in names)
    return f"{before} → {after}"
