"""The schema: made from nothing, once however many ask, and refused where it does not fit this program."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from threading import Barrier, Thread

import pytest

from pairmark.config import Config
from pairmark.errors import BadRequest
from pairmark.opening import open_database
from pairmark.storage import schema
from pairmark.storage.connection import Database, execute
from support.postgres import Databases

MIGRATIONS = Path(schema.__file__).with_name("migrations")
SHAPE = """
SELECT n.nspname, c.relname, c.relkind::text, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
    (SELECT string_agg(tgname, ',' ORDER BY tgname) FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT tgisinternal),
    (SELECT string_agg(pg_get_constraintdef(k.oid), ',' ORDER BY k.conname) FROM pg_constraint k WHERE k.conrelid = c.oid),
    c.relacl::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE n.nspname = ANY(%s) ORDER BY 1, 2, a.attnum
"""


@pytest.fixture
def empty(postgres: Databases) -> Iterator[Database]:
    """A database with nothing in it."""
    name = postgres.create("pairmark_empty")
    database = Database(postgres.conninfo(name), direct_login=True)
    yield database
    database.close()
    postgres.drop(name)


def shape(database: Database) -> list[tuple[object, ...]]:
    """Tables, columns, triggers, constraints and rights."""
    with database.connect() as connection:
        return execute(connection, SHAPE, [list(schema.SCHEMAS)])


@pytest.mark.parametrize("name", schema.HEADS)
def test_the_newest_version_is_the_head_of_the_migrations(name: str):
    from alembic.config import Config as AlembicConfig  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = AlembicConfig()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("version_locations", str(MIGRATIONS / name))
    config.set_main_option("path_separator", "newline")
    assert ScriptDirectory.from_config(config).get_heads() == [schema.HEADS[name]]


def test_an_empty_database_is_brought_to_the_newest_version_and_a_second_time_changes_nothing(empty: Database):
    assert schema.upgrade(empty) == schema.HEADS
    made = shape(empty)
    assert len(made) > 100
    with empty.connect() as connection:
        before = execute(connection, "SELECT oid, xmin::text FROM pg_class ORDER BY oid")
    assert schema.upgrade(empty) == schema.HEADS
    with empty.connect() as connection:
        assert execute(connection, "SELECT oid, xmin::text FROM pg_class ORDER BY oid") == before
    assert shape(empty) == made


def test_two_processes_that_upgrade_at_once_make_one_schema(empty: Database, database: Database):
    """The other one waits, then finds nothing to do; the result is what one alone makes."""
    code = (
        "import sys; from pairmark.storage.connection import Database; from pairmark.storage.schema import upgrade; "
        "database = Database(sys.argv[1], direct_login=True); sys.stdin.readline(); print(len(upgrade(database))); database.close()"
    )
    command = [sys.executable, "-c", code, empty.conninfo]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outcomes: list[tuple[int, str, str]] = []
    together = Barrier(2)

    def run(process: subprocess.Popen[str]) -> None:
        together.wait(20)
        said, failed = process.communicate("go\n", timeout=60)
        outcomes.append((process.returncode, said.strip(), failed))

    threads = [Thread(target=run, args=[process]) for process in processes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert outcomes == [(0, str(len(schema.HEADS)), "")] * 2
    assert shape(empty) == shape(database)


@pytest.mark.parametrize("name", ["assessment", "content", "transport"])
@pytest.mark.parametrize(
    "act",
    [schema.upgrade, partial(schema.require_current, upgrade_if_needed=True)],
    ids=["upgrade", "open"],
)
def test_a_newer_database_is_refused_and_left_as_it_is(
    database: Database, name: str, act: Callable[[Database], object]
):
    with database.connect() as connection:
        connection.execute(f"UPDATE {name}.schema_version SET version_num = '{name}_9999'")  # type: ignore[arg-type]
    before = shape(database)
    with pytest.raises(BadRequest, match=rf"newer version of Pairmark \({name} at {name}_9999\).*nothing was changed"):
        act(database)
    assert shape(database) == before


def test_an_older_database_on_a_url_is_not_touched_but_told_how(database: Database):
    with database.connect() as connection:
        connection.execute("UPDATE results.schema_version SET version_num = 'results_0000'")
    with pytest.raises(BadRequest, match=r"older than this version.*`pairmark db upgrade`"):
        schema.require_current(database, upgrade_if_needed=False)


def test_the_same_sentence_comes_over_the_configured_url(database: Database, tmp_path: Path):
    with database.connect() as connection:
        connection.execute("UPDATE results.schema_version SET version_num = 'results_0000'")
    config = Config(home=tmp_path, database_url=database.conninfo)
    with pytest.raises(BadRequest, match="pairmark db upgrade"), open_database(config):
        pass


def test_upgrading_leaves_no_lock_behind_when_it_fails(database: Database):
    with database.connect() as connection:
        connection.execute("UPDATE results.schema_version SET version_num = 'results_9999'")
        with pytest.raises(BadRequest):
            schema.upgrade(database)
        locks = execute(connection, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
    assert locks == [(0,)]
