"""Moving an installation: everything comes along, the guards stand again, and the old database stays as it is."""

from pathlib import Path

import psycopg
import pytest

from pairmark.bootstrap import System
from pairmark.clock import ManualClock
from pairmark.config import Config
from pairmark.errors import BadRequest, BrokenData
from pairmark.opening import open_database, open_system
from pairmark.storage import copied_tables, schema
from pairmark.storage.connection import Database, execute
from support.moving import contents, dying, finished, move, state
from support.postgres import Databases
from support.system import BEGIN


def test_everything_comes_along_and_the_batch_in_progress_ends_at_the_goal(source: str, goal: str, clock: ManualClock):
    before = contents(source)
    assert sum(rows for rows, _ in before.values()) > 200
    for wanted in ("held_message", "dead_letter", "quarantine", "delivery", "relay_lease", "inbox", "chunk", "text"):
        assert any(rows for name, (rows, _) in before.items() if name.endswith(f".{wanted}")), wanted
    move(source, goal)
    assert (state(source), state(goal)) == ("moved", "active")
    assert contents(goal) == before == contents(source)
    assert finished(goal, clock) == []
    assert contents(source) == before


def test_the_guards_of_the_goal_fire(source: str, goal: str):
    with Database(source).connect() as connection:
        wanted = copied_tables.guards(connection, schema.SCHEMAS)
    move(source, goal)
    with Database(goal).connect() as connection:
        assert copied_tables.guards(connection, schema.SCHEMAS) == wanted
        assert {row[3] for row in wanted} == {"O"}
        for statement in (
            "DELETE FROM assessment.terminal_fact",
            "UPDATE entitlements.ledger SET charged = 0",
            "UPDATE assessment.batch SET status = 'PENDING' WHERE deadline IS NULL",
            "TRUNCATE assessment.event_outbox",
            "DELETE FROM judging.verdict",
        ):
            with pytest.raises(psycopg.Error) as refused:
                connection.execute(statement)  # type: ignore[arg-type]
            assert (refused.value.sqlstate or "")[:2] == "PM"


def test_numbers_go_on_past_the_highest_ever_given(source: str, goal: str):
    """Also where the rows that had them are gone: a sequence that began anew would give old places in the queue again."""
    with Database(source).connect() as connection:
        connection.execute("SELECT setval('transport.delivery_position_seq', 1000000)")
    move(source, goal)
    with Database(goal).connect() as connection:
        assert execute(connection, "SELECT nextval('transport.delivery_position_seq')") == [(1000001,)]
        highest = execute(connection, "SELECT max(seq) FROM assessment.event_outbox")[0][0]
        assert execute(connection, "SELECT nextval('assessment.event_outbox_seq_seq')")[0][0] > highest


def test_a_moved_source_refuses_every_work_and_says_where_it_went(source: str, goal: str, tmp_path: Path):
    old = Database(source, direct_login=True)
    with old.transaction("assessment") as tx:  # a connection that will lie idle in its pool
        execute(tx, "SELECT 1")
    move(source, goal)
    config = Config(tmp_path, database_url=source)
    for opening in (open_system, open_database, lambda one: open_database(one, upgrade=False)):
        with (
            pytest.raises(BadRequest, match=r"moved to the goal on \d+-\d+-\d+\. Set PAIRMARK_DATABASE"),
            opening(config),
        ):
            pass
    with (
        pytest.raises(BadRequest, match=r"moved to the goal on .* Set PAIRMARK_DATABASE"),
        old.transaction("assessment") as tx,
    ):
        execute(tx, "UPDATE served SET at = now()")
    with pytest.raises(BadRequest, match="moved to the goal"):
        System(old).accounts.grant("user", "ann", 1, "late", BEGIN)
    with old.connect() as connection:
        for table in copied_tables.tables(connection, schema.SCHEMAS):
            with pytest.raises(psycopg.Error) as refused:
                connection.execute(f"DELETE FROM {table}".encode())
            assert refused.value.sqlstate == "PM006"
        for statement in (
            "UPDATE installation.standing SET state = 'active'",
            "DELETE FROM installation.standing",
        ):
            with pytest.raises(psycopg.Error, match="an installation that is moved does not become"):
                connection.execute(statement)  # type: ignore[arg-type]
    old.close()


@pytest.mark.parametrize("change", ["DELETE FROM assessment.judgement WHERE seq = (SELECT max(seq) FROM assessment.judgement)",
                                    "UPDATE judging.chunk SET tries = tries + 1 WHERE position = 1"])  # fmt: skip
def test_a_row_that_is_missing_or_changed_at_the_goal_stops_the_move(source: str, goal: str, change: str, monkeypatch):
    table = change.split()[2 if change.startswith("DELETE") else 1]
    real = copied_tables.digest

    def tampered(connection: psycopg.Connection, which: copied_tables.Table) -> tuple[int, str]:
        if str(which) == table and connection.info.dbname == "goal":
            connection.execute(change)
        return real(connection, which)

    monkeypatch.setattr(copied_tables, "digest", tampered)
    with pytest.raises(BrokenData, match=f"{table} has .* Nothing was moved"):
        move(source, goal)
    assert (state(source), state(goal)) == ("active", "arriving")
    monkeypatch.undo()
    move(source, goal)
    assert (state(source), state(goal)) == ("moved", "active")


def test_a_guard_that_differs_stops_the_move(source: str, goal: str):
    with Database(source).connect() as connection:
        connection.execute("ALTER TABLE entitlements.ledger DISABLE TRIGGER ledger_is_append_only")
    with pytest.raises(BrokenData, match="guards"):
        move(source, goal)
    assert state(source) == "active"


def test_an_error_in_between_leaves_the_source_at_work(source: str, goal: str, clock: ManualClock):
    for point in ("copy.before_arrival", "copy.before_mark"):
        with dying(point), pytest.raises(RuntimeError):
            move(source, goal)
        assert state(source) == "active"
    assert finished(source, clock) == []


@pytest.mark.parametrize("what", ["a table", "a pairmark", "another's rest", "itself"])
def test_a_goal_that_is_not_empty_is_refused_and_left_alone(source: str, goal: str, conninfo: str, what: str):
    if what == "a table":
        with Database(goal).connect() as connection:
            connection.execute("CREATE SCHEMA mine CREATE TABLE own (a int)")
        with pytest.raises(BadRequest, match=r"is not empty: it holds mine\.own"):
            move(source, goal)
    elif what == "a pairmark":
        schema.upgrade(Database(conninfo))
        with pytest.raises(BadRequest, match="holds a Pairmark of its own"):
            move(source, conninfo)
    elif what == "another's rest":
        with Database(conninfo).connect() as connection:  # templates are clones: one installation to the program
            connection.execute("ALTER TABLE installation.standing DISABLE TRIGGER USER")
            connection.execute("UPDATE installation.standing SET id = gen_random_uuid()")
        with dying("copy.arrived"), pytest.raises(RuntimeError):
            move(conninfo, goal)
        with pytest.raises(BadRequest, match="holds a Pairmark of its own"):
            move(source, goal)
    else:
        with pytest.raises(BadRequest, match="is the database that is to be moved"):
            move(source, f"{source} application_name=other")
    assert state(source) == "active"


def test_a_moved_source_does_not_move_a_second_time(source: str, goal: str, postgres: Databases):
    move(source, goal)
    assert "before=True" in repr(move(source, goal))
    elsewhere = postgres.conninfo(postgres.create("elsewhere"))
    with pytest.raises(BadRequest, match="moved to the goal"):
        move(source, elsewhere)
    assert state(elsewhere) is None
    back = postgres.conninfo(postgres.create("further"))
    move(goal, back)
    assert (state(goal), state(back)) == ("moved", "active")
    for name in ("elsewhere", "further"):
        postgres.drop(name)


def test_a_goal_that_waits_for_its_source_refuses_work(source: str, goal: str, tmp_path: Path):
    with dying("copy.arrived"), pytest.raises(RuntimeError):
        move(source, goal)
    with (
        pytest.raises(BadRequest, match=r"goal of a copy from the source that has not come to its end\. Give the same"),
        open_database(Config(tmp_path, database_url=goal)),
    ):
        pass
    with Database(goal).connect() as connection:
        for change in (
            "state = 'moved'",
            "id = gen_random_uuid()",
            "schemas = '{}'",
            "state = 'active', copy_id = gen_random_uuid()",
        ):
            with pytest.raises(psycopg.Error) as refused:
                connection.execute(f"UPDATE installation.standing SET {change}".encode())
            assert refused.value.sqlstate == "PM001", change
        connection.execute("UPDATE installation.standing SET state = 'arriving'")
        with pytest.raises(psycopg.Error, match="arriving does not become active"):
            connection.execute("UPDATE installation.standing SET state = 'active'")
