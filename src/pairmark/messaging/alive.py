"""A sign of life on the connections that hold locks, so that whoever waits for a lock can tell a busy owner from a stopped one.

A process that is stopped (SIGSTOP, a debugger, a paused machine) keeps its sessions, because its kernel goes on answering; and
with them every lock. What it cannot do is speak.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

BEAT_SECONDS = 5.0


@contextmanager
def beating(beats: Iterable[Callable[[], None]]) -> Iterator[None]:
    """Call each of these again and again while the block lasts, whatever the threads that own the locks are at."""
    ended, wanted = threading.Event(), list(beats)

    def go() -> None:
        while not ended.wait(BEAT_SECONDS):
            for beat in wanted:
                beat()

    threading.Thread(target=go, name="pairmark-alive", daemon=True).start()
    try:
        yield
    finally:
        ended.set()
