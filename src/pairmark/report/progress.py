"""How far an assessment has come, while it runs: one live line on a terminal, a line every few seconds in a pipe.

Rate and time left come from the last half minute, so that a batch taken up again does not count its earlier answers.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from pairmark.clock import Clock
from pairmark.report.figures import count

WINDOW_SECONDS = 30.0
REDRAW_SECONDS = 0.1


@dataclass(frozen=True)
class _Sample:
    at: float
    done: int


class Progress:
    """Shows the latest numbers given to `update`; use it as a context.

    `every_seconds` is the pause between lines where no live line can be drawn.
    """

    def __init__(self, console: Console, clock: Clock, *, every_seconds: float = 5.0) -> None:
        self._console = console
        self._clock = clock
        self._pause = REDRAW_SECONDS if console.is_terminal else every_seconds
        self._samples: deque[_Sample] = deque()
        self._line = Text("")
        self._shown_at: float | None = None
        self._unshown = False
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None

    def __enter__(self) -> Self:
        """Begin to draw."""
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Show the last state, if it was not yet shown, and stop drawing."""
        if self._live:
            self._live.stop()
        if self._unshown or (self._live and self._shown_at is not None):
            self._console.print(self._line)

    def update(self, *, wave: int, done: int, budget: int, cost: str = "") -> None:
        """Tell the present state of a batch; drawn at once or with the next line.

        `done` and `budget` count comparisons; `cost` says what the judges have cost so far.
        """
        self.tell(
            [f"wave {wave}", f"{done:,} of at most {count(budget, 'comparison')}"], done, budget, most=True, cost=cost
        )

    def tell(self, parts: Sequence[str], done: int, total: int, *, most: bool = False, cost: str = "") -> None:
        """Tell how far anything is: what it does in words, and how many of `total` (`most`: or fewer) are done."""
        now = self._clock.monotonic()
        self._remember(_Sample(now, done))
        self._line = Text(", ".join([*parts, *self._pace(done, total, most, cost)]))
        self._unshown = True
        if self._shown_at is None or now - self._shown_at >= self._pause:
            self._show(now)

    def _show(self, now: float) -> None:
        self._shown_at = now
        self._unshown = False
        if self._live:
            self._live.update(self._line, refresh=True)
        else:
            self._console.print(self._line)

    def _remember(self, sample: _Sample) -> None:
        self._samples.append(sample)
        while len(self._samples) > 2 and self._samples[1].at <= sample.at - WINDOW_SECONDS:
            self._samples.popleft()

    def _rate(self) -> float | None:
        """Comparisons per second within the window; None while unknown."""
        first, last = self._samples[0], self._samples[-1]
        if last.at <= first.at or last.done <= first.done:
            return None
        return (last.done - first.done) / (last.at - first.at)

    def _pace(self, done: int, total: int, most: bool, cost: str) -> Iterator[str]:
        rate = self._rate()
        if rate is not None:
            yield f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s"
            yield f"{'at most ' if most else ''}{duration((total - done) / rate)} left"
        if cost:
            yield cost


def duration(seconds: float) -> str:
    """'4 s', '2 min 05 s', '3 h 20 min'."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
