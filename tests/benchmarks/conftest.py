"""Keeps the numbers of a benchmark run with machine, date, commit and versions in results.json.

A benchmark takes the fixture `record` and hands it each number with its target and with the limit or peer of the same run. What is
measured is in the benchmarks themselves. The file is written only if numbers were recorded and nothing failed; a missed
target is printed and kept, it does not fail the run, because disks and neighbours differ. A run of some benchmarks
replaces their numbers only.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from support.durable import durable, raw_limits  # noqa: F401 - fixtures
from support.machine import stamp
from support.recorded import keep

RESULTS = Path(__file__).with_name("results.json")


@dataclass(frozen=True)
class Number:
    """One measured value. `peer` is the limit's or the peer's value in the same unit, `against` says what it is."""

    file: str
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
        self.file = ""
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
        value, target, met = float(value), "", None
        if at_most is not None:
            target, met = f"≤ {at_most:g} {unit}", value <= at_most
        if at_least is not None:
            target, met = f"≥ {at_least:g} {unit}", value >= at_least
        if between is not None:
            target, met = f"{between[0]:g} to {between[1]:g} {unit}", between[0] <= value <= between[1]
        ratio = value / peer if peer else None
        self.numbers.append(Number(self.file, what, value, unit, target, met, peer, ratio, against))
        print(f"\n{self.numbers[-1]}")


_record = Record()


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Record:
    """Keep a number for results.json and print it."""
    _record.file = request.path.name
    return _record


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if not _record.numbers or exitstatus != pytest.ExitCode.OK:
        return
    print("\n\n" + "\n".join(str(number) for number in _record.numbers))
    keep(RESULTS, stamp(), [asdict(number) for number in _record.numbers])
