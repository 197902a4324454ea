"""Keeps the outcome of `make soak` in tests/soak.json: how many tests, on what, and how long the long ones took.

Written at the end of a run at full size in which nothing failed, by the process that collects the reports. A run of some
files replaces what was told about these files only.
"""

import os
from collections import Counter
from pathlib import Path

import pytest

from support.machine import stamp
from support.recorded import keep

RESULTS = Path(__file__).resolve().parents[1] / "soak.json"
LONG_SECONDS = 10.0


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
    reports = [one for one in terminalreporter.stats.get("passed", []) if one.when == "call"]
    if (
        os.environ.get("PAIRMARK_SOAK") != "1"
        or exitstatus != pytest.ExitCode.OK
        or not _whole(terminalreporter.config)
    ):
        return
    passed = Counter(_file(one) for one in reports)
    skipped = Counter(_file(one) for one in terminalreporter.stats.get("skipped", []))
    long = sorted((one for one in reports if one.duration >= LONG_SECONDS), key=lambda one: one.nodeid)
    rows = [
        {
            "file": file,
            "passed": number,
            "skipped": skipped[file],
            "long": {one.nodeid.partition("::")[2]: round(one.duration, 1) for one in long if _file(one) == file},
        }
        for file, number in sorted(passed.items())
    ]
    if rows:
        keep(RESULTS, stamp(), rows)


def _whole(config: pytest.Config) -> bool:
    """Whether files were run whole: a run of single tests is somebody looking at one of them, not a soak."""
    return not config.option.keyword and not config.option.lf and not any("::" in str(one) for one in config.args)


def _file(report: pytest.TestReport) -> str:
    return report.nodeid.partition("::")[0]
