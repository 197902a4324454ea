"""Ctrl-C and friends: the first one ends the command in good order, the second one at once.

Nothing is lost either way: what was answered is stored, and the same command goes on where it was.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
LONG_STOP = 1.0
"""Seconds after which a stop that is still under way is explained."""


class Stopped(BaseException):
    """The user, or the system, wants the command to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


@contextmanager
def stopping_cleanly() -> Iterator[None]:
    """Within the block the first signal raises `Stopped`; a second one ends the process where it stands."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    explained = threading.Timer(LONG_STOP, _explain)
    explained.daemon = True
    stopping = False

    def stop(number: int, _: FrameType | None) -> None:
        nonlocal stopping
        if stopping:
            os._exit(128 + number)
        stopping = True
        explained.start()
        raise Stopped(number)

    before = {}
    for name in SIGNALS:
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        explained.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)


def _explain() -> None:
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, _WAITING)


_WAITING = b"pairmark: Stopping when the answers under way are stored; press Ctrl-C again to stop at once.\n"
