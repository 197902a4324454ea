"""Waiting, with an end, for something outside this process: a lock, a socket, another process that goes away.

Nothing here knows what is waited for.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from pairmark.clock import SystemClock

Answer = TypeVar("Answer")


def until(ask: Callable[[], Answer], seconds: float, *, pause: float = 0.005) -> Answer | None:
    """Ask until the answer is true and return it, or None after `seconds`; asks at least once, every `pause` s."""
    clock = SystemClock()
    end = clock.monotonic() + seconds
    while not (answer := ask()):
        if clock.monotonic() >= end:
            return None
        time.sleep(pause)
    return answer
