"""How to reach a Kafka cluster, and what its errors mean to us. Loaded only where Kafka carries the events."""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pairmark.errors import BadRequest, Busy

try:
    from confluent_kafka import KafkaError, KafkaException
    from confluent_kafka.admin import AdminClient
except ModuleNotFoundError as missing:
    raise BadRequest(
        f"Kafka needs the package {missing.name}, which is not installed.", remedy="Install pairmark[kafka]."
    ) from missing

ANSWER_SECONDS = 3.0
LARGEST_MESSAGE = 100_000_000
"""Bytes; larger than anything we send, so that the limit that counts is the one of the topic."""
OF_THE_EVENT = frozenset({
    KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE, KafkaError.INVALID_MSG, KafkaError.INVALID_MSG_SIZE,
    KafkaError.INVALID_RECORD,
})  # fmt: skip
"""The broker will never take this event, or one that was packed with it."""
OF_THE_TOPIC = frozenset({
    KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION, KafkaError.TOPIC_EXCEPTION,
    KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.POLICY_VIOLATION,
})  # fmt: skip
"""Nothing of this topic goes through until somebody changes something."""
_ABSENT = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION})


@dataclass
class KafkaConnection:
    """One cluster: `brokers` as host:port, several with commas; `settings` say how to log in there.

    `prefix` stands before the name of every topic and group, so that several installations can share a cluster. `trouble` is the
    last thing a client complained about since something last went well.
    """

    brokers: str
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)
    prefix: str = ""
    trouble: str | None = field(default=None, init=False)

    def client(self, kind: Callable[..., Any], **wanted: Any) -> Any:
        """A client of this kind (`Producer`, `Consumer`, `AdminClient`); settings are written with _ for the dot."""
        conf = {
            "bootstrap.servers": self.brokers,
            "client.id": "pairmark",
            "log_level": 0,
            "error_cb": self._complained,
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 1_000,
            "allow.auto.create.topics": False,
            "topic.metadata.refresh.interval.ms": 10_000,
            **{name.replace("_", "."): value for name, value in wanted.items()},
            **self.settings,
        }
        try:
            return kind(conf, logger=_silent())
        except KafkaException as error:
            named = re.search(r'property:? "([\w.]+)"', str(error))
            raise BadRequest(
                f"The settings of the connection to Kafka are not accepted{f': {named[1]}' if named else ''}.",
                remedy="See the variables PAIRMARK_KAFKA_….",
            ) from None

    def prove(self) -> None:
        """Raise `Busy` unless a broker answers now."""
        try:
            self.client(AdminClient).list_topics(timeout=ANSWER_SECONDS)
        except KafkaException as error:
            raise self.unreachable(error.args[0]) from error

    def _complained(self, error: KafkaError) -> None:
        self.trouble = words(error)

    def unreachable(self, error: KafkaError | None = None) -> Busy:
        """The sentence for a cluster that does not answer."""
        why = self.trouble or (words(error) if error else "no answer")
        return Busy(
            f"Kafka at {self.brokers} cannot be reached: {why}.",
            remedy="Nothing is lost; it goes on by itself when Kafka is up.",
        )


def _silent() -> logging.Logger:
    """Where the client's own lines go: what matters of them is told as errors, in our words."""
    logger = logging.getLogger("pairmark.kafka")
    logger.propagate = False
    logger.addHandler(logging.NullHandler()) if not logger.handlers else None
    return logger


def words(error: KafkaError) -> str:
    """What a client complains about, without the parts that only its authors understand."""
    text = re.sub(r"^.*?/bootstrap: |\(after \d+ms[^)]*\)|^\S+:\d+/\d+: ", "", error.str() or error.name())
    return " ".join(text.split()).rstrip(".:")[:300]


def about_topic(topic: str, error: KafkaError) -> str:
    """What is wrong with a topic, with its remedy."""
    if error.code() in _ABSENT:
        return f"Kafka has no topic {topic}; `pairmark topics create` makes it"
    if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        return f"this login may not use the topic {topic}"
    return f"the topic {topic} cannot be used: {words(error)}"
