"""The embedded server's place on disk: which file lies where, who may use it, and how a new data folder appears.

A data folder is made beside its final place and renamed: a process killed half way leaves nothing that looks like one.
Starting and stopping are not here.
"""

import hashlib
import os
import re
import shutil
import stat
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pairmark.errors import BadRequest
from pairmark.storage.server_account import Account, owner_of, with_access
from pairmark.storage.server_binaries import MAJOR, program
from pairmark.storage.server_failures import explain

PORT = 5432  # only the name of the socket file: there is no TCP listener
SOCKET_PATH_LIMIT = 100  # bytes; the kernel's limit is 108 on Linux and 104 on macOS, with the final zero
_PLAIN = re.compile(r"[\w/. ~+@=-]+")  # a comma in `host` means several hosts; quotes and the like trip other programs
_CHOOSE = "Set PAIRMARK_HOME to a folder of your own, or give --database URL."


@dataclass(frozen=True)
class ServerFolder:
    """`home/postgres`, private to `owner`: `data`, `server.log` and, unless its path does not suit, the socket."""

    home: Path
    path: Path
    data: Path
    log: Path
    socket_dir: Path
    owner: Account

    @property
    def socket(self) -> Path:
        """The file clients connect to."""
        return self.socket_dir / f".s.PGSQL.{PORT}"

    def account(self) -> Account:
        """The account to start programs with."""
        return with_access(self.owner, self.path)


def make_home(home: Path) -> Path:
    """The folder of all our state, made if it is new; `BadRequest` when we may not write there."""
    home = Path(os.path.abspath(home))
    mode = 0o711 if os.geteuid() == 0 else 0o700  # root's server runs as somebody else, who must get through
    try:
        home.mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError as error:
        raise BadRequest(f"The data folder {home} cannot be made: {error.strerror}.", remedy=_CHOOSE) from error
    if not os.access(home, os.W_OK | os.X_OK):
        raise BadRequest(f"The data folder {home} cannot be written to by you.", remedy=_CHOOSE)
    return home


def prepare(home: Path) -> ServerFolder:
    """The server's folder below `home`, made if it is new, and checked; call it under the start lock."""
    path = home / "postgres"
    owner = owner_of(home, path)
    _make_private(path, owner)
    data = path / "data"
    _check_major(data)
    return ServerFolder(home, path, data, path / "server.log", _socket_dir(path, owner), owner)


def create_data(folder: ServerFolder) -> None:
    """Make the data folder (initdb) in one step, seen from outside."""
    for leftover in folder.path.glob("data.new-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh = Path(tempfile.mkdtemp(prefix="data.new-", dir=folder.path))
    folder.owner.give(fresh)
    done = folder.account().run([program("initdb"), "-D", fresh, *_INITDB_OPTIONS], stderr=subprocess.STDOUT)
    if done.returncode != 0:
        shutil.rmtree(fresh, ignore_errors=True)
        raise explain(done.stdout, folder.home)
    fresh.rename(folder.data)
    _sync(folder.path)


def drop_short_socket_dir(folder: ServerFolder) -> None:
    """Remove the socket's folder if it stands in for a path that does not suit, and is empty."""
    if folder.socket_dir != folder.path:
        with suppress(OSError):
            folder.socket_dir.rmdir()


_INITDB_OPTIONS = (
    "--username=postgres",
    "--auth-local=trust",  # only through the socket, which lies in a folder private to the account
    "--auth-host=reject",
    "--encoding=UTF8",
    "--no-locale",
    "--locale-provider=builtin",  # sorts alike on every machine, whatever its C library
    "--builtin-locale=C.UTF-8",
)


def _make_private(path: Path, owner: Account) -> None:
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.stat().st_uid
    if owner.uid is None and found != os.geteuid():
        raise BadRequest(
            f"The embedded database in {path} belongs to {_user(found)}, and you are {_user(os.geteuid())}.",
            remedy=f"Run Pairmark as {_user(found)}, or set PAIRMARK_HOME to a folder of your own.",
        )
    if owner.uid is not None and found != owner.uid:
        try:
            owner.give(path)
        except OSError as error:
            raise BadRequest(
                f"PostgreSQL does not run as root, and {path} cannot be given to {_user(owner.uid)}: {error.strerror}.",
                remedy="Run Pairmark as an ordinary user, or give --database URL.",
            ) from error


def _user(uid: int) -> str:
    import pwd  # noqa: PLC0415  (absent on Windows)

    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user {uid}"


def _check_major(data: Path) -> None:
    try:
        major = (data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        return
    if major != str(MAJOR):
        raise BadRequest(
            f"The data folder {data} was made by PostgreSQL {major}, and this Pairmark brings PostgreSQL {MAJOR}.",
            remedy="Use the Pairmark that made it, move it with pg_upgrade, or set PAIRMARK_HOME to another folder.",
        )


def _socket_dir(path: Path, owner: Account) -> Path:
    short_enough = len(os.fsencode(path / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_LIMIT
    if short_enough and _PLAIN.fullmatch(str(path)):
        return path
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    # Not TMPDIR: every user of this data folder must find the same place.
    short = Path("/tmp") / f"pairmark-{digest}"  # noqa: S108  (owner and rights are checked below)
    uid = os.geteuid() if owner.uid is None else owner.uid
    try:
        short.mkdir(mode=0o700)
        owner.give(short)
    except FileExistsError:
        found = short.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (uid, os.geteuid()) or found.st_mode & 0o077:
            raise BadRequest(
                f"The folder {short}, used because the path of {path} does not suit a socket, is not private to you.",
                remedy="Remove it, or set PAIRMARK_HOME to a shorter path.",
            ) from None
        owner.give(short)
    return short


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
