"""G4, G5, G9, G10 over a real Kafka: a process that dies anywhere is followed by another, and nobody outside can tell."""

import random
from collections.abc import Iterator

import pytest

from support.processes import KILLED, Journal, Nursery
from support.sizes import size

OURS = ("relay.", "assessment.", "judging.", "lifecycle.", "results.", "entitlements.")


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery("fleet_worker.py") as nursery:
        yield nursery


def test_g4_killed_at_any_fault_point_nothing_is_lost_and_nothing_told_twice(fleet, nursery, tmp_path):
    journal = Journal(tmp_path / "undisturbed")
    fleet.request()
    assert nursery.run(**fleet.order(journal.path)) == 0
    points = sorted({point for point in journal.points() if point.startswith(OURS)})
    assert len(points) > 30
    assert fleet.broken_promises() == []
    chosen = size(random.Random(len(points)).sample(points, 3), points)
    for number, point in enumerate(chosen):
        fleet.request()
        dying = Journal(tmp_path / f"dying-{number}")
        assert nursery.run(**fleet.order(dying.path, die_at=[point, 1])) == KILLED, point
        assert nursery.run(**fleet.order(Journal(tmp_path / f"after-{number}").path)) == 0, point
    assert fleet.broken_promises() == []
