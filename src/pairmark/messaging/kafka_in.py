"""The way in over Kafka: one member of a consumer group. Offsets are committed only for what the database has committed.

What a poll brought is handed out again until it is acknowledged, as long as its partition is ours. Kafka cannot keep a member that
was declared dead from finishing what it has in hand: the inbox and the keys of the effects are the fence (G5).
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from operator import methodcaller
from typing import Any
from uuid import UUID, uuid4, uuid5

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from pairmark.clock import Clock
from pairmark.errors import Busy
from pairmark.events.envelope import NewerSchema, decode
from pairmark.events.identity import EVENTS
from pairmark.messaging.kafka_connection import LARGEST_MESSAGE, OF_THE_TOPIC, KafkaConnection, about_topic
from pairmark.messaging.ownership import Lookout, OwnedConnection
from pairmark.messaging.transport import NO_LIMITS, Delivery, within
from pairmark.storage import faults
from pairmark.storage.connection import Database

WAIT_SECONDS = 1.0
"""How long a poll waits for a first message; the broker answers as soon as there is one."""
SESSION_MS = 10_000
"""A member that has not been heard of for so long is dead to its group, which shares out its partitions."""
KEPT_KILOBYTES = 16_384
"""What a member fetches ahead; more stays with the broker."""
FETCH_BYTES = 8_000_000
"""What one answer of a broker holds at most, unless its first message alone is larger."""
ASK_AGAIN_SECONDS = 3.0
LONGEST_KEY = 500
"""Characters; an index holds no key of any length, and none of ours is longer."""

_ASK_HEADERS = methodcaller("headers")

Place = tuple[str, int]


class KafkaSubscription:
    """Reads the topics of one group, beside any number of others who do."""

    def __init__(
        self, connection: KafkaConnection, database: Database, group: str, topics: Sequence[str], clock: Clock
    ) -> None:
        self.seat = uuid4()
        self.term = 0
        self.joined = False
        self.wait_seconds = WAIT_SECONDS
        self._connection = connection
        self._group = group
        self._topics = [connection.prefix + topic for topic in topics]
        self._clock = clock
        self._owned = OwnedConnection(database, group, waits_for_disk=False)
        self._lookout = Lookout(self._owned, clock)
        self._held_back: tuple[frozenset[str], int] = (frozenset(), 0)
        self._asked_at = float("-inf")
        self._sat = False
        self._consumer: Consumer | None = None
        self._pending: list[Delivery] = []

    def poll(self, limit: int, at_most: Mapping[str, int] = NO_LIMITS) -> list[Delivery]:
        """What came and is not acknowledged yet; else the next messages, at most `limit`."""
        self._sit()
        self._hold_back(frozenset(topic for topic, most in at_most.items() if most < 1))
        if not within(self._pending, at_most):
            self._pending += [_delivery(message, self._connection.prefix) for message in self._fetch(limit)]
        return within(self._pending, at_most)[:limit]

    def _hold_back(self, topics: frozenset[str]) -> None:
        """Fetch nothing of these topics, and all others again. A share that was given out anew is told so anew."""
        if self._consumer is None or self._held_back == (topics, self.term):
            return
        there = self._consumer.assignment()
        waiting = [one for one in there if one.topic.removeprefix(self._connection.prefix) in topics]
        going = [one for one in there if one not in waiting]
        try:
            if waiting:
                self._consumer.pause(waiting)
            if going:
                self._consumer.resume(going)
        except KafkaException as error:
            raise self._connection.unreachable(error.args[0]) from error
        self._held_back = (topics, self.term)

    def _sit(self) -> None:
        """Hold the seat, and ask now and then whether the group's owner has gone.

        A seat whose lock was lost is left for good: others may have found it empty and counted what lay there.
        """
        try:
            if self._clock.monotonic() - self._asked_at >= ASK_AGAIN_SECONDS:
                self._owned.prove()
                if self._sat and _seat(self.seat) not in self._owned.held:
                    self.seat = uuid4()
                self._sat = self._owned.try_own(_seat(self.seat))
                if not self._owned.try_own(f"group:{self._group}"):
                    self._lookout.look(f"group:{self._group}")
                self._asked_at = self._clock.monotonic()
        except Busy as error:
            self._asked_at = float("-inf")
            raise self._owned.lost(error) from error

    @property
    def owner(self) -> bool:
        """Whether this member deals with what the group holds back."""
        return f"group:{self._group}" in self._owned.held

    def left(self, seats: Sequence[UUID]) -> list[UUID]:
        """Seats whose session lock is free: their process has ended, or lost its connection."""
        try:
            return self._owned.free({_seat(seat): seat for seat in seats if seat != self.seat})
        except Busy as error:
            self._asked_at = float("-inf")
            raise self._owned.lost(error) from error

    def _fetch(self, limit: int) -> list[Message]:
        consumer = self._consumer or self._join()
        try:
            first = consumer.poll(self.wait_seconds)
            if first is None:
                if self._connection.trouble is not None and not consumer.assignment() and not self._answered(consumer):
                    raise self._connection.unreachable()
                return []
            got = [first, *consumer.consume(limit - 1, 0)] if limit > 1 else [first]
        except KafkaException as error:
            raise self._connection.unreachable(error.args[0]) from error
        wanted = [message for message in got if message.error() is None]
        if not wanted:
            self._complain(got)
        self._connection.trouble = None
        return wanted

    def _answered(self, consumer: Consumer) -> bool:
        """Whether the cluster is there: a member without partitions has no traffic that would tell."""
        try:
            consumer.list_topics(self._topics[0], WAIT_SECONDS)
        except KafkaException:
            return False
        self._connection.trouble = None
        return True

    def _complain(self, got: Iterable[Message]) -> None:
        for message in got:
            error = message.error()
            if error is not None and error.code() in OF_THE_TOPIC:
                sentence = about_topic(message.topic() or ", ".join(self._topics), error)
                raise Busy(f"{sentence[0].upper()}{sentence[1:]}.")
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise self._connection.unreachable(error)

    def _join(self) -> Consumer:
        consumer: Consumer = self._connection.client(
            Consumer,
            group_id=self._connection.group(self._group),
            enable_auto_commit=False,
            enable_auto_offset_store=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            partition_assignment_strategy="cooperative-sticky",
            session_timeout_ms=SESSION_MS,
            fetch_wait_max_ms=1_000,
            fetch_max_bytes=FETCH_BYTES,
            queued_max_messages_kbytes=KEPT_KILOBYTES,
            receive_message_max_bytes=LARGEST_MESSAGE * 2,
        )
        consumer.subscribe(self._topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked)
        self._consumer = consumer
        return consumer

    def _assigned(self, _: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self.joined = True
        if partitions:
            self.term += 1

    def _revoked(self, _: Consumer, partitions: Sequence[TopicPartition]) -> None:
        gone = {(one.topic, one.partition) for one in partitions}
        self._pending = [delivery for delivery in self._pending if delivery.position[:2] not in gone]

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Commit the offsets behind these; an offset that is lost, or no longer ours to commit, only repeats the messages."""
        faults.reach(f"{self._group}.before_acknowledge")
        behind: dict[Place, int] = {}
        for topic, partition, offset in (delivery.position for delivery in deliveries):
            behind[topic, partition] = max(behind.get((topic, partition), 0), offset + 1)
        dealt_with = {delivery.position for delivery in deliveries}
        self._pending = [delivery for delivery in self._pending if delivery.position not in dealt_with]
        if self._consumer is not None:
            offsets = [TopicPartition(*place, offset) for place, offset in behind.items()]
            try:
                self._consumer.commit(offsets=offsets, asynchronous=True)
            except KafkaException as error:
                raise self._connection.unreachable(error.args[0]) from error
        faults.reach(f"{self._group}.after_acknowledge")

    def beat(self) -> None:
        """Show that this process is not stopped."""
        self._owned.beat()

    def close(self) -> None:
        """Leave the group; offsets under way are waited for."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
        self._pending = []
        self._owned.close()


def _seat(seat: UUID) -> str:
    return f"seat:{seat}"


def _delivery(message: Message, prefix: str) -> Delivery:
    """A message of anybody's as a delivery of ours. Its id is the event's; what has none is known by its place in the log.

    It raises nothing: what failed here would come again at every poll, and to every member.
    """
    position = (str(message.topic()), int(message.partition() or 0), int(message.offset() or 0))
    body, flaw = _text(message.value())
    event_id = (_event_id(body) if flaw is None else None) or uuid5(EVENTS, "\x1f".join(map(str, position)))
    key = _short(_text(message.key())[0]) or str(event_id)
    return Delivery(position, event_id, position[0].removeprefix(prefix), key, body, _headers(message), flaw)


def _event_id(body: str) -> UUID | None:
    try:
        return decode(body).event_id
    except NewerSchema as newer:
        return newer.event_id
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeError, RecursionError):
        return None


def _short(key: str) -> str:
    """The key, or its digest, which keeps the messages of a key together as well."""
    return key if len(key) <= LONGEST_KEY else f"sha256:{sha256(key.encode()).hexdigest()}"


def _headers(message: Message) -> str:
    """The headers as JSON; none if the library cannot read them, which it cannot where a name is not UTF-8.

    It then returns a list with holes and an error at once. An ordinary call of Python 3.11 may overlook the error, once the call
    has been made often, and the process dies of the holes; this way of calling always looks.
    """
    try:
        pairs: Any = _ASK_HEADERS(message) or ()
        return msgspec.json.encode({_text(name)[0]: _text(value)[0] for name, value in pairs}).decode()
    except (SystemError, UnicodeError, TypeError, ValueError):
        return "{}"


def _text(value: Any) -> tuple[str, str | None]:
    """Bytes as text that a database can hold, and what was wrong with them."""
    raw = value.encode() if isinstance(value, str) else value or b""
    try:
        text, flaw = raw.decode(), None
    except UnicodeDecodeError as error:
        text, flaw = raw.decode(errors="backslashreplace"), f"byte {error.start} is not UTF-8"
    if "\x00" in text:
        text, flaw = text.replace("\x00", "\\x00"), flaw or "it holds a NUL character"
    return text, flaw
