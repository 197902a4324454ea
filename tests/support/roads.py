"""The roads that events can take, each behind the same few words, so that one suite of tests holds all of them to one promise.

The topics are two of those that entitlements listens to, so that its real consumer can be put at the end of each road.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4, uuid5

import pytest

from pairmark.bootstrap import System
from pairmark.clock import SystemClock
from pairmark.errors import Busy
from pairmark.events.catalogue import BY_TOPIC, ReserveRequested, ResourceConsumed
from pairmark.events.identity import EVENTS
from pairmark.messaging.local import LocalSubscription, LocalTransport
from pairmark.messaging.transport import Delivery, Stored, Subscription, Transport
from support.faults import plant_raw

if TYPE_CHECKING:
    from pairmark.events.envelope import Outgoing
    from pairmark.messaging.kafka_connection import KafkaConnection
    from pairmark.storage.connection import Database

GROUP, OTHER_GROUP = "entitlements", "lifecycle"
TOPIC, OTHER_TOPIC = ReserveRequested.topic, ResourceConsumed.topic
PATIENCE = 40.0
POLL_SECONDS = 0.1
"""How long a member waits for a message before another member has its turn."""


def event(topic: str, key: str, number: int, word: str = "naïve 作文") -> Stored:
    """The number-th event of an aggregate; none that a handler knows."""
    identity = uuid5(EVENTS, f"{topic}|{key}|{number}")
    envelope = {
        "event_id": str(identity), "event_type": topic, "event_timestamp": "2026-01-05T09:00:00Z", "source_service": "test",
        "correlation_id": str(identity), "data": {"key": key, "number": number, "word": word},
    }  # fmt: skip
    headers = {"event_id": str(identity), "ce_id": str(identity), "ce_type": topic}
    return Stored(identity, key, topic, json.dumps(envelope, ensure_ascii=False), json.dumps(headers))


def stored(outgoing: Outgoing) -> Stored:
    """An event of ours, as the relay reads it from an outbox."""
    return Stored(outgoing.id, outgoing.aggregate_id, outgoing.event_type, outgoing.body, outgoing.headers)


@dataclass
class Road:
    """One road over one database. Everything it made is closed at the end of the test."""

    name: str
    database: Database
    connection: KafkaConnection | None = None
    opened: list[Any] = field(default_factory=list)

    def transport(self) -> Transport:
        """The way out."""
        if self.connection is None:
            groups = {GROUP: [TOPIC, OTHER_TOPIC], OTHER_GROUP: [TOPIC]}
            return self._kept(LocalTransport(self.database, groups, lambda _: None))
        from pairmark.messaging.kafka_out import KafkaTransport  # noqa: PLC0415 - needs the extra

        return self._kept(KafkaTransport(self.connection, SystemClock()))

    def subscribe(self, group: str = GROUP) -> Subscription:
        """The way in: one more member of a group."""
        if self.connection is None:
            return self._kept(LocalSubscription(self.database, group, SystemClock()))
        from pairmark.messaging.kafka_in import KafkaSubscription  # noqa: PLC0415

        topics = [TOPIC, OTHER_TOPIC] if group == GROUP else [TOPIC]
        made = KafkaSubscription(self.connection, self.database, group, topics, SystemClock())
        made.wait_seconds = POLL_SECONDS
        return self._kept(made)

    def system(self) -> System:
        """All services at the end of this road."""
        made = System(self.database, kafka=self.connection)
        for subscription in made.subscriptions.values():
            subscription.wait_seconds = min(subscription.wait_seconds, POLL_SECONDS)
        return self._kept(made)

    def raw(self, key: str, body: str | bytes) -> None:
        """Anybody's message, whatever it is."""
        if self.connection is None:
            plant_raw(self.database, GROUP, TOPIC, key, str(body))
            return
        from support.kafka_mock import produce  # noqa: PLC0415

        produce(self.connection.brokers, self.connection.prefix + TOPIC, [{"value": body, "key": key}])

    def _kept(self, part: Any) -> Any:
        self.opened.append(part)
        return part

    def close(self) -> None:
        """Close what the test has left open."""
        for part in self.opened:
            with suppress(Busy):
                part.close()


def until(done: Callable[[], bool], do: Callable[[], Any]) -> None:
    """Do it again and again until it is done; each doing waits by itself for what may come."""
    clock = SystemClock()
    end = clock.monotonic() + PATIENCE
    while not done() and clock.monotonic() < end:
        do()
    assert done()


def send(transport: Transport, events: Sequence[Stored]) -> None:
    """Publish until everything is acknowledged, as the relay does: what is not goes again."""
    left = list(events)

    def again() -> None:
        with suppress(Busy):
            sent = transport.publish(left)
            assert sent.failures == {}
            left[:] = [one for one in left if one.id not in sent.acknowledged]

    until(lambda: not left, again)


def take(subscription: Subscription, number: int) -> list[Delivery]:
    """Receive and acknowledge until so many messages have come."""
    came: list[Delivery] = []

    def receive() -> None:
        got = subscription.poll(500)
        came.extend(got)
        if got:
            subscription.acknowledge(got)

    until(lambda: len(came) >= number, receive)
    return came


def orders(deliveries: Sequence[Delivery]) -> dict[tuple[str, str], list[int]]:
    """The numbers of events as they first came, by topic and aggregate."""
    found: dict[tuple[str, str], list[int]] = {}
    for delivery in deliveries:
        numbers = found.setdefault((delivery.topic, delivery.key), [])
        number = json.loads(delivery.body)["data"]["number"]
        if number not in numbers:
            numbers.append(number)
    return found


def stored_log(connection: KafkaConnection, topic: str) -> list[dict[str, Any]]:
    """Every message of a topic from its start, as JSON, in the order of each partition; read without our own code."""
    from confluent_kafka import Consumer, TopicPartition  # noqa: PLC0415 - needs the extra

    name = connection.prefix + topic
    settings = {
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
        "log_level": 0,
    }
    login = {"bootstrap.servers": connection.brokers, "group.id": f"count-{uuid4()}"}
    consumer = Consumer(settings | login)
    partitions = consumer.list_topics(name, 10).topics[name].partitions
    consumer.assign([TopicPartition(name, number, 0) for number in partitions])
    found, unread = [], set(partitions)
    while unread:
        for message in consumer.consume(500, 0.2):
            if message.error() is not None:
                unread.discard(message.partition())
            else:
                found.append(message)
    consumer.close()
    return [json.loads(message.value()) for message in found]


def cluster_of(request: pytest.FixtureRequest, name: str, partitions: int = 3) -> KafkaConnection:
    """A mock or a real cluster with every topic, which nobody else uses under these names."""
    from pairmark.messaging import topics  # noqa: PLC0415 - needs the extra
    from pairmark.messaging.kafka_connection import KafkaConnection  # noqa: PLC0415

    if name == "mock":
        mock = request.getfixturevalue("mock_kafka")
        for topic in BY_TOPIC:
            mock.create(topic, partitions)
        return KafkaConnection(mock.bootstrap)
    connection = KafkaConnection(request.getfixturevalue("kafka").bootstrap, prefix=f"t{uuid4().hex[:10]}.")
    topics.create(connection, partitions)
    return connection


@pytest.fixture(params=["local", "mock", "kafka"])
def road(request: pytest.FixtureRequest, database: Database) -> Iterator[Road]:
    """Each road in turn."""
    connection = None if request.param == "local" else cluster_of(request, request.param)
    made = Road(request.param, database, connection)
    yield made
    made.close()
