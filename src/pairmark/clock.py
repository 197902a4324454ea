"""Where time comes from. Domain code takes `now` as an argument; everything else asks a `Clock`."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Wall time for deadlines and records, monotonic time for durations."""

    def now(self) -> datetime:
        """Current time, UTC, timezone aware."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary point; never goes back."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Current time, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since an arbitrary point."""
        return time.monotonic()


@dataclass
class ManualClock:
    """A clock that stands still until it is moved; for tests and replays."""

    current: datetime

    def now(self) -> datetime:
        """The time last set."""
        return self.current

    def monotonic(self) -> float:
        """Seconds of the time last set."""
        return self.current.timestamp()

    def advance(self, seconds: float) -> None:
        """Move on by `seconds`."""
        self.current += timedelta(seconds=seconds)
