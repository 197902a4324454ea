"""One rule for all tests: on CI a skip is a failure, because a part that is missing there proves nothing.

A test that may be skipped all the same carries `@pytest.mark.may_skip(reason=…)`. Fixtures live beside the tests.
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest

ON_CI = os.environ.get("CI", "").lower() in {"1", "true"}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[Any]:
    report = yield
    excused = hasattr(report, "wasxfail") or item.get_closest_marker("may_skip") is not None
    if ON_CI and report.skipped and not excused:
        _fail(report, item.nodeid)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[Any]:
    report = yield
    if ON_CI and report.outcome == "skipped":
        _fail(report, collector.nodeid)
    return report


def _fail(report: Any, name: str) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"{name} was skipped, which counts as a failure on CI: {reason}"
