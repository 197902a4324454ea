"""Waking parts in other processes: one notification for many events, sent outside every transaction, and never relied upon.

A notification in each business commit would serialise commits (11,000 a second became 4,300); a lost one costs only the wait until
the next poll.
"""

import threading
from collections.abc import Callable

import psycopg

from pairmark.errors import PairmarkError
from pairmark.messaging.loop import Bell
from pairmark.storage.connection import Database, execute, translated

CHANNEL = "pairmark_wakeup"
TOGETHER_SECONDS = 0.01
"""Rings within so long are told at once."""
LISTEN_SECONDS = 1.0
"""How long a look for notifications lasts before the thread asks whether it is to end."""


class Wakeups:
    """Passes rings of `names` on to other processes, and theirs on to the bell of this one.

    `wanted` says whether the named part would do anything if it were woken here.
    """

    def __init__(
        self, database: Database, bell: Bell, names: Callable[[str], bool], wanted: Callable[[str], bool]
    ) -> None:
        self._database = database
        self._bell = bell
        self._names = names
        self._wanted = wanted
        self._pending: set[str] = set()
        self._rung = threading.Event()
        self._stopping = threading.Event()
        self.listening = False
        self._threads = [
            threading.Thread(target=self._listen, name="pairmark-listen", daemon=True),
            threading.Thread(target=self._tell, name="pairmark-tell", daemon=True),
        ]

    def start(self) -> None:
        """Begin to listen and to tell."""
        self._bell.abroad = self._note
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End both."""
        self._bell.abroad = None
        self._stopping.set()
        self._rung.set()
        for thread in self._threads:
            thread.join(LISTEN_SECONDS / 4)  # they hold nothing that outlives them

    def _note(self, name: str) -> None:
        if self._names(name):
            self._pending.add(name)
            self._rung.set()

    def _tell(self) -> None:
        while not self._stopping.is_set():
            self._rung.wait()
            self._stopping.wait(TOGETHER_SECONDS)
            self._rung.clear()
            names, self._pending = self._pending, set()
            if names:
                try:
                    self._database.at_once("transport", "SELECT pg_notify(%s, %s)", [CHANNEL, ",".join(sorted(names))])
                except PairmarkError:
                    continue  # whoever was to be woken looks by itself before long

    def _listen(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._database.connect("transport") as connection, translated():
                    execute(connection, f"LISTEN {CHANNEL}")
                    self.listening = True
                    self._hear(connection)
            except PairmarkError:  # a refusal, too, may be over when somebody has set something right
                self._stopping.wait(LISTEN_SECONDS)
            finally:
                self.listening = False

    def _hear(self, connection: psycopg.Connection) -> None:
        while not self._stopping.is_set():
            for notification in connection.notifies(timeout=LISTEN_SECONDS):
                for name in notification.payload.split(","):
                    if self._wanted(name):
                        self._bell.ring_here(name)
