"""Keeps the outcome of `make soak` in tests/soak.json: how many tests, on what, and how long the long ones took.

Written at the end of a full run in which nothing failed, by the process that collects the reports.
"""

import json
import os
from pathlib import Path

import pytest

from support.machine import stamp

RESULTS = Path(__file__).resolve().parents[1] / "soak.json"
LONG_SECONDS = 10.0
LEAST_TESTS = 100
"""A run of fewer tests is somebody looking at one of them, not a soak."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
    reports = [one for one in terminalreporter.stats.get("passed", []) if one.when == "call"]
    if os.environ.get("PAIRMARK_SOAK") != "1" or exitstatus != pytest.ExitCode.OK or len(reports) < LEAST_TESTS:
        return
    long = [one for one in reports if one.duration >= LONG_SECONDS]
    run = stamp() | {
        "passed": len(reports),
        "skipped": len(terminalreporter.stats.get("skipped", [])),
        "long": [
            {"test": one.nodeid, "seconds": round(one.duration, 1)} for one in sorted(long, key=lambda one: one.nodeid)
        ],
    }
    RESULTS.write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8")
