"""G9: what the readers skip to stay quick is never overtaken, whether it was held, committed late, or belonged to another."""

from uuid import uuid4

import pytest

from pairmark.clock import ManualClock
from pairmark.events.catalogue import AssessmentFailed
from pairmark.messaging import outbox
from pairmark.messaging.local import LocalSubscription, LocalTransport
from pairmark.messaging.low_mark import STRIDE, Sweeps
from pairmark.messaging.relay import LEASE_SECONDS, LIMIT, SWEEP_SECONDS, Relay
from pairmark.messaging.transport import Failure, Stored
from pairmark.storage.connection import execute
from support.faults import DELIVER, Refusing, rows
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
from support.system import BEGIN


def far_on(database, sender: Relay, clock=None) -> None:
    """Send so much that the relay's low-water mark lies far above whatever was there before."""
    for _ in range(4):
        rows(
            database,
            "SELECT setval(pg_get_serial_sequence('lifecycle.event_outbox', 'seq'), max(seq) + %s) FROM lifecycle.event_outbox",
            STRIDE + 1,
        )
        produce(database, "quick", [uuid4()])
        sender.step()


def delivered_as_written(database, *aggregates: str) -> bool:
    """Whether everything of these aggregates was delivered, in the order of its numbers."""
    found, written = (
        by_aggregate(rows(database, POSITIONS, "judging")),
        by_aggregate(rows(database, BY_SEQ)),
    )
    return all(found[one] == written[one] for one in aggregates)


def test_g9_the_low_water_mark_moves_and_a_sweep_looks_below_it(system, database, clock):
    """A row that could not come to lie below it (its number was given by hand) shows where the claim begins."""
    sender = relay(system)
    with database.connect("lifecycle") as elsewhere:
        elsewhere.execute("BEGIN; INSERT INTO inbox (event_id, topic) VALUES (gen_random_uuid(), 'x')")
        produce(database, "old", range(2))
        assert sender.step() == 2
        far_on(database, sender)
        with database.connect() as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute("UPDATE lifecycle.event_outbox SET published_at = NULL WHERE seq = 1")
        produce(database, "quick", ["last"])
        assert sender.step() == 1, "looks only near the end, whatever else is open in the database"
        clock.advance(SWEEP_SECONDS)
        assert sender.step() == 1, "the sweep looks everywhere"
    sender.close()


def test_g9_row_that_commits_very_late_keeps_its_place_before_newer_ones_of_its_aggregate(system, database):
    sender = relay(system)
    with database.connect("lifecycle") as slow:
        slow.execute("BEGIN")
        outbox.append(slow, [tell("slow", 1)])
        far_on(database, sender)
        slow.execute("COMMIT")
    produce(database, "slow", [2])
    assert sender.step() == 2
    assert delivered_as_written(database, "slow")
    sender.close()


@pytest.mark.parametrize("lifted_by", ["time", "requeue", "requeue of a parked one"])
def test_g9_hold_lifted_between_two_sweeps_lets_nothing_newer_go_first(system, database, clock, lifted_by):
    transport = Refusing(
        system.transport,
        lambda one: Failure("no leader", fatal="parked" in lifted_by) if one.key == "held" else None,
    )
    sender = relay(system, transport)
    produce(database, "held", range(2))
    assert sender.step() == 0
    far_on(database, sender)
    transport.refuse = lambda _: None
    if lifted_by == "time":
        clock.advance(SWEEP_SECONDS / 2)
    else:
        assert sender.requeue("held") == 1
    produce(database, "held", [2])
    sender.step()
    sender.step()
    assert rows(database, UNPUBLISHED) == [(0,)], "found without waiting for a sweep"
    assert delivered_as_written(database, "held")
    assert rows(database, "SELECT count(*) FROM lifecycle.relay_hold") == [(0,)]
    sender.close()


def test_g9_more_than_one_claim_of_a_lifted_aggregate_keeps_its_order(system, database, clock):
    """The hold goes with the first set that was sent; the rest still lies below where the mark was."""
    transport = Refusing(system.transport, lambda one: Failure("down", fatal=False) if one.key == "held" else None)
    sender = relay(system, transport)
    with database.transaction("lifecycle") as tx:
        outbox.append(tx, [tell("held", number) for number in range(LIMIT + 5)])
    assert sender.step() == 0
    far_on(database, sender)
    transport.refuse = lambda _: None
    clock.advance(SWEEP_SECONDS / 2)
    assert sender.step() == LIMIT + 5
    produce(database, "held", ["last"])
    assert sender.step() == 1
    assert delivered_as_written(database, "held")
    sender.close()


def test_g9_bucket_that_is_taken_over_is_read_from_its_beginning(system, database, clock):
    sender = relay(system)
    produce(database, "left", range(1))
    (bucket,) = rows(database, "SELECT bucket FROM lifecycle.event_outbox")[0]
    with database.connect() as other:
        other.execute("SELECT pg_advisory_lock(hashtextextended(%s, 1))", [f"relay:lifecycle:{bucket}"])
        far_on(database, sender)
        assert rows(database, UNPUBLISHED) == [(1,)], "the bucket belongs to another"
    produce(database, "left", [1])
    clock.advance(LEASE_SECONDS / 2)
    sender._swept_at = clock.monotonic()
    sender.step()
    assert rows(database, UNPUBLISHED) == [(0,)]
    assert delivered_as_written(database, "left")
    sender.close()


def test_g9_zombie_lifts_no_hold_of_what_its_follower_passed_over(system, database):
    """Otherwise the follower would neither know of the held rows below its mark nor keep newer ones behind them."""

    def overtake(event):
        rows(database, "UPDATE lifecycle.relay_lease SET token = gen_random_uuid() RETURNING 1")
        rows(
            database,
            "INSERT INTO lifecycle.relay_hold (aggregate_id, attempts, next_attempt_at, parked, reason) "
            "VALUES ('one', 1, 'infinity', false, 'by the follower') RETURNING 1",
        )

    zombie = relay(system, Refusing(system.transport, overtake))
    produce(database, "one", range(1))
    zombie.step()
    assert zombie.counts.sent == 0
    assert rows(database, "SELECT reason FROM lifecycle.relay_hold") == [("by the follower",)]
    zombie.close()


def test_g9_hold_of_an_aggregate_with_nothing_left_to_send_is_cleared_away(system, database, clock):
    sender = relay(system)
    rows(
        database,
        "INSERT INTO lifecycle.relay_hold (aggregate_id, attempts, next_attempt_at, parked, reason) "
        "VALUES ('gone', 1, '-infinity', false, ''), ('parked', 1, '-infinity', true, ''), ('later', 1, 'infinity', false, '') "
        "RETURNING 1",
    )
    sender.step()
    assert rows(database, "SELECT aggregate_id FROM lifecycle.relay_hold ORDER BY 1") == [("later",), ("parked",)]
    sender.close()


def test_g9_message_that_is_delivered_very_late_is_read_before_newer_ones_of_its_aggregate(database, clock):
    """Two relays may write to the local transport at once; the one that is slow to commit was given the lower positions."""
    transport = LocalTransport(database, {"judging": [AssessmentFailed.topic]}, lambda _: None)
    reader = LocalSubscription(database, "judging", clock)

    def sent(key: str, number: int) -> Stored:
        made = tell(key, number)
        return Stored(made.id, key, made.event_type, made.body, made.headers)

    def read() -> list[str]:
        found = reader.poll(LIMIT)
        reader.acknowledge(found)
        return [delivery.key for delivery in found]

    with database.connect() as slow:
        slow.execute("BEGIN")
        late = tell("slow", 1)
        execute(slow, DELIVER, ["judging", late.id, late.event_type, "slow", late.body, late.headers])
        for number in range(4):
            rows(
                database,
                "SELECT setval(pg_get_serial_sequence('transport.delivery', 'position'), %s)",
                (number + 1) * 6_000,
            )
            transport.publish([sent("quick", number)])
            assert read() == ["quick"]
        slow.execute("COMMIT")
    transport.publish([sent("slow", 2)])
    assert reader.poll(LIMIT)[0].event_id == late.id
    assert read() == ["slow", "slow"]
    reader.close()


def test_the_longer_a_look_from_the_beginning_takes_the_seldomer_it_is_taken():
    clock = ManualClock(BEGIN)
    sweeps = Sweeps(clock, every=2.0)
    with sweeps.due() as first:
        clock.advance(1.0)  # dead rows have piled up
    looks = []
    for _ in range(60):
        with sweeps.due() as due:
            looks.append(due)
        clock.advance(1.0)
    with sweeps.due(possible=False) as not_now:
        pass
    assert first
    assert looks.index(True) == 50
    assert looks[50:].count(True) == 5
    assert not not_now
