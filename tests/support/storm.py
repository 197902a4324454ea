"""Processes that fire triggers at one batch, as the incident's platform did, and tell what they fired and what came of it.

All meet once before the compare-and-set of the end, so that a storm is a race by construction and not by luck.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from threading import BrokenBarrierError
from typing import Any
from uuid import UUID

from pairmark.bootstrap import System
from pairmark.clock import ManualClock
from pairmark.services.assessment import continuation
from pairmark.storage.connection import Database

PATIENCE = 10.0  # seconds a process waits for the others at the meeting point


@dataclass(frozen=True)
class Order:
    """Fire `triggers` times at this batch, living at `now`."""

    batch: UUID
    triggers: int
    now: datetime


@dataclass
class Report:
    """What one process did: moments of its triggers (seconds), results of its compare-and-sets, errors."""

    fired: list[float] = field(default_factory=list)
    ends: list[bool] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class Storm:
    """A number of processes with one system each over the same database."""

    def __init__(self, conninfo: str, processes: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._together, self._meeting = context.Barrier(processes), context.Barrier(processes)
        self._pipes: list[Connection] = []
        self._processes = []
        for number in range(processes):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(conninfo, number, theirs, self._together, self._meeting))
            process.start()
            self._pipes.append(ours)
            self._processes.append(process)
        for pipe in self._pipes:
            assert pipe.recv() == "ready"

    def fire(self, batch: UUID, triggers: int, now: datetime) -> list[Report]:
        """Share `triggers` out to all processes, have them begin at one moment, and wait for their reports."""
        self._meeting.reset()
        share, rest = divmod(triggers, len(self._pipes))
        for number, pipe in enumerate(self._pipes):
            pipe.send(Order(batch, share + (number < rest), now))
        return [pipe.recv() for pipe in self._pipes]

    def close(self) -> None:
        """Send everybody home."""
        for pipe in self._pipes:
            with suppress(BrokenPipeError):
                pipe.send(None)
        for process in self._processes:
            process.join(20)
            if process.is_alive():
                process.kill()


@contextmanager
def storm(conninfo: str, processes: int) -> Iterator[Storm]:
    """Processes for the length of a block."""
    gathering = Storm(conninfo, processes)
    try:
        yield gathering
    finally:
        gathering.close()


def _work(conninfo: str, number: int, pipe: Connection, together: Barrier, meeting: Barrier) -> None:
    clock = ManualClock(datetime.now(UTC))
    database = Database(conninfo, direct_login=True)
    system = System(database, clock=clock)
    report = Report()
    finalize, score = system.finalization.finalize_scoring, continuation.score
    met = False

    def counted(*args: Any) -> bool:
        won = finalize(*args)
        report.ends.append(won)
        return won

    def meet(*args: Any) -> Any:
        nonlocal met
        scores = score(*args)
        if not met:
            met = True
            with suppress(BrokenBarrierError):
                meeting.wait(PATIENCE)
        return scores

    system.finalization.finalize_scoring = counted  # type: ignore[method-assign]
    continuation.score = meet
    system.continuation.advance(UUID(int=0))  # connects
    pipe.send("ready")
    while (order := pipe.recv()) is not None:
        report, met = Report(), False
        clock.current = order.now
        triggers: list[Callable[[], object]] = [
            system.continuation.step,
            lambda batch=order.batch: system.continuation.advance(batch),
            system.monitor.sweep,
            system.monitor.recover,
        ]
        together.wait(60)
        _fire(triggers, number, order.triggers, report)
        pipe.send(report)
    system.close()


def _fire(triggers: list[Callable[[], object]], first: int, times: int, report: Report) -> None:
    for turn in range(times):
        report.fired.append(time.monotonic())
        try:
            triggers[(first + turn) % len(triggers)]()
        except Exception as error:
            report.errors.append(f"{type(error).__name__}: {error}")
