"""G9 and G10 on the way out: what a broker refuses stops its own aggregate only, and nothing overtakes it, whatever goes wrong."""

import random
import threading
from collections import defaultdict
from contextlib import suppress
from uuid import uuid4

import pytest

from pairmark.bootstrap import System
from pairmark.clock import SystemClock
from pairmark.errors import Busy
from pairmark.messaging import outbox, road
from pairmark.messaging.kafka_connection import KafkaConnection
from pairmark.messaging.kafka_out import KafkaTransport
from pairmark.messaging.relay import Relay
from pairmark.storage.connection import Database
from support.asked import callback
from support.faults import rows
from support.kafka_mock import PRODUCE
from support.roads import OTHER_TOPIC, TOPIC, event, send, stored_log, until
from support.sizes import size

NOISE = "".join(random.Random(3).choices("0123456789abcdefghijklmnopqrstuvwxyz", k=6_000))
NOT_LEADER = 6
UNPUBLISHED = "SELECT count(*) FROM judging.event_outbox WHERE published_at IS NULL"


@pytest.fixture
def small_topics(kafka):
    """A connection whose topics take events of 3,000 bytes at most, all in one partition."""
    connection = KafkaConnection(kafka.bootstrap, prefix=f"t{uuid4().hex[:10]}.")
    for topic in (TOPIC, OTHER_TOPIC):
        kafka.create(1, name=connection.prefix + topic, max_message_bytes="3000")
    return connection


@pytest.fixture
def transport(small_topics):
    made = KafkaTransport(small_topics, SystemClock())
    send(made, [event(TOPIC, "first", 0)])  # the first send of a client takes longest
    yield made
    made.close()


def test_g9_an_event_that_is_refused_stops_its_own_aggregate_and_nothing_overtakes_it(small_topics, transport):
    before, bad, after = event(TOPIC, "a", 0), event(TOPIC, "a", 1, NOISE), event(TOPIC, "a", 2)
    others = [event(TOPIC, key, 0) for key in ("b", "c")]
    elsewhere = event(OTHER_TOPIC, "a", 0)
    everything, went, failures = [before, others[0], bad, after, others[1], elsewhere], set(), {}

    def again():  # what shared a package with it, or came too late for this one, goes with another claim
        with suppress(Busy):
            sent = transport.publish([one for one in everything if one.id not in went])
            went.update(sent.acknowledged)
            failures.update(sent.failures)

    wanted = {before.id, elsewhere.id, *(one.id for one in others)}
    until(lambda: went == wanted and failures, again)
    assert set(failures) == {bad.id}
    assert failures[bad.id].fatal
    assert not failures[bad.id].shared
    log = stored_log(small_topics, TOPIC)
    assert {one["data"]["number"] for one in log if one["data"]["key"] == "a"} == {0}


def test_g10_a_topic_that_is_missing_holds_its_events_only_and_says_what_to_do(small_topics, transport):
    lost, fine = event("pairmark.no.such.topic.v1", "a", 0), event(TOPIC, "a", 0)
    sent = transport.publish([lost, fine])
    assert sent.acknowledged == {fine.id}
    failure = sent.failures[lost.id]
    assert (failure.fatal, failure.shared) == (False, True)
    assert "pairmark topics create" in failure.reason
    assert small_topics.prefix + lost.topic in failure.reason


def test_g10_events_of_a_missing_topic_are_never_parked(database, kafka):
    connection = KafkaConnection(kafka.bootstrap, prefix=f"t{uuid4().hex[:10]}.")
    road.take_kafka(database, KafkaTransport(connection, SystemClock()), SystemClock())
    system = System(database, kafka=connection)
    with database.transaction("judging") as tx:
        outbox.append(tx, [callback(uuid4(), 0)])
    relay = system.relays["judging"]
    hold = "SELECT attempts, parked FROM judging.relay_hold"
    for attempts in range(1, 12):
        until(lambda wanted=attempts: rows(database, hold)[:1] == [(wanted, False)], relay.step)
        rows(database, "UPDATE judging.relay_hold SET next_attempt_at = '-infinity' RETURNING 1")
    from pairmark.messaging import topics  # noqa: PLC0415

    topics.create(connection, 1)
    until(lambda: rows(database, UNPUBLISHED) == [(0,)], relay.step)
    system.close()


def test_g4_a_cluster_that_does_not_answer_is_busy_and_everything_goes_when_it_does(mock_kafka):
    mock_kafka.create(TOPIC)
    connection = KafkaConnection(mock_kafka.bootstrap)
    transport = KafkaTransport(connection, SystemClock())
    events = [event(TOPIC, key, number) for number in range(5) for key in "abc"]
    mock_kafka.go_down()
    with pytest.raises(Busy, match="cannot be reached"):
        transport.publish(events)
    mock_kafka.come_up()
    send(transport, events)
    transport.close()
    assert orders_of(stored_log(connection, TOPIC)) == {key: list(range(5)) for key in "abc"}


def test_g9_lost_answers_only_repeat_events_and_keep_their_order(mock_kafka):
    """The broker has stored what it did not acknowledge in time; it is sent again, behind its first coming."""
    mock_kafka.create(TOPIC)
    connection = KafkaConnection(mock_kafka.bootstrap)
    transport = KafkaTransport(connection, SystemClock())
    send(transport, [event(TOPIC, "first", 0)])
    events = [event(TOPIC, key, number) for number in range(20) for key in "abc"]
    mock_kafka.answer_after(2_500)
    with pytest.raises(Busy):
        transport.publish(events)
    mock_kafka.answer_after(1)
    send(transport, events)
    transport.close()
    log = [one for one in stored_log(connection, TOPIC) if one["data"]["key"] != "first"]
    assert len(log) > len(events)
    assert orders_of(log) == {key: list(range(20)) for key in "abc"}


def test_g4_errors_that_pass_are_tried_again_within_the_send(mock_kafka):
    mock_kafka.create(TOPIC)
    connection = KafkaConnection(mock_kafka.bootstrap)
    transport = KafkaTransport(connection, SystemClock())
    mock_kafka.fail_next(PRODUCE, NOT_LEADER, NOT_LEADER)
    events = [event(TOPIC, "a", number) for number in range(3)]
    send(transport, events)
    transport.close()
    assert orders_of(stored_log(connection, TOPIC)) == {"a": [0, 1, 2]}


def test_g9_four_relays_keep_the_order_of_every_aggregate(database, kafka):
    connection = KafkaConnection(kafka.bootstrap, prefix=f"t{uuid4().hex[:10]}.")
    kafka.create(12, name=connection.prefix + callback(uuid4(), 0).event_type)
    keys, each = [uuid4() for _ in range(40)], size(20, 500)
    relays = [
        Relay(Database(database.conninfo, direct_login=True), "judging", KafkaTransport(connection, SystemClock()), SystemClock())
        for _ in range(4)
    ]  # fmt: skip
    stop = threading.Event()

    def relaying(relay):
        while not stop.is_set():
            try:
                relay.step() or stop.wait(0.01)
            except Busy:
                stop.wait(0.05)

    threads = [threading.Thread(target=relaying, args=[relay]) for relay in relays]
    for thread in threads:
        thread.start()
    for number in range(each):
        with database.transaction("judging") as tx:
            outbox.append(tx, [callback(key, number) for key in keys])
        if number == each // 2:
            rows(database, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'pairmark_relay'")
    until(lambda: rows(database, UNPUBLISHED) == [(0,)], lambda: stop.wait(0.1))
    stop.set()
    for thread in threads:
        thread.join()
    for relay in relays:
        relay.close()
    wanted = defaultdict(list)
    for key, identity in rows(database, "SELECT aggregate_id, id::text FROM judging.event_outbox ORDER BY seq"):
        wanted[key].append(identity)
    came = defaultdict(list)
    for one in stored_log(connection, callback(uuid4(), 0).event_type):
        if one["event_id"] not in came[one["data"]["entity_id"]]:
            came[one["data"]["entity_id"]].append(one["event_id"])
    assert came == wanted


def orders_of(log):
    """Numbers as they first came, by aggregate."""
    found = defaultdict(list)
    for one in log:
        if one["data"]["number"] not in found[one["data"]["key"]]:
            found[one["data"]["key"]].append(one["data"]["number"])
    return {key: numbers for key, numbers in found.items() if key != "first"}
