"""Runs steps until told to stop: woken at once by others in this process, otherwise by a poll that slows down when idle.

A step returns how much it did. `Busy` from a step means try again later, with growing pauses; anything else stops the process.
"""

import threading
from collections.abc import Callable, Mapping

import structlog

from pairmark.errors import Busy
from pairmark.messaging.backoff import delay_seconds

SHORTEST_POLL = 0.02
LONGEST_POLL = 2.0
SLOWING = 1.15
"""Factor from one idle poll to the next: after 1 s of quiet a loop looks every 0.15 s, after 15 s every `LONGEST_POLL`."""

_log = structlog.get_logger(__name__)

Step = Callable[[], int]


class Bell:
    """Named wake-up signals inside one process. `abroad`, if given, hears every ring, to pass it on to other processes."""

    def __init__(self) -> None:
        self._events: dict[str, threading.Event] = {}
        self._listeners: dict[str, Callable[[], None]] = {}
        self.abroad: Callable[[str], None] | None = None

    def signal(self, name: str) -> threading.Event:
        """The event that wakes `name`."""
        return self._events.setdefault(name, threading.Event())

    def listen(self, name: str, hear: Callable[[], None]) -> None:
        """Call `hear` too whenever `name` is woken here: for a step that waits inside for something of its own."""
        self._listeners[name] = hear

    def ring(self, name: str) -> None:
        """Wake `name`, here and wherever it runs."""
        self.ring_here(name)
        if self.abroad is not None:
            self.abroad(name)

    def ring_here(self, name: str) -> None:
        """Wake `name`, if it runs here."""
        event = self._events.get(name)
        if event is not None:
            event.set()
        hear = self._listeners.get(name)
        if hear is not None:
            hear()


class Loop(threading.Thread):
    """One step function on a thread of its own."""

    def __init__(
        self, name: str, step: Step, bell: Bell, *, rings: tuple[str, ...] = (), longest_poll: float = LONGEST_POLL
    ) -> None:
        super().__init__(name=f"pairmark-{name}", daemon=True)
        self._step = step
        self._bell = bell
        self._signal = bell.signal(name)
        self._rings = rings
        self._longest_poll = longest_poll
        self._stopping = threading.Event()
        self.failure: BaseException | None = None
        self.trouble: Busy | None = None

    def run(self) -> None:
        """Step until stopped or failed."""
        poll, failures = SHORTEST_POLL, 0
        while not self._stopping.is_set():
            try:
                done = self._step()
                failures, self.trouble = 0, None
            except Busy as busy:
                failures, self.trouble = failures + 1, busy
                _log.warning("step_waits", loop=self.name, reason=str(busy), failures=failures)
                self._stopping.wait(SHORTEST_POLL)
                self._signal.wait(delay_seconds(failures, first=0.05, longest=5.0))
                self._signal.clear()
                continue
            except BaseException as error:
                self.failure = error
                self._bell.ring("failure")
                return
            if done:
                poll = SHORTEST_POLL
                for name in self._rings:
                    self._bell.ring(name)
                continue
            self._signal.wait(poll)
            self._signal.clear()
            poll = min(poll * SLOWING, self._longest_poll)

    def stop(self) -> None:
        """Finish the step in hand and end."""
        self._stopping.set()
        self._signal.set()


def drain(steps: Mapping[str, Step], *, limit: int = 100_000) -> int:
    """Run all steps in turn on this thread until none has anything to do; returns how much was done."""
    total = 0
    for _ in range(limit):
        done = sum(step() for step in steps.values())
        if done == 0:
            return total
        total += done
    raise Busy(f"There is still work after {limit} rounds; something produces work without end.")
