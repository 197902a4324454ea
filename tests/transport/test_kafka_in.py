"""G10 on the way in over Kafka: whatever anybody sends, and whatever connection is lost, every member goes on."""

import json
import re
from contextlib import suppress

import pytest

from pairmark.clock import ManualClock, SystemClock
from pairmark.errors import Busy
from pairmark.messaging.kafka_connection import KafkaConnection
from pairmark.messaging.kafka_in import ASK_AGAIN_SECONDS, KafkaSubscription
from support.faults import consumed, cut_sessions, reserve, rows
from support.kafka_mock import TOPIC_DENIED, produce, produce_with_raw_header
from support.roads import GROUP, OTHER_GROUP, OTHER_TOPIC, TOPIC, Road, cluster_of, take, until
from support.system import BEGIN


@pytest.fixture
def road(request, database):
    """The mock cluster, with one partition to a topic."""
    made = Road("mock", database, cluster_of(request, "mock", 1))
    yield made
    made.close()


def test_g10_a_header_that_is_not_utf8_ends_no_member(road):
    event = reserve("a", 3)
    produce_with_raw_header(road.connection.brokers, TOPIC, event.body.encode(), b"na\xff\xfeme")
    (came,) = take(road.subscribe(), 1)
    assert (came.event_id, came.body, came.headers, came.flaw) == (event.id, event.body, "{}", None)


def test_g10_headers_that_hold_what_a_database_cannot_are_kept_as_far_as_it_can(road):
    odd = [("bytes", b"\xff"), ("zero", b"a\0b"), ("none", None), ("twice", b"1"), ("twice", b"2")]
    produce(road.connection.brokers, TOPIC, [{"value": "x", "headers": odd}])
    (came,) = take(road.subscribe(), 1)
    assert json.loads(came.headers) == {"bytes": "\\xff", "zero": "a\\x00b", "none": "", "twice": "2"}


def test_g10_a_key_too_long_for_an_index_is_held_by_its_digest_and_keeps_its_order(road):
    """A message that cannot be handled is looked up by its key."""
    long = "".join(chr(0x4E00 + number * number % 20_000) for number in range(6_000))
    first, second = consumed("late", 3), reserve("other", 2)
    for topic, body, key in ((OTHER_TOPIC, first.body, long), (TOPIC, second.body, "short")):
        produce(road.connection.brokers, topic, [{"value": body, "key": key}])
    system = road.system()
    system.accounts.ensure_default()
    held = "SELECT event_key FROM entitlements.held_message ORDER BY position"
    step = system.consumers[GROUP].step
    until(lambda: rows(road.database, held) and rows(road.database, "SELECT FROM entitlements.reservation"), step)
    ((key,),) = rows(road.database, held)
    assert re.fullmatch("sha256:[0-9a-f]{64}", key)
    produce(road.connection.brokers, OTHER_TOPIC, [{"value": consumed("later", 1).body, "key": long}])
    until(lambda: len(rows(road.database, held)) == 2, step)
    assert rows(road.database, held) == [(key,), (key,)]


def test_g10_keys_of_500_characters_are_kept_as_they_are(road):
    keys = ["k" * 500, "k" * 501]
    produce(road.connection.brokers, TOPIC, [{"value": reserve(key, 1).body, "key": key} for key in keys])
    assert [one.key == key for one, key in zip(take(road.subscribe(), 2), keys, strict=True)] == [True, False]


def test_g5_an_event_of_a_newer_schema_is_held_under_its_own_id(road):
    """Else its copies would be as many dead letters, and be applied as often when they are replayed."""
    newer = json.loads(consumed("late", 3).body) | {"schema_version": 2}
    produce(road.connection.brokers, OTHER_TOPIC, [{"value": json.dumps(newer), "key": "late"}] * 2)
    step = road.system().consumers[GROUP].step
    held = "SELECT event_id::text, last_error FROM entitlements.held_message"
    until(lambda: rows(road.database, held), step)
    ((identity, error),) = rows(road.database, held)
    assert identity == newer["event_id"]
    assert "schema_version 2" in error


def test_g10_asking_whether_a_seat_is_left_does_not_take_it(road):
    """Else whoever sits down there later, or asks after it, finds it taken by the one who asked."""
    first, second, third = (road.subscribe() for _ in range(3))
    for one in (first, second, third):
        with suppress(Busy):
            one.poll(1)
    first.close()
    until(lambda: second.left([first.seat, third.seat]) == [first.seat], lambda: None)
    assert third.left([first.seat, second.seat]) == [first.seat]


def test_g10_a_member_whose_connection_was_lost_takes_a_new_seat(request, database):
    """Its old one may have been found empty, and is never sat on again; the new one is held at once."""
    clock, connection = ManualClock(BEGIN), cluster_of(request, "mock", 1)
    road = Road("mock", database, connection)
    member = KafkaSubscription(connection, database, GROUP, [TOPIC], clock)
    other = road.subscribe()
    try:
        for one in (member, other):
            one.poll(1)
        old = member.seat
        cut_sessions(database, user=f"pairmark_{GROUP}")
        clock.advance(ASK_AGAIN_SECONDS + 1)
        with pytest.raises(Busy):
            member.poll(1)
        member.poll(1)
        assert member.seat != old
        with suppress(Busy):
            other.left([])
            other.left([old])  # its own session was cut, too, and it may say so once
        assert other.left([old, member.seat]) == [old]
    finally:
        member.close()
        road.close()


def test_g10_a_member_without_partitions_complains_only_while_the_cluster_is_away(road, mock_kafka):
    """It has no traffic that would tell it that trouble is over."""
    members = [road.subscribe(OTHER_GROUP) for _ in range(2)]
    until(lambda: all(one.joined for one in members), lambda: [one.poll(1) for one in members])
    (idle,) = (one for one in members if not one._consumer.assignment())
    road.connection.trouble = "1/1 brokers are down"
    assert idle.poll(1) == []
    assert road.connection.trouble is None
    assert idle._consumer.assignment() == []
    mock_kafka.go_down()
    complaints = []

    def poll():
        try:
            idle.poll(1)
        except Busy as busy:
            complaints.append(str(busy))

    until(lambda: complaints, poll)
    assert "cannot be reached" in complaints[0]


def test_a_topic_is_named_as_it_is_written(mock_kafka, database):
    connection = KafkaConnection(mock_kafka.bootstrap, prefix="Essays.")
    mock_kafka.create("Essays." + TOPIC)
    mock_kafka.fail_topic("Essays." + TOPIC, TOPIC_DENIED)
    member = KafkaSubscription(connection, database, GROUP, [TOPIC], SystemClock())
    told = []

    def poll():
        try:
            member.poll(1)
        except Busy as busy:
            told.append(str(busy))

    until(lambda: told, poll)
    member.close()
    assert told == [f"This login may not use the topic Essays.{TOPIC}."]
