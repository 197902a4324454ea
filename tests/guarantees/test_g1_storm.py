"""G1, G2, G6: the incident's storm: 83 triggers within 6 s, here from 8 processes and with the relay running, batch after batch."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from pairmark.audit.selfcheck import event_counts, self_check
from pairmark.bootstrap import System
from pairmark.clock import ManualClock
from pairmark.events.catalogue import TERMINAL_COMPLETE
from pairmark.messaging.loop import Loop
from pairmark.services.lifecycle.front_desk import Ticket
from support.callbacks import answer_until_last_wave, answers, deliver, open_comparisons, receive
from support.sizes import size
from support.storm import Report, storm
from support.system import books, submit

TRIGGERS, SECONDS, PROCESSES = 83, 6.0, 8
APART = 1_000  # seconds between the deadlines of two batches, so that recovery acts on one of them at a time


def test_g1_a_storm_ends_each_batch_once(system: System, conninfo: str, clock: ManualClock):
    _storm(system, conninfo, clock, batches=8)


@pytest.mark.soak
def test_g1_a_storm_on_two_hundred_batches_ends_each_once(system: System, conninfo: str, clock: ManualClock):
    _storm(system, conninfo, clock, batches=size(20, 200))


def _storm(system: System, conninfo: str, clock: ManualClock, batches: int) -> None:
    tickets = [
        submit(system, 8 + number % 5, comparisons_per_essay=6, stability_threshold=0.0, name=f"storm {number}",
               deadline_seconds=float(APART * (number + 1)))
        for number in range(batches)
    ]  # fmt: skip
    answer_until_last_wave(system, tickets)
    with storm(conninfo, PROCESSES) as processes, relaying(system):
        for number, ticket in enumerate(tickets):
            deliver(system.database, answers(open_comparisons(system.database, ticket)), str(ticket.job_id))
            receive(system)
            late = clock.current + timedelta(seconds=APART * (number + 1) + APART / 2)
            _assert_contended(processes.fire(ticket.job_id, TRIGGERS, late))
    system.drain()
    for ticket in tickets:
        _assert_once(system, ticket)
    assert self_check(system.database).findings == []


def _assert_contended(reports: list[Report]) -> None:
    """All 83 were fired in time by all processes, at least two of which came to the compare-and-set; one won."""
    fired = [moment for report in reports for moment in report.fired]
    assert len(fired) == TRIGGERS
    assert max(fired) - min(fired) <= SECONDS
    assert [error for report in reports for error in report.errors] == []
    assert sum(bool(report.ends) for report in reports) >= 2
    assert sum(won for report in reports for won in report.ends) == 1


def _assert_once(system: System, ticket: Ticket) -> None:
    seen = books(system.database, ticket)
    assert seen.status in {"COMPLETE_MAX_COMPARISONS", "COMPLETE_FORCED_RECOVERY"}
    assert seen.terminal_events == dict.fromkeys(TERMINAL_COMPLETE, 1)
    published = event_counts(system.database, [str(ticket.job_id)])
    assert {topic: published[topic] for topic in TERMINAL_COMPLETE} == dict.fromkeys(TERMINAL_COMPLETE, 1)
    batch = system.assessment.batch(ticket.job_id)
    assert batch is not None
    assert (seen.captures, seen.charged) == (1, batch.counted)


@contextmanager
def relaying(system: System) -> Iterator[None]:
    """Relays and the consumers of the ends run on threads of their own; nothing here takes decisions."""
    names = ("relay", "judging", "lifecycle", "results", "entitlements")
    steps = system.steps()
    loops = [Loop(name, steps[name], system.bell) for name in names]
    for loop in loops:
        loop.start()
    try:
        yield
    finally:
        for loop in loops:
            loop.stop()
        for loop in loops:
            loop.join(20)
    assert [loop.failure for loop in loops] == [None] * len(loops)
