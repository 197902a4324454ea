"""A repair while eight processes insert, half of what they insert being duplicates, and while it is killed and gone on with.

Nothing is lost: rows before + inserts acknowledged = rows after + quarantined.
"""

from collections import Counter

import pytest

from pairmark.audit.repair import guard
from pairmark.audit.repair.apply import apply
from pairmark.audit.repair.plan import make_plan
from pairmark.audit.repair.result import Result
from pairmark.errors import Busy
from support.processes import Journal, Nursery
from support.repairs import Quiet, Theirs, writers
from support.sizes import size

WRITERS = 8
ROWS = size(4_000, 5_000_000)
FACTS = ROWS * 99 // 100
DEATHS = [
    ("lookup: begun", 1),
    ("guard: done", 1),
    ("quarantine: batch", 2),
    ("build: begun", 1),
    ("build: done", 1),
    ("unguard: done", 1),
]
BATCH = size(10, 5_000)


def repaired(
    place: Theirs, how: str, deaths: list[tuple[str, int]], nursery: Nursery, journal: Journal
) -> tuple[Result, Counter[str]]:
    options = {"probe": 0.5, "batch": BATCH, "guard": how, "patience": size(60.0, 1_800.0)}
    with writers(place.url, WRITERS, FACTS) as running:
        for point in deaths:
            assert nursery.run(place.url, journal.path, options=options, die_at=point) == -9, point
        result = apply(place.request(**options), quiet := Quiet())
        told = running.end()
    assert quiet.points.count("build: duplicate met") == journal.points().count("build: duplicate met") == 0
    return result, told


@pytest.mark.parametrize("how", ["divert", "refuse"])
def test_nothing_is_lost_under_load_and_sigkill(place, tmp_path, how):
    place.outbox(FACTS, ROWS)
    with Nursery("repairs_worker.py") as nursery:
        deaths = DEATHS if how == "divert" else []
        result, told = repaired(place, how, deaths, nursery, Journal(tmp_path / "journal"))
    rows, excess = place.summary()
    held = place.rows(f"SELECT count(*) FROM {result.quarantine}")[0][0]
    assert result.clean
    assert excess == 0
    assert result.slipped == 0
    assert result.evading == ()
    assert ROWS + told["stored"] + told["diverted"] == rows + held
    assert held == result.quarantined + result.diverted
    assert result.diverted == told["diverted"]
    assert told["stored"] > 0
    assert told["refused"] >= result.refused
    assert (result.diverted > 0, result.refused > 0) == ((True, False) if how == "divert" else (False, True))


def test_without_the_guard_duplicates_do_not_end(place):
    """What the guard is for: the same run with the trigger taken away again as soon as it stands."""
    place.outbox(FACTS, ROWS)
    target = make_plan(place.request()).target
    assert target is not None

    class Unguarded(Quiet):
        def point(self, name: str) -> None:
            super().point(name)
            if name == "guard: done":
                place.rows(guard.removing(target)[0])

    with (
        writers(place.url, WRITERS, FACTS),
        pytest.raises(Busy, match=r"new duplicates keep coming in|met duplicates 20 times"),
    ):
        apply(place.request(batch=BATCH), Unguarded())
