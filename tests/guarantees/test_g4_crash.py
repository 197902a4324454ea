"""G4, with G1 to G10 and G15: a process killed at any fault point, and started again, ends as if nothing had happened."""

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import LiteralString

import pytest

from pairmark.audit.selfcheck import self_check
from pairmark.events.catalogue import TERMINAL_COMPLETE
from pairmark.storage.connection import Database, execute
from support.processes import KILLED, Journal, Nursery

BATCH = {"essays": 4, "comparisons_per_essay": 3}
"""Six comparisons in two waves."""

JUDGES = ["simulated:sd=1,seed=3", "simulated:sd=1,seed=3,delay_ms=1"]
"""One answers whole sets, one is asked through the thread pool."""


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as nursery:
        yield nursery


def recorded(database: Database) -> set[str]:
    """Comparisons whose answer is on record at the judges' side."""
    with database.connect() as connection:
        return {row[0] for row in execute(connection, "SELECT request_id::text FROM judging.verdict")}


def everything(database: Database) -> dict[str, object]:
    """What is true of all batches of a database together, and the same for each of them when nothing went wrong."""
    with database.connect() as connection:
        return {name: execute(connection, query) for name, query in QUESTIONS.items()} | {
            "findings": self_check(database).findings
        }


QUESTIONS: dict[str, LiteralString] = {
    "batches": "SELECT status, sent, answered, counted, wave, count(DISTINCT id) FROM assessment.batch GROUP BY 1, 2, 3, 4, 5",
    "terminal events": "SELECT event_type, count(*), count(DISTINCT aggregate_id) FROM assessment.event_outbox "
    "WHERE aggregate_id IN (SELECT id::text FROM assessment.batch) AND event_type LIKE 'huleedu.%' GROUP BY 1 ORDER BY 1",
    "ledger": "SELECT kind, charged, count(*), count(DISTINCT batch_id) FROM entitlements.ledger GROUP BY 1, 2 ORDER BY 1",
    "answers": "SELECT closing, count(*), count(DISTINCT (batch_id, ordinal)) FROM assessment.judgement GROUP BY 1",
    "waves": "SELECT wave, size, count(*) FROM assessment.wave GROUP BY 1, 2 ORDER BY 1",
    "under way": "SELECT (SELECT count(*) FROM transport.delivery), (SELECT count(*) FROM judging.chunk WHERE open)",
}


def expected(batches: int) -> dict[str, object]:
    """`everything` after so many undisturbed batches."""
    comparisons, essays = 6, BATCH["essays"]
    return {
        "batches": [("COMPLETE_MAX_COMPARISONS", comparisons, comparisons, comparisons, 2, batches)],
        "terminal events": [(topic, batches, batches) for topic in sorted(TERMINAL_COMPLETE)],
        "ledger": [("capture", comparisons, batches, batches), ("release", 0, batches, batches),
                   ("reserve", 0, batches, batches)],
        "answers": [(True, comparisons * batches, comparisons * batches)],
        "waves": [(1, essays, batches), (2, comparisons - essays, batches)],
        "under way": [(0, 0)],
        "findings": [],
    }  # fmt: skip


def deaths_of(points: list[str], full: bool) -> list[tuple[str, int]]:
    """Where to die: at every visit of every fault point, or at one visit of each, drawn by seed."""
    draw, visits = random.Random(7), Counter(points)
    return [
        (name, visit)
        for name, number in sorted(visits.items())
        for visit in (range(1, number + 1) if full else [draw.randint(1, number)])
    ]


@pytest.mark.parametrize(
    ("judge", "full"),
    [
        pytest.param(JUDGES[0], False, id="one_visit_of_each_point"),
        pytest.param(JUDGES[0], True, id="in_sets", marks=pytest.mark.soak),
        pytest.param(JUDGES[1], True, id="in_pool", marks=pytest.mark.soak),
    ],
)
def test_g4_a_process_that_dies_at_any_fault_point_is_made_good_by_the_next(
    nursery: Nursery, conninfo: str, database: Database, tmp_path: Path, judge: str, full: bool
) -> None:
    clean = Journal(tmp_path / "clean")
    assert nursery.run(conninfo, clean.path, judge=judge, **BATCH) == 0
    assert everything(database) == expected(1)
    deaths = deaths_of(clean.points(), full)
    assert len({name for name, _ in deaths}) > 35
    for number, death in enumerate(deaths, start=2):
        before, after = Journal(tmp_path / "before"), Journal(tmp_path / "after")
        assert nursery.run(conninfo, before.path, judge=judge, seed=number, die_at=death, **BATCH) == KILLED, death
        known = recorded(database)
        assert nursery.run(conninfo, after.path, judge=judge, seed=number, **BATCH) == 0, death
        assert not known.intersection(after.asked()), f"asked again after a death at {death}"
        assert everything(database) == expected(number), f"after a death at {death}"
