"""A worker: a process that runs some roles until it is told to stop, or until there is nothing left to do.

It tells what it does and what is in the way; a stop gives everything in hand back in time.
"""

import time
from collections.abc import Callable, Mapping, Sequence

from pairmark.bootstrap import System
from pairmark.errors import Busy
from pairmark.messaging.loop import Loop, Step, drain

LOOK_EVERY = 1.0
JOIN_SECONDS = 30.0
"""How long `once` waits to be given its share of the topics."""
QUIET_ROUNDS = 3
"""Rounds in which nothing was done after which `once` is done: what one part sends, others receive only later."""

QUIET_SECONDS = 0.2
"""How long `once` waits in such a round, at each way in, for what others may be sending."""

BUSY_SECONDS = 0.01
"""How long it waits there while there is work: what has come elsewhere is not held up by a way in where nothing comes."""

Tell = Callable[[str], None]


def work(system: System, tell: Tell) -> None:
    """Run every role of this process until an exception (a signal's) ends it; raises what a part failed with."""
    with system.running() as loops:
        trouble = _Trouble(tell)
        while True:
            failed = next((loop.failure for loop in loops if loop.failure is not None), None)
            if failed is not None:
                raise failed
            trouble.look(loops)
            system.bell.signal("failure").wait(LOOK_EVERY)  # other threads work


def work_once(system: System) -> int:
    """Do all that can be done now, on this thread; returns how much that was.

    Nothing is given up for its deadline before it had its turn: time without a process does not count.
    """
    with system.alive():
        return _work_once(system)


def _work_once(system: System) -> int:
    _join(system)
    system.asker.go_on()
    if system.fetching is not None:
        system.fetching.go_on()
    if "monitor" in system.roles:
        system.monitor.resume()
    steps = system.steps()
    done = _until_quiet(system, {name: step for name, step in steps.items() if name != "monitor"}, 1)
    return done + _until_quiet(system, steps, QUIET_ROUNDS)


def _until_quiet(system: System, steps: Mapping[str, Step], rounds: int) -> int:
    """Run these steps until so many rounds in a row, each of which waits a while, have found nothing; returns how much was done."""
    done = quiet = 0
    while quiet < rounds:
        _wait_at_each(system, QUIET_SECONDS)
        now = sum(step() for step in steps.values())
        if now:
            _wait_at_each(system, BUSY_SECONDS)
            now += drain(steps)
        done, quiet = done + now, 0 if now else quiet + 1
    return done


def _wait_at_each(system: System, seconds: float) -> None:
    """From now on a poll that finds nothing waits so long, where it waits at all."""
    for subscription in system.subscriptions.values():
        subscription.wait_seconds = seconds if subscription.wait_seconds else 0.0


def _join(system: System) -> None:
    """Take part in every group of ours before anything is called empty; all of them join at once."""
    _wait_at_each(system, BUSY_SECONDS)
    waiting = [one for name, one in system.subscriptions.items() if name in system.roles and not one.joined]
    until = time.monotonic() + JOIN_SECONDS
    while waiting and time.monotonic() < until:
        for subscription in waiting:
            subscription.poll(1)
        waiting = [one for one in waiting if not one.joined]
    if waiting:
        raise Busy(f"Kafka has given this worker no share of its topics within {JOIN_SECONDS:.0f} seconds.")


class _Trouble:
    """Says once what is in the way of a part, and once that it no longer is."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._known: dict[str, str] = {}

    def look(self, loops: Sequence[Loop]) -> None:
        """Compare with what was said before."""
        for loop in loops:
            now = str(loop.trouble) if loop.trouble is not None else None
            if now is not None and now not in self._known.values():
                self._tell(now)
            if now is None and self._known.pop(loop.name, None) is not None and not self._known:
                self._tell("Everything goes on again.")
            elif now is not None:
                self._known[loop.name] = now
