"""The PostgreSQL that comes with Pairmark: one server for all processes which use the same data folder.

The first user starts it, the last one stops it. A user is whoever holds a shared lock on `users.lock`; starting and
stopping happen only under `server.lock`. Both locks die with their holder, so a killed user needs no cleaning up: its
server stays until the next user, who finds it running, is the last to leave. Roles and schemas are not here.
"""

import importlib.util
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from pairmark.errors import BadRequest, Busy
from pairmark.storage import server_folder, server_process
from pairmark.storage.file_locks import SharedLock, exclusive, is_free
from pairmark.storage.server_binaries import postgres_version
from pairmark.storage.server_folder import ServerFolder

__all__ = ["EmbeddedServer", "ServerAddress", "postgres_version"]


@dataclass(frozen=True)
class ServerAddress:
    """Where the server listens: a Unix socket in `socket_dir`, named after `port`; there is no TCP port."""

    socket_dir: Path
    port: int
    data_dir: Path


class EmbeddedServer:
    """One user's hold on the embedded server of a data folder; several in one process are separate users."""

    def __init__(self, folder: ServerFolder, user: SharedLock, settings: Mapping[str, str], patience: float) -> None:
        self._folder = folder
        self._user = user
        self._settings = settings
        self._patience = patience

    @classmethod
    def open(cls, home: Path, *, settings: Mapping[str, str] | None = None, patience: float = 30.0) -> Self:
        """Join the users of the server in `home`, making and starting it where needed.

        `settings` are PostgreSQL parameters over our own; they count only if this call starts the server. `patience` is
        in seconds, for each lock and start. Raises BadRequest for a folder we cannot use, Busy when it may work later.
        """
        if importlib.util.find_spec("fcntl") is None:
            raise BadRequest(
                "The embedded database runs on Linux and macOS only.",
                remedy="Give --database URL of a PostgreSQL server.",
            )
        home = server_folder.make_home(home)
        with exclusive(home / "server.lock", patience=patience):
            folder = server_folder.prepare(home)
            user = SharedLock(home / "users.lock")
            server = cls(folder, user, dict(settings or {}), patience)
            try:
                server._start()
            except BaseException:
                user.release()
                raise
        return server

    @property
    def address(self) -> ServerAddress:
        """Where the server listens."""
        return ServerAddress(self._folder.socket_dir, server_folder.PORT, self._folder.data)

    def conninfo(self, database: str = "postgres", user: str = "postgres") -> str:
        """Connection string in libpq's keyword form."""
        from psycopg.conninfo import make_conninfo  # noqa: PLC0415  (slow to import)

        address = self.address
        return make_conninfo("", host=str(address.socket_dir), port=address.port, dbname=database, user=user)

    def ensure_running(self) -> None:
        """Return once the server takes connections; after a crash one user starts it again and the others wait.

        Raises Busy when processes orphaned by the crash do not end within the patience.
        """
        if server_process.answers(self._folder):
            return
        with self._start_lock():
            server_folder.prepare(self._folder.home)  # a cleaner of temporary files may have taken the socket's folder
            self._start()

    def close(self) -> None:
        """Leave; the last user stops the server. Leaving twice, or from a forked child, does nothing to the server."""
        if not self._user.release():
            return
        try:
            with self._start_lock():
                if is_free(self._folder.home / "users.lock"):
                    server_process.stop(self._folder, patience=self._patience)
                    server_folder.drop_short_socket_dir(self._folder)
        except Busy:
            pass  # somebody else is starting or stopping it, and will be, or find, the last user

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start_lock(self) -> AbstractContextManager[None]:
        return exclusive(self._folder.home / "server.lock", patience=self._patience)

    def _start(self) -> None:
        if not self._folder.data.exists():
            server_folder.create_data(self._folder)
        server_process.start(self._folder, self._settings, patience=self._patience)
