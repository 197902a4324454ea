"""Whole assessments by language models over HTTP: fake providers of one priced model, and their book beside ours."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from pairmark.storage.connection import Database
from support.faults import rows
from support.providers import Card, Entry, Scene, Traits

MODEL = "examiner-1"
JUDGE = f"openai:{MODEL}"
CARD = Card(MODEL, "openai", input=1.0, cached=0.1, output=4.0)

CALLS = """
SELECT id::text, kind, winner, cost::float8, estimated_cost::float8, cached_from FROM judging.model_call WHERE cached_from IS NULL
"""


def scene(rules: str = "", **fields: Any) -> Scene:
    """A scene of one model, whose prices are those of `prices`."""
    return Scene(rules=rules, **({"cards": [CARD], "judge": Traits(sd=1.5, sharpness=2.0)} | fields))


def lead_to(environment: dict[str, str], patched: pytest.MonkeyPatch, folder: Path) -> None:
    """Let every client of this process, and of those it starts, find the fake providers, and know their prices."""
    for name, value in environment.items():
        patched.setenv(name, value)
    prices = folder / "prices.json"
    prices.write_text(
        json.dumps({JUDGE: {"input": CARD.input, "cached": CARD.cached, "output": CARD.output, "context": 200_000}})
    )
    patched.setenv("PAIRMARK_PRICES", str(prices))


def differences(database: Database, entries: list[Entry]) -> list[str]:
    """What the providers' book and ours do not agree on; each is one sentence.

    Every charge must be that of a call in our book: at the cost it has there, or, where that is unknown, within what the call was
    said to cost at most. Every verdict must be the one that was given.
    """
    found = []
    charged: dict[str, float] = defaultdict(float)
    given: dict[str, set[str]] = defaultdict(set)
    answers = Counter(entry.request_id for entry in entries if entry.charged)
    for entry in entries:
        charged[entry.request_id] += entry.charged
        if entry.better:
            given[entry.request_id].add("first" if entry.better == "1" else "second")
    ours = {row[0]: row[1:] for row in rows(database, CALLS)}
    found += [f"call {one} is not in our book" for one, amount in charged.items() if amount and one not in ours]
    found += [f"call {one} was charged {number} times" for one, number in answers.items() if number > 1]
    for one, (kind, winner, cost, most, _) in ours.items():
        theirs = charged.get(one, 0.0)
        if kind is None:
            found.append(f"call {one} has no outcome")
        elif cost is not None and abs(cost - theirs) > 1e-12:
            found.append(f"call {one} ({kind}) cost {cost}, and was charged {theirs}")
        elif cost is None and theirs > most:
            found.append(f"call {one} ({kind}) was charged {theirs}, more than {most}")
        if kind == "verdict" and given.get(one) != {winner}:
            found.append(f"call {one} is a verdict for the {winner}, and {given.get(one)} was given")
    return found
