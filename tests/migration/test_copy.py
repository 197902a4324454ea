"""Moving an installation: everything comes along, never do both sides work, and a process killed at any step loses nothing."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread

import psycopg
import pytest

from pairmark.bootstrap import System, open_database, open_system
from pairmark.clock import ManualClock
from pairmark.config import Config
from pairmark.errors import BadRequest, BrokenData, Busy, PairmarkError
from pairmark.storage import copied_tables, faults, installation, schema
from pairmark.storage.connection import Database, execute
from pairmark.storage.copying import Side, copy
from pairmark.storage.waiting import until
from support.callbacks import settle
from support.faults import plant, plant_raw, reserve
from support.invariants import violations
from support.postgres import Databases
from support.processes import KILLED, Journal, Nursery
from support.system import BEGIN, submit

UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def at_rest(postgres: Databases, template: str) -> str:
    """A stopped installation, to be cloned: a batch in mid-wave, one complete, one cancelled; held, dead and unusable messages;
    an event that waits for its relay, and deliveries that wait for their group."""
    name = postgres.clone(template)
    with closing(Database(postgres.conninfo(name), direct_login=True)) as database:
        schema.upgrade(database)
        system = System(database, clock=ManualClock(BEGIN))
        system.accounts.ensure_default()
        system.accounts.grant("user", "ann", 500, "gift", BEGIN)
        submit(system, 5, user_id="ann")
        system.drain()
        cancelled, half_way = submit(system, 4), submit(system, 8, name="half way")
        settle(system)
        system.finalization.cancel(cancelled.job_id, "a test")
        settle(system)
        system.asker.step()
        settle(system)
        system.asker.step()
        system.relays["judging"].step()
        assert system.assessment.batch(half_way.job_id).wave > 1
        plant_raw(database, "results", "huleedu.assessment.result.published.v1", "nobody", "no json é ∞")
        plant(database, "entitlements", reserve(UNKNOWN, 1, user="ann"))
        system.consumers["results"].step()
        with database.transaction("lifecycle") as tx:
            execute(
                tx,
                "INSERT INTO dead_letter (event_id, topic, event_key, body, headers, attempts, cause) "
                "VALUES (gen_random_uuid(), 't', 'k', E'tab\\t\\\\N\\n', '{\"a\": [1, null]}', 5, 'x')",
            )
            execute(
                tx,
                "INSERT INTO held_message (event_id, topic, event_key, body, headers, attempts, next_attempt_at, last_error) "
                "VALUES (gen_random_uuid(), 't', 'k', 'b', '{}', 1, 'infinity', 'y')",
            )
        submit(system, 3, name="not relayed yet")
        system.close()
    return name


@pytest.fixture
def source(postgres: Databases, at_rest: str, clone: Callable[[str], str]) -> str:
    """Address of a fresh copy of it."""
    return postgres.conninfo(clone(at_rest))


@pytest.fixture
def goal(postgres: Databases) -> Iterator[str]:
    """Address of an empty database whose owner is no superuser, as `db upgrade` wants it."""
    with psycopg.connect(postgres.conninfo(), autocommit=True) as connection:
        connection.execute("CREATE ROLE newcomer LOGIN CREATEROLE")
        for role in schema.ROLES:
            connection.execute(f"GRANT pairmark_{role} TO newcomer".encode())
        connection.execute("CREATE DATABASE goal OWNER newcomer")
    yield postgres.conninfo("goal", "newcomer")
    postgres.drop("goal")
    with psycopg.connect(postgres.conninfo(), autocommit=True) as connection:
        connection.execute("DROP ROLE newcomer")


def move(source: str, goal: str) -> object:
    with closing(Database(source, direct_login=True)) as old, closing(Database(goal)) as new:
        return copy(Side(old, "the source"), Side(new, "the goal"), lambda *_: None)


def state(address: str) -> str | None:
    with Database(address).connect() as connection:
        here = installation.standing(connection)
    return here.state if here else None


def contents(address: str) -> dict[str, tuple[int, str]]:
    with Database(address).connect() as connection:
        tables = copied_tables.tables(connection, schema.SCHEMAS)
        return {str(table): copied_tables.digest(connection, table) for table in tables}


@contextmanager
def dying(point: str) -> Iterator[None]:
    """An error at a fault point, as a full disk or a lost network would raise."""

    def reach(name: str) -> None:
        if name == point:
            raise RuntimeError(point)

    faults.install(reach)
    try:
        yield
    finally:
        faults.install(None)


def finished(goal: str, clock: ManualClock) -> list[str]:
    """Take the batch in progress to its end at the goal, as any process would; returns what is wrong then."""
    with closing(Database(goal)) as database:
        system = System(database, clock=clock)
        system.drain()
        clock.advance(400)
        system.drain()
        batches = {batch.name: batch for batch in system.assessment.find("", limit=9)}
        assert batches["half way"].status.is_complete
        assert batches["not relayed yet"].status.is_complete
        for batch in batches.values():
            with database.connect() as connection:
                told = execute(
                    connection,
                    "SELECT event_type, count(*) FROM assessment.event_outbox WHERE aggregate_id = %s AND event_type LIKE 'huleedu%%' "
                    "GROUP BY 1",
                    [str(batch.id)],
                )
            assert all(number == 1 for _, number in told)
            assert len(told) == (3 if batch.status.is_complete else 1)
        system.close()
        return [
            sentence
            for sentence in violations(database)
            if not any(known in sentence for known in (" of k ", " of nobody ", UNKNOWN))
        ]


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
        pytest.raises(BadRequest, match="moved to the goal on .* Set PAIRMARK_DATABASE"),
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


def opens(address: str, home: Path) -> bool:
    try:
        with open_database(Config(home, database_url=address), install=False):
            return True
    except PairmarkError:
        return False


def test_a_source_at_work_is_not_copied_and_a_start_during_the_copy_is_refused(source: str, goal: str, tmp_path: Path):
    config = Config(tmp_path, database_url=source)
    with open_database(config), open_database(config):
        with pytest.raises(Busy, match="2 processes are at work on the source. Stop every worker"):
            move(source, goal)
    assert state(goal) is None
    with Database(source).connect() as connection, installation.alone(connection, "it"):
        with pytest.raises(Busy, match="is being copied"), open_database(config):
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
    with pytest.raises(BadRequest, match="goal of a copy from the source that has not come to its end. Give the same"):
        with open_database(Config(tmp_path, database_url=goal)):
            pass
