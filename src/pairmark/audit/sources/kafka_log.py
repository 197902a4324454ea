"""Reading a part of a Kafka log that is fixed beforehand: no group, no commit, nothing left behind on the broker.

What the messages mean is in `kafka_fields`. Every wait ends; what goes wrong is told in one sentence that holds no secret.
"""

import re
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any, NoReturn

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, OffsetSpec  # type: ignore[attr-defined]

from pairmark.errors import BadRequest, Busy, PairmarkError

ANSWER = 10.0
"""Seconds to wait for an answer to one question."""
SHORT_ANSWER = 3.0
"""The same where no answer is an answer, too."""
IDLE = 30.0
"""Seconds without a message, though there are more, after which reading is given up."""
BATCH = 10_000
PAUSE = 0.2
"""Seconds to wait for a batch to fill."""
NO_RIGHTS = frozenset({KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED})
NO_LOGIN = frozenset({KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED})
ABSENT = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError.TOPIC_EXCEPTION})
GONE = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})
READ_ONLY: dict[str, Any] = {
    "group.id": "pairmark-audit",  # the client wants a name; no group is joined or made
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "allow.auto.create.topics": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "error",
    "isolation.level": "read_committed",
    "fetch.wait.max.ms": 100,
    "queued.max.messages.kbytes": 65_536,
    "log_level": 0,
}


@dataclass
class Range:
    """Offsets of one partition, from `start` to before `stop`; the log holds those from `low` to before `high`."""

    topic: str
    partition: int
    start: int
    stop: int
    low: int
    high: int

    @property
    def place(self) -> tuple[str, int]:
        """What tells this partition from others."""
        return self.topic, self.partition


class TopicLog:
    """A connection to a cluster, for reading alone.

    `moved`: whether retention took messages between the fixing of the bounds and their reading; `behind`: offsets after those
    that may be read now, because a transaction is open.
    """

    def __init__(self, brokers: str, shown: str, settings: Mapping[str, str]) -> None:
        self._shown, self._settings = shown, {"bootstrap.servers": brokers, **settings}
        self._told: deque[KafkaError] = deque(maxlen=100)
        self.moved, self.behind = False, 0
        try:
            self._consumer = Consumer({**self._settings, **READ_ONLY, "error_cb": self._told.append})
        except KafkaException as error:
            named = re.search(r'property:? "([\w.]+)"', str(error))
            raise BadRequest(
                f"The settings of the connection to {shown} are not accepted{f': {named[1]}' if named else ''}.",
                remedy="See the variables PAIRMARK_KAFKA_…",
            ) from None

    def topics(self, wanted: Sequence[str]) -> dict[str, list[int]]:
        """The topics by these names or patterns, with their partitions."""
        found: dict[str, list[int]] = {}
        for name in wanted:
            known = self._metadata(None if set(name) & set("*?[") else name)
            named = [one for one in known if fnmatchcase(one, name) and not one.startswith("__")] or [name]
            for one in named:
                if one not in known:
                    self._absent(one)
                self._check(known[one].error, one)
                found[one] = sorted(known[one].partitions)
        return found

    def _metadata(self, topic: str | None) -> dict[str, Any]:
        try:
            asked = self._consumer.list_topics(topic, ANSWER) if topic else self._consumer.list_topics(timeout=ANSWER)
            return dict(asked.topics)
        except KafkaException as error:
            self._refuse(error.args[0])

    def _check(self, error: KafkaError | None, topic: str) -> None:
        if error is None:
            return
        if error.code() in ABSENT:
            self._absent(topic)
        self._refuse(error, topic)

    def _absent(self, topic: str) -> NoReturn:
        others = [one for one in self._metadata(None) if not one.startswith("__") and one != topic]
        close = get_close_matches(topic, others, n=3, cutoff=0.4) or sorted(others)[:5]
        raise BadRequest(
            f"{self._shown} has no topic {topic} that this login can see.",
            remedy=f"The closest are {', '.join(close)}." if close else "It shows no topics at all.",
        )

    def ranges(self, topics: Mapping[str, list[int]]) -> list[Range]:
        """All that is there now, by partition: from the first message that is left to the high watermark."""
        found, ends = [], self._ends(topics)  # in this order: what comes meanwhile is no open transaction
        for topic, partitions in topics.items():
            for partition in partitions:
                low, high = self._asked(
                    self._consumer.get_watermark_offsets, TopicPartition(topic, partition), timeout=ANSWER, cached=False
                )
                found.append(Range(topic, partition, low, high, low, high))
                self.behind += max(ends.get((topic, partition), high) - high, 0)
        return found

    def offsets_at(self, ranges: Sequence[Range], moment_ms: int) -> list[int]:
        """For each partition the first offset whose message is of that time or later; behind the last, if there is none."""
        asked = [TopicPartition(one.topic, one.partition, moment_ms) for one in ranges]
        found = self._asked(self._consumer.offsets_for_times, asked, timeout=ANSWER)
        return [one.high if got.offset < 0 else got.offset for one, got in zip(ranges, found, strict=True)]

    def _ends(self, topics: Mapping[str, list[int]]) -> dict[tuple[str, int], int]:
        """Ends of the log, open transactions and all; empty where this cannot be asked."""
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        asked = {TopicPartition(topic, one): latest for topic, partitions in topics.items() for one in partitions}
        level = IsolationLevel.READ_UNCOMMITTED
        try:
            admin = AdminClient({**self._settings, "log_level": 0})
            answers = admin.list_offsets(asked, isolation_level=level, request_timeout=SHORT_ANSWER)
            return {(one.topic, one.partition): answer.result(SHORT_ANSWER).offset for one, answer in answers.items()}
        except (KafkaException, TimeoutError):
            return {}

    def compacted(self, topics: Sequence[str]) -> list[str] | None:
        """Those of the topics that are compacted; None where this login may not ask."""
        asked = [ConfigResource(ConfigResource.Type.TOPIC, topic) for topic in topics]
        try:
            admin = AdminClient({**self._settings, "log_level": 0})
            answers = admin.describe_configs(asked, request_timeout=SHORT_ANSWER)
            policies = {
                resource.name: one.result(SHORT_ANSWER)["cleanup.policy"].value for resource, one in answers.items()
            }
        except (KafkaException, KeyError, TimeoutError):
            return None
        return [topic for topic, policy in policies.items() if "compact" in (policy or "")]

    def read(self, ranges: Sequence[Range]) -> Iterator[list[Any]]:
        """Messages of these ranges in batches; those of one partition in order."""
        waiting = {one.place: one for one in ranges if one.start < one.stop}
        self._consumer.assign([TopicPartition(*place, one.start) for place, one in waiting.items()])
        heard = time.monotonic()
        while waiting:
            arrived = self._consumer.consume(BATCH, PAUSE)
            if not arrived and time.monotonic() > heard + IDLE:
                self._refuse(None)
            kept = self._within(arrived, waiting)
            if kept:
                yield kept
            for failed in (one for one in arrived if one.error() is not None):
                self._end(failed, waiting)
            heard = time.monotonic() if arrived else heard
        self._consumer.unassign()

    def _within(self, arrived: Sequence[Any], waiting: dict[tuple[str, int], Range]) -> list[Any]:
        """Messages before the stop of their range; a partition that reached it is let go."""
        stops = {place: one.stop for place, one in waiting.items()}
        kept, done = [], set()
        for message in arrived:
            if message.error() is not None:
                continue
            place, offset = (message.topic(), message.partition()), message.offset()
            stop = stops.get(place, 0)
            if offset < stop:
                kept.append(message)
            if offset >= stop - 1:
                done.add(place)
        self._let_go([place for place in done if place in waiting], waiting)
        return kept

    def _end(self, failed: Any, waiting: dict[tuple[str, int], Range]) -> None:
        code, place = failed.error().code(), (failed.topic(), failed.partition())
        if code == KafkaError._PARTITION_EOF and place in waiting:
            self._let_go([place], waiting)
        elif code in GONE and place in waiting:
            self._go_on_from_what_is_left(waiting[place])
        elif code in NO_RIGHTS | NO_LOGIN | ABSENT:
            self._check(failed.error(), failed.topic() or "")

    def _let_go(self, places: list[tuple[str, int]], waiting: dict[tuple[str, int], Range]) -> None:
        for place in places:
            del waiting[place]
        if places:
            self._consumer.incremental_unassign([TopicPartition(*place) for place in places])

    def _go_on_from_what_is_left(self, one: Range) -> None:
        """The log's begin moved on while it was read."""
        partition = TopicPartition(one.topic, one.partition)
        low, _ = self._asked(self._consumer.get_watermark_offsets, partition, timeout=ANSWER, cached=False)
        self.moved = True
        self._consumer.incremental_unassign([partition])
        self._consumer.incremental_assign([TopicPartition(*one.place, min(low, one.high))])

    def _asked(self, question: Any, *words: Any, **options: Any) -> Any:
        try:
            return question(*words, **options)
        except KafkaException as error:
            self._refuse(error.args[0])

    def _refuse(self, error: KafkaError | None, topic: str = "") -> NoReturn:
        """Say why this cannot be read: what the broker answered, or what the connection told meanwhile."""
        for _ in range(10):
            self._consumer.poll(0)  # lets what was told arrive
        raise refusal(self._shown, [one for one in (error, *self._told) if one is not None], topic)

    def close(self) -> None:
        """Let go of the connection."""
        self._consumer.close()


def refusal(shown: str, told: Sequence[KafkaError], topic: str = "") -> PairmarkError:
    """The sentence for what was told, the weightiest first."""
    codes = {one.code() for one in told}
    if codes & NO_RIGHTS:
        return BadRequest(
            f"{shown} does not let this login read {topic or 'the topic'}.",
            remedy="It needs the rights Read and Describe on the topic; set PAIRMARK_KAFKA_SASL_USERNAME and so on.",
        )
    if codes & NO_LOGIN:
        return BadRequest(
            f"{shown} refuses the login.",
            remedy="Check PAIRMARK_KAFKA_SECURITY_PROTOCOL, _SASL_MECHANISM, _SASL_USERNAME and _SASL_PASSWORD.",
        )
    if KafkaError._SSL in codes or any("SSL" in one.str() for one in told):
        return BadRequest(
            f"{shown} cannot be spoken to over TLS.",
            remedy="Check PAIRMARK_KAFKA_SSL_CA_LOCATION, the name in the broker's certificate, and whether that port has TLS.",
        )
    return Busy(
        f"{shown} does not answer{f' ({told[0].name()})' if told else ''}.",
        remedy="Is the broker up, its address right, and does it want TLS or a login?",
    )
