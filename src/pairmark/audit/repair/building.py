"""How far a concurrent build has come, read beside it by a second connection."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pairmark.audit.repair.request import Request
from pairmark.audit.repair.session import Listener, Session
from pairmark.audit.sources.postgres_address import PostgresAddress
from pairmark.errors import PairmarkError

EVERY_SECONDS = 1.0
PROGRESS = """
SELECT phase, greatest(blocks_done, 0), greatest(blocks_total, 0), lockers_total - lockers_done, current_locker_pid
FROM pg_stat_progress_create_index WHERE pid = %s
"""


@contextmanager
def watched(request: Request, pid: int, listener: Listener) -> Iterator[None]:
    """Tell the listener what the session `pid` builds meanwhile. A look that fails is left out: the build matters, not the look."""
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(request, pid, listener, over), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _watch(request: Request, pid: int, listener: Listener, over: threading.Event) -> None:
    if over.wait(EVERY_SECONDS):  # most builds are over by then
        return
    with (
        suppress(PairmarkError),
        Session(PostgresAddress.at(request.source), lock_timeout=request.lock_timeout, statement_timeout=10) as session,
    ):
        while not over.wait(EVERY_SECONDS):
            for phase, done, total, lockers, locker in session.rows(PROGRESS, [pid]):
                if locker:
                    listener.progress(f"{phase} (session {locker})", 0, lockers or None)
                else:
                    listener.progress(phase, done, total or None)
