"""Starting, asking and stopping the embedded PostgreSQL process.

Who may start or stop it, and when, is decided in `embedded`; everything here is called under the start lock. Nothing
here ever deletes `postmaster.pid`: PostgreSQL itself decides whether it is stale.
"""

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pairmark.errors import Busy
from pairmark.storage.server_binaries import program
from pairmark.storage.server_failures import explain, is_still_in_use
from pairmark.storage.server_folder import PORT, ServerFolder
from pairmark.storage.waiting import until

LOG_LIMIT = 4_000_000  # bytes; at the next start a longer log becomes server.log.1

# For one laptop. The log gets what happens to the server (start, stop, crash, PANIC); statements' errors go to the
# client that caused them, so the log stays small in any retry loop.
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "synchronous_commit": "on",
    "track_commit_timestamp": "on",
    "jit": "off",
    "autovacuum_naptime": "15s",  # outbox and queue tables turn over quickly
    "autovacuum_vacuum_scale_factor": "0.05",
    "autovacuum_analyze_scale_factor": "0.05",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
    "log_autovacuum_min_duration": "-1",
}


def answers(folder: ServerFolder) -> bool:
    """Whether the server takes connections now."""
    return _ping(folder) == _OK


def start(folder: ServerFolder, settings: Mapping[str, str], *, patience: float) -> None:
    """Have the server running when this returns, started or already there.

    A server that recovers is waited for; one that was killed is started again as soon as its orphans are gone.
    Raises Busy after `patience` seconds, or what `explain` makes of the server's last words.
    """
    refused = ""

    def attempt() -> bool:
        nonlocal refused
        if _settled(folder, patience):
            return True
        said = _launch(folder, settings, patience)
        if said is not None and not is_still_in_use(said):
            raise explain(said, folder.home)
        refused = said or ""
        return said is None

    if not until(attempt, patience, pause=0.05):
        raise explain(refused, folder.home)


def stop(folder: ServerFolder, *, patience: float) -> bool:
    """Stop the server in fast mode; False if it is still going after `patience` seconds."""
    if not _settled(folder, patience):
        return True
    pid = _postmaster(folder)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGINT)
    return bool(until(lambda: not _is_alive(pid), patience))


_OK, _REJECT = 0, 1  # PQPING_OK, PQPING_REJECT: starting, recovering or stopping


def _ping(folder: ServerFolder) -> int | None:
    if not folder.socket.exists():
        return None
    from psycopg.pq import PGconn  # noqa: PLC0415  (slow to import; while the server starts it costs nothing)

    host = os.fsencode(folder.socket_dir).replace(b"\\", b"\\\\").replace(b"'", b"\\'")
    return int(PGconn.ping(b"host='%s' port=%d user=postgres dbname=postgres connect_timeout=5" % (host, PORT)))


def _settled(folder: ServerFolder, patience: float) -> bool:
    """Wait while the server is starting or recovering; whether it answers in the end."""
    state = until(lambda: _Final(_ping(folder)), patience)
    if state is None:
        raise Busy(
            f"The embedded database in {folder.home} has been starting for {patience:.0f} s.",
            remedy=f"See {folder.log}, then try again.",
        )
    return state.ping == _OK


class _Final:
    """An answer to a ping, true when it will not change by waiting."""

    def __init__(self, ping: int | None) -> None:
        self.ping = ping

    def __bool__(self) -> bool:
        return self.ping != _REJECT


def _launch(folder: ServerFolder, settings: Mapping[str, str], patience: float) -> str | None:
    """Start one postmaster and wait for it: None when it answers, else what it said before it ended."""
    written = _open_log(folder)
    pid = _spawn(folder, {**SETTINGS, **settings})

    def outcome() -> str | None:
        if answers(folder):
            return "up"
        return None if _is_alive(pid) else "ended"

    state = until(outcome, patience)
    if state == "up":
        return None
    if state is None:
        raise Busy(
            f"The embedded database in {folder.home} has been starting for {patience:.0f} s.",
            remedy=f"See {folder.log}, then try again.",
        )
    with folder.log.open("rb") as log:
        log.seek(written)
        return log.read().decode(errors="replace")


def _spawn(folder: ServerFolder, settings: Mapping[str, str]) -> int:
    """Start the postmaster as nobody's child, in its own session, and return its pid.

    A shell stays its parent and reaps it: a killed postmaster that stays a zombie, below some sleeping user of the
    server or below an init that does not reap (many containers), would count as alive and bar every restart.
    """
    options = {
        **settings,
        "port": str(PORT),
        "unix_socket_directories": '"' + str(folder.socket_dir).replace('"', '""') + '"',
    }
    shell: list[str | Path] = ["sh", "-c", '("$@" </dev/null >&2 & echo $!; exec >&-; wait) &', "sh"]
    command: list[str | Path] = [program("postgres"), "-D", folder.data]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    with folder.log.open("ab") as log:
        done = folder.account().run([*shell, *command], stderr=log.fileno())
    return int(done.stdout)


def _open_log(folder: ServerFolder) -> int:
    """Have a log that is not too long and belongs to the account; its present length in bytes."""
    if folder.log.exists() and folder.log.stat().st_size > LOG_LIMIT:
        folder.log.replace(folder.log.with_name("server.log.1"))
    folder.log.touch(mode=0o600)
    folder.owner.give(folder.log)
    return folder.log.stat().st_size


def _postmaster(folder: ServerFolder) -> int:
    return int((folder.data / "postmaster.pid").read_text().split(maxsplit=1)[0])


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return True  # no /proc on macOS
