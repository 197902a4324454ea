"""Progress lines by a clock that stands still until it is moved."""

import io
from datetime import UTC, datetime

from rich.console import Console

from pairmark.clock import ManualClock
from pairmark.report.progress import Progress, duration


def made(terminal: bool = False) -> tuple[io.StringIO, ManualClock, Progress]:
    target, clock = io.StringIO(), ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    console = Console(file=target, width=100, force_terminal=terminal, legacy_windows=False)
    return target, clock, Progress(console, clock)


def test_a_pipe_gets_a_line_every_few_seconds_and_the_last_state() -> None:
    target, clock, progress = made()
    with progress:
        for second in range(12):
            progress.update(wave=1 + second // 6, done=second * 20, budget=350, cost="$0.00 spent")
            clock.advance(1)
    assert target.getvalue().splitlines() == [
        "wave 1, 0 of at most 350 comparisons, $0.00 spent",
        "wave 1, 100 of at most 350 comparisons, 20/s, at most 12 s left, $0.00 spent",
        "wave 2, 200 of at most 350 comparisons, 20/s, at most 8 s left, $0.00 spent",
        "wave 2, 220 of at most 350 comparisons, 20/s, at most 6 s left, $0.00 spent",
    ]


def test_answers_of_an_earlier_run_do_not_count_as_speed() -> None:
    target, clock, progress = made()
    with progress:
        progress.update(wave=8, done=9000, budget=10_000)
        clock.advance(10)
        progress.update(wave=8, done=9005, budget=10_000)
    assert target.getvalue().splitlines()[-1] == (
        "wave 8, 9,005 of at most 10,000 comparisons, 0.5/s, at most 33 min 10 s left"
    )


def test_speed_is_that_of_the_last_half_minute() -> None:
    target, clock, progress = made()
    with progress:
        for done in (0, 3000, 3300, 3600, 3900):
            progress.update(wave=1, done=done, budget=10_000)
            clock.advance(10)
    assert target.getvalue().splitlines()[-1] == (
        "wave 1, 3,900 of at most 10,000 comparisons, 30/s, at most 3 min 23 s left"
    )


def test_what_has_a_known_end_is_told_without_at_most() -> None:
    target, clock, progress = made()
    with progress:
        for done in (1, 5, 9):
            progress.tell(["adaptive", f"session {done} of 80"], done, 80)
            clock.advance(8)
    assert target.getvalue().splitlines()[-1] == "adaptive, session 9 of 80, 0.5/s, 2 min 22 s left"


def test_a_standing_batch_promises_no_end() -> None:
    target, clock, progress = made()
    with progress:
        progress.update(wave=1, done=5, budget=50)
        clock.advance(60)
        progress.update(wave=1, done=5, budget=50)
    assert target.getvalue().splitlines()[-1] == "wave 1, 5 of at most 50 comparisons"


def test_a_terminal_gets_one_line_that_is_redrawn_and_stays_at_the_end() -> None:
    target, clock, progress = made(terminal=True)
    with progress:
        for done in range(0, 50, 10):
            progress.update(wave=1, done=done, budget=50)
            clock.advance(1)
    written = target.getvalue()
    assert "\x1b[2K" in written
    assert (
        written.rstrip("\n").splitlines()[-1].endswith("wave 1, 40 of at most 50 comparisons, 10/s, at most 1 s left")
    )


def test_nothing_is_printed_without_an_update() -> None:
    target, _, progress = made()
    with progress:
        pass
    assert target.getvalue() == ""


def test_durations() -> None:
    assert [duration(seconds) for seconds in (0.4, 59.4, 65, 12_000)] == ["0 s", "59 s", "1 min 05 s", "3 h 20 min"]
