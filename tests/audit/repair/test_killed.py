"""A repair that is killed by SIGKILL at each of its points, and gone on with: nothing is lost, and it comes to the same end."""

import subprocess
from collections.abc import Iterator

import psycopg
import pytest

from pairmark.audit.repair.apply import apply
from pairmark.errors import BadRequest, Busy
from pairmark.storage.waiting import until
from support.command import COMMAND
from support.postgres import Databases
from support.processes import Journal, Nursery
from support.repairs import Quiet, Theirs, theirs
from support.sizes import size

FACTS, ROWS, BATCH = 30, 100, 30
OPTIONS = {"probe": 0.0, "batch": BATCH, "patience": 30.0}
ALL = ["guard", "index", "rows", "tables"]
DIED = -9


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery("repairs_worker.py") as made:
        yield made


@pytest.fixture(scope="module")
def template(postgres: Databases) -> Iterator[str]:
    with theirs(postgres, "killed") as made:
        made.outbox(FACTS, ROWS)
        made.connection.close()
        yield made.name


def walk(postgres: Databases, clone, nursery: Nursery, template: str, journal: Journal, **order) -> list[str]:
    """Run through once without dying, then die at every point in turn and go on; returns the points."""
    place = Theirs(postgres, clone(template))
    assert nursery.run(place.url, journal.path, options=OPTIONS, **order) == 0
    place.connection.close()
    points = journal.points()
    for number, point in enumerate(points):
        if size(point.endswith((": begun", ": recorded")), False):
            continue  # nothing happens between these and the point before
        place = Theirs(postgres, clone(template))
        visit = points[: number + 1].count(point)
        status = nursery.run(place.url, journal.path, options=OPTIONS, die_at=[point, visit], **order)
        assert status == DIED, point
        assert place.held() == ROWS, point
        assert nursery.run(place.url, journal.path, options=OPTIONS, **order) == 0, point
        assert place.held() == ROWS, point
        check_end(place, point, undone="undo" in order)
        place.connection.close()
    return points


def check_end(place: Theirs, point: str, *, undone: bool) -> None:
    assert place.summary() == ((ROWS, ROWS - FACTS) if undone else (FACTS, 0)), point
    if undone:
        assert place.left_over() == [], point
        return
    assert place.left_over() == ["pairmark_evading", "pairmark_quarantine", "pairmark_repair"], point
    with pytest.raises(psycopg.errors.UniqueViolation):
        place.rows("INSERT INTO event_outbox (aggregate_id) VALUES ('a1')")


def test_a_repair_killed_at_every_point_goes_on(postgres, clone, nursery, template, tmp_path):
    points = walk(postgres, clone, nursery, template, Journal(tmp_path / "journal"))
    steps = {point.partition(":")[0] for point in points}
    assert steps == {"prepare", "lookup", "guard", "probe", "quarantine", "build", "unguard", "tidy"}
    assert points.count("quarantine: batch") == 3


def test_an_undo_killed_at_every_point_goes_on(postgres, clone, nursery, template, tmp_path):
    with_repair = Theirs(postgres, clone(template))
    apply(with_repair.request(), Quiet())
    with_repair.connection.close()
    points = walk(postgres, clone, nursery, with_repair.name, Journal(tmp_path / "journal"), undo=ALL)
    assert points.count("undo rows: batch") == 3


AT_WORK = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pairmark audit repair' AND datname = current_database()"
BUILDING = (
    "SELECT count(*) FROM pg_stat_progress_create_index WHERE datname = current_database() AND current_locker_pid <> 0"
)


def test_a_repair_killed_while_the_server_builds_goes_on(postgres, clone, nursery, template, tmp_path):
    """An open transaction elsewhere holds the build up, so that it is certainly under way; what it leaves is invalid."""
    place, journal = Theirs(postgres, clone(template)), Journal(tmp_path / "journal")
    assert nursery.run(place.url, journal.path, options=OPTIONS, die_at=["build: begun", 1]) == DIED
    with psycopg.connect(place.url) as old:
        old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        old.execute("SELECT 1")
        command = [COMMAND, "audit", "repair", place.url, "--apply", "--yes", "--probe", "0", "--batch", str(BATCH)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
            assert until(lambda: place.rows(BUILDING) != [(0,)], 30)
            running.kill()
        assert until(lambda: place.rows(AT_WORK) == [(0,)], 30), "the server did not notice that nobody waits any more"
        assert place.rows("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [(1,)]
    assert nursery.run(place.url, journal.path, options=OPTIONS) == 0
    check_end(place, "build", undone=False)
    place.connection.close()


def test_one_run_at_a_time(place):
    place.outbox(9, 12)

    class Second(Quiet):
        def point(self, name: str) -> None:
            super().point(name)
            if name == "guard: done":
                with pytest.raises(Busy, match=r"another run.*session \d+"):
                    apply(place.request(patience=0.1), Quiet())

    assert apply(place.request(), Second()).clean


def test_another_plan_does_not_go_on_with_it(place, nursery, tmp_path):
    place.outbox(9, 12)
    journal = Journal(tmp_path / "journal")
    assert nursery.run(place.url, journal.path, options=OPTIONS, die_at=["guard: done", 1]) == DIED
    with pytest.raises(BadRequest, match=r"another plan .* is unfinished"):
        apply(place.request(guard="refuse"), Quiet())
    assert apply(place.request(), Quiet()).clean
