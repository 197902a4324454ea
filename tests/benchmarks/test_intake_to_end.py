"""From the request to the last service's answer, with the default options of a user and a simulated judge, fsync on."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.durable import fresh_home

pytestmark = pytest.mark.benchmark

ROWS = 7
"""Rows a comparison leaves: comparison, verdict, outbox event, delivery, inbox, judgement, and its share of requests and marks."""


@pytest.mark.parametrize(
    ("essays", "comparisons", "at_most", "there"),
    [
        (50, 1_000, 2.0, "34 s on the incident's platform (not measured here)"),
        (200, 1_000, 2.0, "98 s on the incident's platform (not measured here)"),
        (1_000, 10_000, 12.0, "not feasible on the incident's platform"),
    ],
)
def test_intake_to_final_event(record, raw_limits, essays, comparisons, at_most, there):
    seen = one_batch(essays, comparisons)
    assert seen["counted"] == comparisons
    bare = comparisons * ROWS / raw_limits.rows_in_sets
    what = f"intake to final event, {essays:,} essays / {comparisons:,} comparisons"
    record(
        what,
        seen["seconds"],
        "s",
        at_most=at_most,
        peer=bare,
        against=f"bare inserts of its rows in sets of 100; {there}",
    )
    if comparisons == 10_000:
        what = "peak memory of the Python process at 1,000 / 10,000"
        record(what, seen["peak_mebibytes"], "MB", at_most=250, against="fresh process, imports included")


def one_batch(essays: int, comparisons: int) -> dict[str, float]:
    """Measured in a fresh process on a fresh database."""
    with fresh_home() as home:
        command = [sys.executable, "-m", "support.one_batch", str(essays), str(comparisons), str(home)]
        tests = Path(__file__).parents[1]
        done = subprocess.run(command, cwd=tests, capture_output=True, text=True, check=True, timeout=180)
    seen: dict[str, float] = json.loads(done.stdout)
    return seen
