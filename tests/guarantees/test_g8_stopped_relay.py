"""G8: a relay whose process is stopped keeps its session and its locks; another one puts it aside, and only then."""

import pytest

from pairmark.clock import ManualClock
from pairmark.errors import Busy
from pairmark.messaging.local import LocalTransport
from pairmark.messaging.relay import OUST_AFTER_SECONDS, Relay
from support.faults import rows
from support.system import BEGIN, submit

UNPUBLISHED = "SELECT count(*) FROM lifecycle.event_outbox WHERE published_at IS NULL"
WAITING = "UPDATE lifecycle.event_outbox SET created_at = created_at - interval '1 hour' RETURNING 1"
UNRENEWED = "UPDATE lifecycle.relay_lease SET claimed_until = claimed_until - interval '1 hour' RETURNING 1"
HELD = "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND pid = %s"


@pytest.fixture
def relays(database):
    """The relay that holds every bucket and is then stopped, and the one that comes after it."""
    clock = ManualClock(BEGIN)
    first, second = (Relay(database, "lifecycle", LocalTransport(database, {}, print), clock) for _ in range(2))
    first.step()
    assert first.owner
    yield first, second, clock
    first.close()
    second.close()


def looked(second, clock):
    """One more look of the other relay, after the pause between its looks."""
    clock.advance(OUST_AFTER_SECONDS)
    second.step()
    second.step()


def test_g8_a_relay_that_stands_still_with_events_waiting_is_put_aside(system, database, relays):
    first, second, clock = relays
    submit(system, 3)
    rows(database, WAITING)
    rows(database, UNRENEWED)
    looked(second, clock)
    assert second.owner
    assert rows(database, UNPUBLISHED) == [(0,)]
    with pytest.raises(Busy):
        first.step()
    assert not first.owner


@pytest.mark.parametrize("sign", [[WAITING], [UNRENEWED], []], ids=["lease fresh", "event fresh", "both fresh"])
def test_g8_a_relay_at_work_is_left_alone(system, database, relays, sign):
    first, second, clock = relays
    submit(system, 3)
    for statement in sign:
        rows(database, statement)
    looked(second, clock)
    assert not second.owner
    first.step()
    assert rows(database, UNPUBLISHED) == [(0,)]


def test_g8_an_idle_relay_and_one_whose_events_are_held_back_are_left_alone(system, database, relays):
    first, second, clock = relays
    rows(database, UNRENEWED)
    looked(second, clock)
    assert not second.owner
    ticket = submit(system, 3)
    rows(database, WAITING)
    rows(
        database,
        "INSERT INTO lifecycle.relay_hold (aggregate_id, attempts, next_attempt_at, parked, reason) "
        f"SELECT aggregate_id, 1, 'infinity', true, 'a test' FROM lifecycle.event_outbox WHERE aggregate_id <> '{ticket.job_id}' "
        "RETURNING 1",
    )
    looked(second, clock)
    assert not second.owner
    assert first.step() == 0
