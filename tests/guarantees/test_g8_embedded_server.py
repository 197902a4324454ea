"""The embedded server outlives each of its users but the last, and comes back when killed: with real processes."""

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from pairmark.errors import Busy
from pairmark.storage.embedded import EmbeddedServer
from pairmark.storage.file_locks import is_free
from pairmark.storage.waiting import until
from support.memory import places
from support.server_users import ServerUser

OK, NO_RESPONSE = 0, 2  # of PQping
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="PostgreSQL refuses only root")


@pytest.fixture
def home() -> Iterator[Path]:
    with TemporaryDirectory(prefix="pm-", dir=places()[0]) as short:
        yield Path(short) / "home"
        for left_running in Path(short).rglob("postmaster.pid"):
            EmbeddedServer.open(left_running.parents[2]).close()


def ping(conninfo: str) -> int:
    return int(psycopg.pq.PGconn.ping(conninfo.encode()))


def postmaster(home: Path) -> int:
    return int((home / "postgres/data/postmaster.pid").read_text().split()[0])


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_g8_the_first_user_leaves_in_mid_run_and_the_second_goes_on(home: Path) -> None:
    with ServerUser(home) as first, ServerUser(home) as second:
        conninfo = first.read()
        assert second.read() == conninfo
        started = postmaster(home)
        first.leave()
        assert second.ask("query SELECT 6 * 7") == "42"
        assert postmaster(home) == started
        second.leave()
    assert ping(conninfo) == NO_RESPONSE
    assert is_gone(started)


def test_g8_four_starters_at_once_share_one_server(home: Path) -> None:
    users = [ServerUser(home) for _ in range(4)]
    try:
        assert len({user.read() for user in users}) == 1
        question = "query SELECT pg_postmaster_start_time()::text"
        assert len({user.ask(question) for user in users}) == 1
        for user in users:
            user.tell("leave")
        assert [user.read() for user in users] == ["left"] * 4
    finally:
        for user in users:
            user.__exit__(None, None, None)
    assert not (home / "postgres/data/postmaster.pid").exists()


def test_g8_a_killed_last_user_leaves_the_server_to_the_next_who_stops_it(home: Path) -> None:
    with ServerUser(home) as killed:
        conninfo = killed.read()
        started = postmaster(home)
        killed.signal(signal.SIGKILL)
    assert is_free(home / "users.lock")  # nothing it started, the postmaster least of all, still holds its place
    assert ping(conninfo) == OK
    with ServerUser(home) as following:
        following.read()
        assert postmaster(home) == started
        following.leave()
    assert ping(conninfo) == NO_RESPONSE


def test_g8_an_interrupt_at_the_terminal_of_the_starter_does_not_reach_the_server(home: Path) -> None:
    with ServerUser(home) as starter:
        conninfo = starter.read()
        with EmbeddedServer.open(home):
            assert os.getsid(postmaster(home)) != os.getsid(starter.process.pid)
            starter.signal(signal.SIGINT)
            with psycopg.connect(conninfo) as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
    assert ping(conninfo) == NO_RESPONSE


def test_g8_a_postmaster_killed_under_load_comes_back_with_every_acknowledged_row(home: Path) -> None:
    with EmbeddedServer.open(home) as server, ServerUser(home) as first, ServerUser(home) as second:
        with psycopg.connect(server.conninfo()) as connection:
            connection.execute("CREATE TABLE load (writer int, key int, PRIMARY KEY (writer, key))")
        writers = {1: first, 2: second}
        for number, user in writers.items():
            user.read()
            user.tell(f"insert {number}")
        acknowledged = dict.fromkeys(writers, 0)
        for _ in range(2):
            _acknowledge(writers, acknowledged, 100)
            os.kill(postmaster(home), signal.SIGKILL)
            _acknowledge(writers, acknowledged, 100)
        for user in writers.values():
            assert user.ask("stop") == "stopped"
        with psycopg.connect(server.conninfo()) as connection:
            rows = connection.execute("SELECT writer, key FROM load ORDER BY 1, 2").fetchall()
        assert rows == [(writer, key) for writer in writers for key in range(1, acknowledged[writer] + 1)]


def _acknowledge(writers: dict[int, ServerUser], acknowledged: dict[int, int], count: int) -> None:
    """Take `count` acknowledgements of each writer, one after the other, so that both are always at work."""
    for _ in range(count):
        for number, user in writers.items():
            if acknowledged[number]:
                user.tell("go on")
            acknowledged[number] = int(user.read())


def test_g8_orphans_of_a_killed_postmaster_are_waited_for_and_its_pid_file_is_never_deleted(home: Path) -> None:
    with EmbeddedServer.open(home, patience=0.5) as server:
        with psycopg.connect(server.conninfo()) as connection:
            orphan = connection.info.backend_pid
            os.kill(orphan, signal.SIGSTOP)
            killed = postmaster(home)
            os.kill(killed, signal.SIGKILL)
            with pytest.raises(Busy, match=r"cannot start while a process of its last run is alive"):
                server.ensure_running()
            assert postmaster(home) == killed
            os.kill(orphan, signal.SIGCONT)
        EmbeddedServer.open(home).close()
        server.ensure_running()
        assert ping(server.conninfo()) == OK


def test_g8_a_backend_killed_alone_needs_no_new_server(home: Path) -> None:
    with EmbeddedServer.open(home) as server:
        started = postmaster(home)
        with psycopg.connect(server.conninfo()) as connection:
            os.kill(connection.info.backend_pid, signal.SIGKILL)
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        assert until(lambda: answers(server), 30, pause=0.02), "it does not come out of its recovery"
        assert postmaster(home) == started


def answers(server: EmbeddedServer) -> bool:
    """Whether it does after `ensure_running`; a postmaster may learn of the death only after that has asked."""
    server.ensure_running()
    try:
        with psycopg.connect(server.conninfo()) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def test_g8_a_kill_in_the_middle_of_making_the_data_folder_does_not_bar_the_next_start(home: Path) -> None:
    with ServerUser(home) as killed:
        assert until(lambda: list(home.glob("postgres/data.new-*/PG_VERSION")), 30, pause=0.001)
        killed.signal(signal.SIGKILL)
    assert not (home / "postgres/data").exists()
    with EmbeddedServer.open(home) as server:
        assert ping(server.conninfo()) == OK
        assert [path.name for path in home.glob("postgres/data*")] == ["data"]


@pytest.mark.parametrize("child_closes", [True, False])
def test_g8_a_forked_child_neither_stops_the_server_nor_keeps_it_from_stopping(home: Path, child_closes: bool) -> None:
    server = EmbeddedServer.open(home)
    from_child, to_parent = os.pipe()
    from_parent, to_child = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(to_child)
        if child_closes:
            server.close()
        os.write(to_parent, b"-")
        os.read(from_parent, 1)  # ends when the parent closes its end
        os._exit(0)
    try:
        assert os.read(from_child, 1) == b"-"
        EmbeddedServer.open(home).close()
        assert ping(server.conninfo()) == OK
        server.close()
        assert ping(server.conninfo()) == NO_RESPONSE
    finally:
        for fd in (from_child, to_parent, from_parent, to_child):
            os.close(fd)
        os.waitpid(child, 0)


@root_only
def test_g8_root_runs_it_as_an_ordinary_user_below_a_closed_folder_whose_rights_stay(home: Path) -> None:
    closed = home / "closed"
    closed.mkdir(mode=0o700, parents=True)
    with EmbeddedServer.open(closed / "below") as server:
        assert Path(f"/proc/{postmaster(closed / 'below')}").stat().st_uid != 0
        with psycopg.connect(server.conninfo()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        with EmbeddedServer.open(closed / "below"):
            pass
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert closed.stat().st_uid == 0


@pytest.mark.parametrize(
    "name",
    ["with space", "comma,comma", "quote ' and \" and $HOME", "x" * 120],
    ids=["space", "comma", "quote", "long"],
)
def test_g8_any_name_of_the_home_works(home: Path, name: str) -> None:
    with EmbeddedServer.open(home / name) as server:
        with psycopg.connect(server.conninfo()) as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        folder = server.address.socket_dir
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert len(os.fsencode(folder)) < 100
    assert not (folder / ".s.PGSQL.5432").exists()
    assert folder.exists() == folder.is_relative_to(home)  # the stand-in under the temporary folder is gone
