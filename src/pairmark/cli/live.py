"""Live progress of a batch on stderr, from the batch as it stands."""

import sys
from types import TracebackType
from typing import Self

from rich.console import Console

from pairmark.assessing import Progress as Standing
from pairmark.clock import SystemClock
from pairmark.report.figures import visible
from pairmark.report.judge_words import money_so_far, with_the_provider
from pairmark.report.progress import Progress


class Live:
    """Shows wave, comparisons, rate, time left and cost so far while a batch runs."""

    def __init__(self) -> None:
        self._console = Console(file=sys.stderr)
        self._progress = Progress(self._console, SystemClock())
        self._said: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._progress.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.__exit__(kind, error, trace)

    def show(self, standing: Standing) -> None:
        """Update the display."""
        if standing.watching:
            self._say("who", "Another pairmark process is working on this batch; watching until it is done or gone.")
        if standing.trouble:
            self._say("trouble", standing.trouble)
        batch = standing.batch
        if batch is None:
            return
        if standing.found == "stored":
            when = f" on {batch.finished_at.astimezone():%Y-%m-%d at %H:%M}" if batch.finished_at else ""
            self._say("end", f"This batch ended{when}; its stored result follows.")
            return
        if standing.found == "unfinished" and not self._said:
            self._say(
                "begin",
                f"Going on where it stopped: {batch.answered:,} of at most {batch.budget:,} comparisons answered.",
            )
        if standing.jobs:
            self._say("jobs", with_the_provider(standing.jobs))
        if batch.budget:
            cost = money_so_far(standing.money) if standing.money else ""
            self._progress.update(wave=batch.wave, done=batch.answered, budget=batch.budget, cost=cost)

    def _say(self, about: str, sentence: str) -> None:
        """Once, until there is something else to say about that."""
        if sentence != self._said.get(about):
            self._said[about] = sentence
            self._console.print(visible(sentence), markup=False, highlight=False, soft_wrap=True)
