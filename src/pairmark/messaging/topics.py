"""The topics of Kafka that Pairmark uses: what they should be, making them, and telling what is otherwise.

No topic may be compacted: several events share the key of their batch, and only the last of them would be kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic  # type: ignore[attr-defined]

from pairmark.errors import BadRequest, Busy
from pairmark.events import catalogue as events
from pairmark.messaging.kafka_connection import KafkaConnection, words
from pairmark.messaging.transport import MAX_BODY

ANSWER_SECONDS = 15.0
DAY_MS = 24 * 3600 * 1000
PARTITIONS = 12
ENOUGH_COPIES = 3
"""With so many copies of a topic an event is to have reached two of them, and one broker may still be away."""
WEEK_MS, MONTH_MS = 7 * DAY_MS, 30 * DAY_MS
LONG_KEPT = frozenset({
    events.AssessmentCompleted.topic, events.AssessmentFailed.topic, events.ResultPublished.topic, events.ResourceConsumed.topic,
})  # fmt: skip
"""Ends of batches: kept for a month, so that a consumer that was away that long has lost nothing."""
NAMES = tuple(sorted(events.BY_TOPIC))


@dataclass(frozen=True)
class Finding:
    """What is wrong with a topic. `fatal`: events are lost or cannot pass; otherwise it is only not as documented."""

    topic: str
    problem: str
    fatal: bool


def settings(topic: str, replication: int = -1) -> dict[str, str]:
    """How a topic with so many copies is to be set up; -1: as many as the cluster makes."""
    safe = {"min.insync.replicas": "2"} if replication >= ENOUGH_COPIES else {}
    return safe | {
        "cleanup.policy": "delete",
        "retention.ms": str(MONTH_MS if topic in LONG_KEPT else WEEK_MS),
        "max.message.bytes": str(MAX_BODY + 1_000_000),
    }


def create(connection: KafkaConnection, partitions: int = PARTITIONS, replication: int = -1) -> dict[str, bool]:
    """Make the topics that are missing; returns for each whether it was made now. `replication` -1: as the cluster does it."""
    connection.prove()
    admin = connection.client(AdminClient)
    wanted = [
        NewTopic(connection.prefix + name, partitions, replication, config=settings(name, replication))
        for name in NAMES
    ]
    made = {}
    asked = admin.create_topics(wanted, operation_timeout=ANSWER_SECONDS, request_timeout=ANSWER_SECONDS)
    for name, future in asked.items():
        try:
            future.result(ANSWER_SECONDS * 2)
            made[name] = True
        except TimeoutError as error:
            raise connection.unreachable() from error
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise _refusal(connection, error.args[0], f"The topic {name} cannot be made") from error
            made[name] = False
    return made


def check(connection: KafkaConnection) -> list[Finding]:
    """What is missing or set up otherwise, the worst first; empty when all is as it should be."""
    connection.prove()
    admin = connection.client(AdminClient)
    try:
        known = admin.list_topics(timeout=ANSWER_SECONDS).topics
    except KafkaException as error:
        raise _refusal(connection, error.args[0], "The topics cannot be listed") from error
    names = [connection.prefix + name for name in NAMES]
    found = [Finding(name, "is missing", fatal=True) for name in names if name not in known]
    there = [name for name in names if name in known]
    for name, config in zip(there, _configs(connection, admin, there), strict=True):
        partitions = known[name].partitions.values()
        found += _compare(name, settings(name.removeprefix(connection.prefix)), len(partitions), config)
        found += _safety(name, min((len(one.replicas) for one in partitions), default=0), config)
    return sorted(found, key=lambda finding: not finding.fatal)


def _configs(connection: KafkaConnection, admin: Any, names: Sequence[str]) -> list[dict[str, Any]]:
    resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
    asked = admin.describe_configs(resources, request_timeout=ANSWER_SECONDS) if resources else {}
    try:
        return [asked[one].result(ANSWER_SECONDS * 2) for one in resources]
    except TimeoutError as error:
        raise connection.unreachable() from error
    except KafkaException as error:
        raise _refusal(connection, error.args[0], "The settings of the topics cannot be read") from error


def _compare(name: str, wanted: dict[str, str], partitions: int, config: dict[str, Any]) -> list[Finding]:
    found = []
    if "compact" in config["cleanup.policy"].value:
        found.append(Finding(name, "is compacted: of the events of one batch only the last would be kept", fatal=True))
    retention = int(config["retention.ms"].value)
    if 0 <= retention < int(wanted["retention.ms"]):
        days = int(wanted["retention.ms"]) // DAY_MS
        found.append(
            Finding(name, f"keeps events for {retention / DAY_MS:.3g} days, not {days}", fatal=retention < DAY_MS)
        )
    if int(config["max.message.bytes"].value) < int(wanted["max.message.bytes"]):
        most = int(config["max.message.bytes"].value)
        found.append(
            Finding(name, f"takes events of at most {most:,} bytes; results of large batches need more", fatal=False)
        )
    if partitions < PARTITIONS:
        found.append(
            Finding(name, f"has {partitions} partitions: no more workers than that share its work", fatal=False)
        )
    return found


def _safety(name: str, copies: int, config: dict[str, Any]) -> list[Finding]:
    """What may take events away before their time."""
    found = []
    insync, most = config.get("min.insync.replicas"), config.get("retention.bytes")
    if copies > 1 and insync is not None and int(insync.value) < 2:
        found.append(
            Finding(name, f"has {copies} copies, but an event counts as sent when one of them has it and is lost with that "
                          "broker: set min.insync.replicas to 2", fatal=False)
        )  # fmt: skip
    if most is not None and int(most.value) >= 0:
        found.append(
            Finding(
                name,
                f"keeps at most {int(most.value):,} bytes a partition (retention.bytes), however short the time",
                fatal=False,
            )
        )
    return found


def _refusal(connection: KafkaConnection, error: KafkaError, what: str) -> BadRequest | Busy:
    if error.code() in (
        KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._ALL_BROKERS_DOWN, KafkaError.REQUEST_TIMED_OUT,
    ):  # fmt: skip
        return connection.unreachable(error)
    return BadRequest(f"{what}: {words(error)}.")
