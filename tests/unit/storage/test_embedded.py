"""Opening the embedded server where it cannot work: each cause has its kind of error and one sentence with a remedy."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import psycopg
import pytest

from pairmark.errors import BadRequest, BrokenData, Busy, PairmarkError
from pairmark.storage import server_process
from pairmark.storage.embedded import EmbeddedServer, postgres_version
from pairmark.storage.file_locks import exclusive
from pairmark.storage.server_binaries import program
from pairmark.storage.server_failures import explain
from support.memory import places

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be other users")
NOBODY = 65534


@pytest.fixture
def home() -> Iterator[Path]:
    with TemporaryDirectory(prefix="pm-", dir=places()[0]) as short:
        Path(short).chmod(0o755)
        yield Path(short) / "home"


def refusal_for_ordinary_user(home: Path) -> str:
    """The error that an ordinary user gets: in a forked child if we are root."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        try:
            EmbeddedServer.open(home).close()
        except PairmarkError as error:
            os.write(write, f"{type(error).__name__}: {error}".encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return text


def test_the_version_is_that_of_the_wheel() -> None:
    assert postgres_version().startswith("18.")


def test_a_home_that_cannot_be_written_to(home: Path) -> None:
    home.mkdir(mode=0o555)
    text = refusal_for_ordinary_user(home)
    assert text == (
        f"BadRequest: The data folder {home} cannot be written to by you. "
        "Set PAIRMARK_HOME to a folder of your own, or give --database URL."
    )


def test_a_home_that_cannot_be_made(home: Path) -> None:
    home.parent.chmod(0o555)
    assert refusal_for_ordinary_user(home).startswith(
        f"BadRequest: The data folder {home} cannot be made: Permission denied."
    )


def test_a_home_that_is_a_file(home: Path) -> None:
    home.write_text("")
    with pytest.raises(BadRequest, match="cannot be made: File exists"):
        EmbeddedServer.open(home)


@root_only
def test_a_database_of_another_user(home: Path) -> None:
    (home / "postgres").mkdir(parents=True)
    os.chown(home, NOBODY, NOBODY)
    os.chown(home / "postgres", 12345, 12345)
    text = refusal_for_ordinary_user(home)
    assert text.startswith("BadRequest: The embedded database in")
    assert "belongs to user 12345, and you are user nobody. Run Pairmark as user 12345" in text


@root_only
def test_root_and_the_owner_of_the_home_can_use_one_database_in_turn(home: Path) -> None:
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    EmbeddedServer.open(home).close()
    assert refusal_for_ordinary_user(home) == ""
    EmbeddedServer.open(home).close()


def test_a_data_folder_of_another_major_version(home: Path) -> None:
    data = home / "postgres/data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("16\n")
    with pytest.raises(BadRequest, match=r"was made by PostgreSQL 16, and this Pairmark brings PostgreSQL 18"):
        EmbeddedServer.open(home)


def test_a_start_lock_that_is_held_names_its_holder(home: Path) -> None:
    home.mkdir()
    with (
        exclusive(home / "server.lock", patience=0),
        pytest.raises(Busy, match=rf"server\.lock has been held for 0 s by process {os.getpid()} \("),
    ):
        EmbeddedServer.open(home, patience=0.05)


def test_a_damaged_database(home: Path) -> None:
    EmbeddedServer.open(home).close()
    (home / "postgres/data/global/pg_control").write_bytes(b"")
    with pytest.raises(BrokenData, match=r"is damaged \(.*pg_control.*\)\. Keep a copy"):
        EmbeddedServer.open(home)


@root_only
def test_a_disk_too_small_to_make_the_database(home: Path) -> None:
    home.mkdir()
    with _small_disk(home, "16m"), pytest.raises(Busy, match=r"The disk of .* is full.*No space left on device"):
        EmbeddedServer.open(home)


@root_only
def test_a_disk_that_is_full_when_the_server_starts(home: Path) -> None:
    home.mkdir()
    with _small_disk(home, "120m"):
        EmbeddedServer.open(home).close()
        with (home / "filler").open("wb", buffering=0) as filler, suppress(OSError):
            while True:
                filler.write(b"\0" * 65536)
        with pytest.raises(Busy, match=r"The disk of .* is full.*No space left on device"):
            EmbeddedServer.open(home)
        (home / "filler").unlink()
        EmbeddedServer.open(home).close()


class _small_disk:  # noqa: N801  (used as a with statement)
    def __init__(self, place: Path, size: str) -> None:
        self.place, self.size = place, size

    def __enter__(self) -> None:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.size}", "tmpfs", self.place], check=False)
        if done.returncode != 0:
            pytest.skip("may not mount a small disk here")

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", self.place], check=True)


def test_a_system_without_unix_file_locks(home: Path) -> None:
    code = (
        "import sys; sys.modules['fcntl'] = None\n"
        "from pathlib import Path; from pairmark.errors import BadRequest\n"
        "from pairmark.storage.embedded import EmbeddedServer\n"
        "try: EmbeddedServer.open(Path(sys.argv[1]))\n"
        "except BadRequest as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, home], capture_output=True, text=True, check=True)
    assert done.stdout == (
        "The embedded database runs on Linux and macOS only. Give --database URL of a PostgreSQL server.\n"
    )


def test_a_program_the_wheel_does_not_hold() -> None:
    with pytest.raises(BadRequest, match=r"\(no_such_program\) is not installed here\. Install the package"):
        program("no_such_program")


def test_a_socket_folder_that_is_not_private(home: Path) -> None:
    long = home / ("x" * 120)
    with EmbeddedServer.open(long) as server:
        stand_in = server.address.socket_dir
    stand_in.mkdir()
    stand_in.chmod(0o777)
    try:
        with pytest.raises(BadRequest, match="does not suit a socket, is not private to you"):
            EmbeddedServer.open(long)
    finally:
        stand_in.rmdir()


@root_only
def test_root_without_the_right_to_pass_closed_folders_lends_a_wider_one(home: Path) -> None:
    """As in a container: its root has dac_override but not dac_read_search."""
    closed = home / "closed"
    closed.mkdir(mode=0o700, parents=True)
    kept = "+chown,+dac_override,+fowner,+kill,+setgid,+setuid,+setpcap"
    code = (
        "import sys; from pathlib import Path; from pairmark.storage.embedded import EmbeddedServer\n"
        "import psycopg\n"
        "with EmbeddedServer.open(Path(sys.argv[1])) as server, psycopg.connect(server.conninfo()) as connection:\n"
        "    print(connection.execute('SELECT 6 * 7').fetchone()[0])\n"
    )
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("setpriv is missing")
    done = subprocess.run(
        [setpriv, "--inh-caps=-all", f"--bounding-set=-all,{kept}", sys.executable, "-c", code, closed / "home"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("42\n", "")


@root_only
def test_root_that_can_lend_no_right_says_what_to_do(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = home / "closed"
    closed.mkdir(mode=0o700, parents=True)
    monkeypatch.setenv("PATH", _path_without_setpriv(home / "bin"))
    with pytest.raises(BadRequest, match=r"cannot reach .*postgres\. Run Pairmark as an ordinary user, or give"):
        EmbeddedServer.open(closed / "home")
    EmbeddedServer.open(home).close()  # where no folder is closed, none need be lent


def _path_without_setpriv(folder: Path) -> str:
    folder.mkdir()
    for name in ("sh", "test", "cat"):
        (folder / name).symlink_to(str(shutil.which(name)))
    return str(folder)


def test_settings_of_the_starter_count_over_ours(home: Path) -> None:
    with (
        EmbeddedServer.open(home, settings={"max_connections": "33"}) as server,
        psycopg.connect(server.conninfo()) as connection,
    ):
        shown = {name: connection.execute(f"SHOW {name}".encode()).fetchone() for name in ("max_connections", "fsync")}
        assert shown == {"max_connections": ("33",), "fsync": ("on",)}
        assert connection.execute("SHOW data_checksums").fetchone() == ("on",)
        locale = connection.execute("SELECT datlocprovider, datlocale FROM pg_database WHERE datname = 'template1'")
        assert locale.fetchone() == ("b", "C.UTF-8")


def test_a_long_log_is_put_aside_at_the_next_start_and_statements_do_not_fill_it(home: Path) -> None:
    log = home / "postgres/server.log"
    with EmbeddedServer.open(home) as server, psycopg.connect(server.conninfo(), autocommit=True) as connection:
        before = log.stat().st_size
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.execute("SELECT 1 / 0")
        assert log.stat().st_size == before
    os.truncate(log, server_process.LOG_LIMIT + 1)
    EmbeddedServer.open(home).close()
    assert log.stat().st_size < 10_000
    assert log.with_name("server.log.1").stat().st_size == server_process.LOG_LIMIT + 1


@pytest.mark.parametrize(
    ("said", "kind", "sentence"),
    [
        (
            'FATAL:  lock file "postmaster.pid" already exists\n'
            'HINT:  Is another postmaster (PID 42) running in data directory "/d"?\n',
            Busy,
            "If process 42 is not a PostgreSQL server (see `ps 42`), remove /srv/x/postgres/data/postmaster.pid.",
        ),
        ("FATAL:  could not map shared memory: Cannot allocate memory\n", Busy, "See /srv/x/postgres/server.log"),
        ("initdb: error: could not create directory \"/d\": Permission denied\n", BadRequest, "cannot use /srv/x"),
        ("PANIC:  could not locate a valid checkpoint record at 0/1\n", BrokenData, "is damaged"),
    ],
)  # fmt: skip
def test_the_last_words_of_postgresql_become_one_sentence(
    said: str, kind: Callable[..., PairmarkError], sentence: str
) -> None:
    error = explain(said, Path("/srv/x"))
    assert type(error) is kind
    assert sentence in str(error)


def test_a_server_that_ran_out_of_room_is_not_called_damaged(tmp_path, monkeypatch):
    """What it says then may be anything; the disk tells."""
    said = "PANIC:  cannot abort transaction 1, it was already committed"
    assert isinstance(explain(said, tmp_path), BrokenData)
    monkeypatch.setattr("pairmark.storage.server_failures.disk_usage", lambda home: SimpleNamespace(free=1_000_000))
    assert "is full" in str(explain(said, tmp_path))
    assert isinstance(explain(said, tmp_path), Busy)
