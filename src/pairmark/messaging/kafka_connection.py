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
LOGIN_REFUSED = frozenset({
    KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED, KafkaError.UNSUPPORTED_SASL_MECHANISM,
})  # fmt: skip
"""Waiting does not help: somebody must change a name, a password or a setting."""
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
    _refused: BadRequest | None = field(default=None, init=False, repr=False)

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

    def group(self, name: str) -> str:
        """What a consumer group is called there."""
        return f"{self.prefix}pairmark.{name}"

    def prove(self) -> None:
        """Raise `Busy` unless a broker answers now, and `BadRequest` where the login or the certificate is refused."""
        self._refused = None
        client = self.client(AdminClient)
        try:
            client.list_topics(timeout=ANSWER_SECONDS)
        except KafkaException as error:
            for _ in range(10):
                client.poll(0)  # lets what was complained about arrive
            raise self._refused or self.unreachable(error.args[0]) from error

    def _complained(self, error: KafkaError) -> None:
        """Remember it; that all brokers are down is said after each complaint that says why."""
        if error.code() != KafkaError._ALL_BROKERS_DOWN or self.trouble is None:
            self.trouble = words(error)
        if error.code() in LOGIN_REFUSED:
            self._refused = BadRequest(
                f"Kafka at {self.brokers} refuses the login: {words(error)}.",
                remedy="Check PAIRMARK_KAFKA_SECURITY_PROTOCOL, _SASL_MECHANISM, _SASL_USERNAME and _SASL_PASSWORD.",
            )
        elif error.code() == KafkaError._SSL and "certificate verify failed" in error.str():
            self._refused = BadRequest(
                f"Kafka at {self.brokers} shows a certificate that is not trusted here.",
                remedy="Set PAIRMARK_KAFKA_SSL_CA_LOCATION to the certificates to trust, in a PEM file.",
            )

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
