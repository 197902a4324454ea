"""The way out over Kafka: an idempotent producer for each set of troubles, acknowledged by all replicas in sync.

Order (G9): a partition takes what the producer sends in order, and a gap ends the producer (`enable.gapless.guarantee`), so nothing
overtakes an event that failed. After a gap the producer is thrown away with everything it still holds; that goes again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from confluent_kafka import KafkaError, KafkaException, Producer

from pairmark.clock import Clock
from pairmark.messaging.kafka_connection import (
    LARGEST_MESSAGE,
    OF_THE_EVENT,
    OF_THE_TOPIC,
    KafkaConnection,
    about_topic,
    words,
)
from pairmark.messaging.transport import Failure, Sent, Stored

DELIVERY_SECONDS = 2.0
"""How long a set may be on its way. What has not been acknowledged by then is dropped here, and goes again."""
POLL_EVERY = 200
TOO_LATE = frozenset({KafkaError._MSG_TIMED_OUT, KafkaError._TIMED_OUT, KafkaError.REQUEST_TIMED_OUT})


@dataclass
class _Run:
    """What the broker has said so far."""

    acknowledged: set[UUID] = field(default_factory=set)
    errors: dict[UUID, KafkaError] = field(default_factory=dict)
    stopped: set[tuple[str, str]] = field(default_factory=set)

    def told(self, event: Stored, error: KafkaError | None, _: Any) -> None:
        """The delivery report of one event."""
        if error is None:
            self.acknowledged.add(event.id)
        else:
            self.refused(event, error)

    def refused(self, event: Stored, error: KafkaError) -> None:
        """The event did not go; nothing later of its aggregate and topic may."""
        self.errors[event.id] = error
        self.stopped.add((event.topic, event.key))


class KafkaTransport:
    """Sends sets of events; used by one thread."""

    delivery_timeout = DELIVERY_SECONDS
    late_sends_reorder = True

    def __init__(self, connection: KafkaConnection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._producer: Producer | None = None

    def publish(self, events: Sequence[Stored]) -> Sent:
        """Send a set and wait for its acknowledgement. Raises `Busy` when nothing of it went and nothing of it is to blame."""
        until = self._clock.monotonic() + self.delivery_timeout
        run = _Run()
        self._send(events, run, until)
        for event in self._suspects(events, run):
            if self._clock.monotonic() < until and (event.topic, event.key) not in run.stopped:
                self._send([event], run, until)
        failures = {one.id: failure for one in events if (failure := self._failure(one, run)) is not None}
        if events and not run.acknowledged and not failures:
            raise self._connection.unreachable(next(iter(run.errors.values()), None))
        if run.acknowledged:
            self._connection.trouble = None
        return Sent(run.acknowledged, failures)

    def _send(self, events: Sequence[Stored], run: _Run, until: float) -> None:
        producer = self._producer or self._connect()
        for number, event in enumerate(events):
            if (event.topic, event.key) not in run.stopped:
                self._produce(producer, event, run)
            if number % POLL_EVERY == POLL_EVERY - 1 and not self._reports(producer, 0):
                break
        while len(producer) and self._clock.monotonic() < until:
            self._reports(producer, max(until - self._clock.monotonic(), 0))
        if len(producer) or run.errors:
            self.close()  # what it believes about the cluster goes with it

    @staticmethod
    def _reports(producer: Producer, seconds: float) -> bool:
        """Receive delivery reports; False when a gap has ended the producer, whose other events are then reported as failed.

        Not `flush`: it goes on after the library has raised what ended the producer, and loses a report.
        """
        try:
            producer.poll(seconds)
        except KafkaException:
            producer.purge()
            return False
        return True

    def _produce(self, producer: Producer, event: Stored, run: _Run) -> None:
        told = partial(run.told, event)
        try:
            producer.produce(self._named(event), event.body, event.key, on_delivery=told, headers=_headers(event))
        except KafkaException as error:
            run.refused(event, error.args[0])
        except BufferError:
            run.stopped.add((event.topic, event.key))  # goes with the next claim

    @staticmethod
    def _suspects(events: Iterable[Stored], run: _Run) -> list[Stored]:
        """Events refused for what they are, perhaps only for what they were packed with: each is to be tried alone, in order."""
        found, behind = [], set()
        for event in events:
            place, error = (event.topic, event.key), run.errors.get(event.id)
            if error is not None and error.code() in OF_THE_EVENT and place not in behind:
                found.append(event)
            elif event.id not in run.acknowledged:
                behind.add(place)
        if len(found) < 2:
            return []
        for event in found:
            del run.errors[event.id]
            run.stopped.discard((event.topic, event.key))
        return found

    def _named(self, event: Stored) -> str:
        return self._connection.prefix + event.topic

    def _failure(self, event: Stored, run: _Run) -> Failure | None:
        error = run.errors.get(event.id)
        if error is None:
            return None
        if error.code() in OF_THE_EVENT:
            return Failure(f"{event.topic} does not take an event of this kind: {words(error)}", fatal=True)
        if error.code() in OF_THE_TOPIC:
            return Failure(about_topic(self._named(event), error), fatal=False, shared=True)
        if run.acknowledged and error.code() in TOO_LATE:  # the cluster is there: only what this event goes to is not
            return Failure(f"{self._named(event)} was not acknowledged in time", fatal=False, shared=True)
        return None

    def _connect(self) -> Producer:
        self._producer = self._connection.client(
            Producer,
            acks="all",
            enable_idempotence=True,
            enable_gapless_guarantee=True,
            linger_ms=1,
            compression_type="lz4",
            partitioner="murmur2_random",
            message_max_bytes=LARGEST_MESSAGE,
            message_timeout_ms=int(self.delivery_timeout * 1000),
            topic_metadata_propagation_max_ms=500,
            socket_timeout_ms=10_000,
        )
        return self._producer

    def close(self) -> None:
        """Drop the producer with all it still holds."""
        if self._producer is not None:
            self._producer.purge()
            self._reports(self._producer, 0)
            self._producer = None


_headers_of = msgspec.json.Decoder(dict[str, str])


def _headers(event: Stored) -> list[tuple[str, str | bytes | None]]:
    return list(_headers_of.decode(event.headers).items())
