"""Whether repeated events say the same, and if not, in which fields they differ: a changed fact is a re-run, not a duplicate."""

import json
from collections.abc import Sequence
from typing import Any

MOST_FIELDS = 10
TECHNICAL = frozenset(
    {"event_id", "id", "event_timestamp", "timestamp", "created_at", "time", "occurred_at", "trace_id", "span_id"}
)
"""Fields of an envelope that are new at every send; a difference there alone is no other fact."""


def compare(payloads: Sequence[str]) -> dict[str, Any]:
    """How payloads of one fact relate: "same", "same but for technical fields", "different", or "unknown" without two of them."""
    if len(payloads) < 2:
        return {"verdict": "unknown", "compared": len(payloads), "fields": []}
    if len(set(payloads)) == 1:
        return {"verdict": "same", "compared": len(payloads), "fields": []}
    parsed = [_parsed(one) for one in payloads]
    if any(one is None for one in parsed):
        return {"verdict": "different", "compared": len(payloads), "fields": ["(not JSON)"]}
    flat = [_flat(one) for one in parsed]
    names = sorted({name for one in flat for name in one})
    differing = [name for name in names if len({one.get(name, "(absent)") for one in flat}) > 1]
    weighty = [name for name in differing if name.rpartition(".")[2] not in TECHNICAL]
    verdict = "different" if weighty else "same but for technical fields" if differing else "same"
    return {"verdict": verdict, "compared": len(payloads), "fields": (weighty or differing)[:MOST_FIELDS]}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _flat(value: Any, prefix: str = "", depth: int = 0) -> dict[str, str]:
    """Leaves of a JSON value by their dotted path; what lies deeper than 8 is compared as text."""
    if isinstance(value, dict) and depth < 8:
        leaves: dict[str, str] = {}
        for name, inner in value.items():
            leaves |= _flat(inner, f"{prefix}.{name}" if prefix else str(name), depth + 1)
        return leaves
    return {prefix or "(whole)": json.dumps(value, sort_keys=True)}
