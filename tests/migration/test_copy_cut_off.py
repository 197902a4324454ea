"""A move that is killed at any step, or meets somebody at work: never do both sides work, and nothing is lost."""

from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import psycopg
import pytest

from pairmark.bootstrap import System
from pairmark.clock import ManualClock
from pairmark.config import Config
from pairmark.errors import BadRequest, Busy
from pairmark.opening import open_database
from pairmark.storage import installation
from pairmark.storage.connection import Database, execute
from pairmark.storage.waiting import until
from support.moving import contents, finished, move, opens, state
from support.processes import KILLED, Journal, Nursery
from support.system import submit


@pytest.fixture(scope="module")
def movers() -> Iterator[Nursery]:
    with Nursery("copying_worker.py") as nursery:
        yield nursery


BEFORE_THE_MARK = (
    "copy.alone",
    "copy.arriving",
    "copy.set_up",
    "copy.snapshot",
    "copy.rows.assessment.judgement",
    "copy.before_arrival",
    "copy.arrived",
    "copy.before_mark",
)
AFTER_THE_MARK = ("copy.marked", "copy.before_start")


@pytest.mark.parametrize("point", [*BEFORE_THE_MARK, *AFTER_THE_MARK, "copy.started"])
def test_killed_at_any_step_the_same_command_goes_on_and_never_do_both_work(
    point: str, movers: Nursery, source: str, goal: str, clock: ManualClock, tmp_path: Path
):
    journal = Journal(tmp_path / "journal")
    assert movers.run(source, journal.path, goal=goal, die_at=point) == KILLED
    assert until(lambda: nobody_left(source) and nobody_left(goal), 20)
    works = [name for name, address in (("source", source), ("goal", goal)) if opens(address, tmp_path)]
    assert works == (["source"] if point in BEFORE_THE_MARK else ["goal"] if point == "copy.started" else [])
    if point in BEFORE_THE_MARK:  # the source may work before the copy is tried again, and what it does comes along
        system = System(Database(source, direct_login=True), clock=clock)
        submit(system, 3, name="meanwhile")
        system.relays["lifecycle"].step()
        system.close()
        system.database.close()
    wanted = contents(source)
    assert movers.run(source, journal.path, goal=goal) == 0
    assert (state(source), state(goal)) == ("moved", "active")
    assert contents(goal) == wanted
    assert [line for line in journal.path.read_text().splitlines() if line.startswith("refused")] == []
    assert finished(goal, clock) == []


def test_the_steps_above_are_all_there_are(movers: Nursery, source: str, goal: str, tmp_path: Path):
    journal = Journal(tmp_path / "journal")
    assert movers.run(source, journal.path, goal=goal) == 0
    points = [point for point in journal.points() if point.startswith("copy.")]
    tables = [point for point in points if point.startswith("copy.rows.")]
    rest = {*BEFORE_THE_MARK, *AFTER_THE_MARK, "copy.started"} - {"copy.rows.assessment.judgement"}
    assert set(points) - set(tables) == rest
    assert len(tables) == len(contents(source))


def nobody_left(address: str) -> bool:
    """Whether the server has noticed that the process is gone."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with psycopg.connect(address) as connection:
        return execute(connection, query) == [(0,)]


def test_a_source_at_work_is_not_copied_and_a_start_during_the_copy_is_refused(source: str, goal: str, tmp_path: Path):
    config = Config(tmp_path, database_url=source)
    with (
        open_database(config),
        open_database(config),
        pytest.raises(Busy, match=r"2 processes are at work on the source\. Stop every worker"),
    ):
        move(source, goal)
    assert state(goal) is None
    with (
        Database(source).connect() as connection,
        installation.alone(connection, "it"),
        pytest.raises(Busy, match="is being copied"),
        open_database(config),
    ):
        pass
    with open_database(config) as (_, heal), Database(source).connect() as connection:
        execute(connection, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                            "AND datname = current_database()")  # fmt: skip
        heal()
        with pytest.raises(Busy, match="1 process is at work"):
            move(source, goal)


def test_a_process_that_lost_its_lock_refuses_to_go_on_once_it_notices(source: str, goal: str, tmp_path: Path):
    with open_database(Config(tmp_path, database_url=source)) as (_, heal):
        with Database(source).connect() as connection:
            execute(connection, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                                "AND datname = current_database()")  # fmt: skip
        move(source, goal)
        with pytest.raises(BadRequest, match="moved to the goal"):
            heal()


def test_a_writer_without_any_lock_is_waited_for_and_its_rows_come_along(source: str, goal: str):
    """The lock of processes at work is a courtesy; the locks on the tables are not."""
    with Database(source).connect() as writer:
        writer.execute("BEGIN")
        writer.execute("INSERT INTO content.text (storage_id, body) VALUES ('late', 'a late text')")
        mover = Thread(target=move, args=[source, goal])
        mover.start()
        waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'relation'"
        assert until(lambda: execute(writer, waiting), 20)
        writer.execute("COMMIT")
        mover.join(60)
    with Database(goal).connect() as connection:
        assert execute(connection, "SELECT body FROM content.text WHERE storage_id = 'late'") == [("a late text",)]
    assert state(source) == "moved"
