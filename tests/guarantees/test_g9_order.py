"""G9 and G4: whole aggregates go out in commit order, at least once, always the same; two relays, refusals and late commits."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest

from pairmark.audit.selfcheck import self_check
from pairmark.bootstrap import System
from pairmark.clock import SystemClock
from pairmark.errors import Busy
from pairmark.messaging import outbox
from pairmark.messaging.relay import LEASE_SECONDS, PARK_AFTER
from pairmark.messaging.transport import Failure
from pairmark.outcome import settled
from pairmark.storage import faults
from support.faults import Refusing, cut_sessions, rows
from support.outboxes import (
    BY_SEQ,
    POSITIONS,
    UNPUBLISHED,
    by_aggregate,
    lifecycle_tells_all,  # noqa: F401 - for every test here
    produce,
    relay,
    tell,
)
from support.sizes import size
from support.system import submit


def test_g9_two_relays_and_many_producers_keep_the_order_of_every_aggregate(system, database):
    """The relays change places in mid-run: each in turn loses its sessions, and the other takes its buckets over."""
    number = size(40, 400)
    relays = [relay(system, clock=SystemClock()) for _ in range(2)]
    with ThreadPoolExecutor(5) as threads:
        producing = [threads.submit(produce, database, f"batch {one}", range(number)) for one in range(5)]
        turns = 0
        while not all(done.done() for done in producing) or rows(database, UNPUBLISHED) != [(0,)]:
            for one in relays:
                one.step()
            turns += 1
            if turns % 10 == 0:
                relays[turns // 10 % 2].close()
        for done in producing:
            done.result()
    for one in relays:
        one.close()
    for group in ("judging", "results", "entitlements"):
        assert by_aggregate(rows(database, POSITIONS, group)) == by_aggregate(rows(database, BY_SEQ))


def test_g9_row_that_commits_late_below_others_is_still_delivered(system, database, clock):
    """A reader of `id above the last one` would never see it: 3,115 of 11,629 events were lost so."""
    sender = relay(system)
    with database.connect("lifecycle") as slow:
        slow.execute("BEGIN")
        outbox.append(slow, [tell("slow", 1)])
        produce(database, "quick", range(3))
        assert sender.step() == 3
        assert sender.step() == 0
        slow.execute("COMMIT")
    assert sender.step() == 1
    assert rows(database, UNPUBLISHED) == [(0,)]
    sender.close()


def test_g4_marked_published_only_after_the_transport_acknowledged(system, database):
    seen = []
    transport = Refusing(system.transport)
    transport.refuse = lambda event: seen.append(rows(database, UNPUBLISHED)[0][0])
    sender = relay(system, transport)
    produce(database, "one", range(3))
    assert sender.step() == 3
    assert seen == [3, 3, 3]
    assert rows(database, UNPUBLISHED) == [(0,)]
    sender.close()


class Dies(BaseException):
    """Stands for the end of a process between acknowledgement and mark."""


def test_g4_relay_that_dies_between_acknowledgement_and_mark_is_followed_by_the_same_bytes_again(system, database):
    def die(point: str) -> None:
        if point == "relay.lifecycle.acknowledged":
            raise Dies

    transport = Refusing(system.transport)
    produce(database, "one", range(3))
    first = relay(system, transport)
    faults.install(die)
    try:
        with pytest.raises(Dies):
            first.step()
    finally:
        faults.install(None)
    first._owned.close()
    sent, rows_before = list(transport.sent), rows(database, "SELECT * FROM transport.delivery ORDER BY 1, 2")
    following = relay(system, transport)
    assert following.step() == 3, "takes over without waiting for the lease of the dead"
    assert transport.sent == sent * 2
    assert rows(database, "SELECT * FROM transport.delivery ORDER BY 1, 2") == rows_before
    following.close()


def test_g4_zombie_that_wakes_after_its_buckets_were_taken_marks_nothing_and_is_counted(system, database):
    """Its sessions are cut while it waits for the transport; another relay sends the same rows and marks them."""
    transport = Refusing(system.transport)
    following = relay(system)

    def overtake(event):
        if not following.counts.sent:
            cut_sessions(database, user="pairmark_relay")
            assert following.step() == 2

    transport.refuse = overtake
    zombie = relay(system, transport)
    produce(database, "one", range(2))
    with pytest.raises(Busy):
        zombie.step()
    assert zombie.counts.sent == 0
    assert rows(database, UNPUBLISHED) == [(0,)]
    assert rows(database, "SELECT group_name, count(*) FROM transport.delivery GROUP BY 1 ORDER BY 1") == [
        (group, 2) for group in ("entitlements", "judging", "lifecycle", "results")
    ]
    zombie.close()
    following.close()


def test_g4_lease_is_waited_out_where_a_late_send_could_reorder(system, database):
    """With such a transport (a broker) the lock alone does not do; with the local one it does."""

    class Broker(Refusing):
        late_sends_reorder = True

    produce(database, "one", range(2))
    dead = relay(system, Broker(system.transport, lambda _: Failure("down", fatal=False)))
    dead.step()
    dead._owned.close()
    rows(database, "DELETE FROM lifecycle.relay_hold RETURNING 1")
    following = relay(system, Broker(system.transport))
    assert following.step() == 0
    rows(
        database,
        "UPDATE lifecycle.relay_lease SET claimed_until = claimed_until - %s RETURNING 1",
        timedelta(seconds=LEASE_SECONDS),
    )
    assert following.step() == 2
    following.close()


def test_g4_failures_of_one_aggregate_are_spaced_then_parked_with_the_reason_while_others_flow(system, database, clock):
    transport = Refusing(
        system.transport, lambda event: Failure("no leader", fatal=False) if event.key == "bad" else None
    )
    sender = relay(system, transport)
    produce(database, "bad", range(PARK_AFTER + 2))
    holds = "SELECT attempts, next_attempt_at, parked, reason FROM lifecycle.relay_hold"
    for attempt in range(1, PARK_AFTER + 1):
        produce(database, "good", [attempt])
        assert sender.step() == 1, "the other aggregate goes on"
        ((attempts, due, parked, reason),) = rows(database, holds)
        assert (attempts, parked, reason) == (attempt, attempt == PARK_AFTER, "no leader")
        assert due > clock.now()
        given = len(transport.given)
        sender.step()
        assert len(transport.given) == given, "not before its time"
        clock.advance((due - clock.now()).total_seconds() + 0.001)
    assert sender.step() == 0, "parked"
    transport.refuse = lambda _: None
    assert sender.requeue("bad") == 1
    assert sender.step() == PARK_AFTER + 2
    assert by_aggregate(rows(database, POSITIONS, "judging"))["bad"] == by_aggregate(rows(database, BY_SEQ))["bad"]
    sender.close()


def test_g4_fatal_failure_parks_at_once_and_what_went_out_before_it_is_marked(system, database):
    produce(database, "bad", range(5))
    third = rows(database, BY_SEQ)[2][1]
    transport = Refusing(system.transport, lambda one: Failure("too large", fatal=True) if one.id == third else None)
    sender = relay(system, transport)
    assert sender.step() == 2
    assert rows(database, "SELECT attempts, parked, reason FROM lifecycle.relay_hold") == [(1, True, "too large")]
    assert rows(database, UNPUBLISHED) == [(3,)]
    assert rows(database, "SELECT last_error, attempts FROM lifecycle.event_outbox WHERE id = %s", third) == [
        ("too large", 1)
    ]
    sender.close()


def test_g4_whole_system_ends_although_its_transport_refuses_half_of_all_events_once(database, clock):
    refused = set()

    def flaky(event):
        if event.id in refused or event.id.int % 2:
            return None
        refused.add(event.id)
        return Failure("try again", fatal=False)

    system = System(database, clock=clock, transport=lambda local: Refusing(local, flaky))
    system.accounts.ensure_default()
    ticket = submit(system, 6)
    rounds = 0
    while not (
        (batch := system.assessment.batch(ticket.job_id)) and batch.status.is_complete and settled(system, batch)
    ):
        system.drain()
        clock.advance(1.5)
        rounds += 1
        assert rounds <= 300  # every event is refused once at most, and comes again after at most a few seconds
    assert refused
    assert self_check(database).findings == []
    system.close()


def test_g4_poisoned_group_holds_up_no_other_group(system, database):
    """Entitlements cannot handle what judging and results have long applied."""
    event = tell(str(uuid4()), 1)
    with database.transaction("lifecycle") as tx:
        outbox.append(tx, [event])
    with database.connect() as connection:
        connection.execute("ALTER TABLE entitlements.reservation ADD CONSTRAINT poison CHECK (state <> 'tombstone')")
    system.drain()
    assert rows(database, "SELECT count(*) FROM entitlements.held_message") == [(1,)]
    assert rows(database, "SELECT kind FROM results.outcome") == [("failed",)]
    assert rows(database, "SELECT closed FROM judging.batch") == [(True,)]
