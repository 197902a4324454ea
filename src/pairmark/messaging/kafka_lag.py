"""How many messages each group has still to deal with on Kafka: asked of the cluster, joining and committing nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from pairmark.messaging.kafka_connection import KafkaConnection

ANSWER_SECONDS = 5.0
Place = tuple[str, int]


def behind(connection: KafkaConnection, groups: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """For each group the messages on its topics that it has not acknowledged. Raises `Busy` when the cluster does not answer."""
    admin = connection.client(AdminClient)
    names = {connection.prefix + topic for topics in groups.values() for topic in topics}
    try:
        known = admin.list_topics(timeout=ANSWER_SECONDS).topics
        places = [(name, number) for name in sorted(names & known.keys()) for number in known[name].partitions]
        begins, ends = (_offsets(admin, places, of) for of in (OffsetSpec.earliest(), OffsetSpec.latest()))  # type: ignore[no-untyped-call]
        return {
            group: sum(
                max(ends[place] - max(done.get(place, 0), begins[place]), 0)
                for place in places
                if place[0].removeprefix(connection.prefix) in topics
            )
            for group, topics in groups.items()
            for done in [_acknowledged(admin, connection.group(group))]
        }
    except (KafkaException, TimeoutError) as error:
        raise connection.unreachable(error.args[0] if isinstance(error, KafkaException) else None) from error


def _offsets(admin: Any, places: Sequence[Place], of: OffsetSpec) -> dict[Place, int]:
    asked = {TopicPartition(*place): of for place in places}
    if not asked:
        return {}
    answers = admin.list_offsets(asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=ANSWER_SECONDS)
    return {(one.topic, one.partition): answer.result(ANSWER_SECONDS * 2).offset for one, answer in answers.items()}


def _acknowledged(admin: Any, group: str) -> dict[Place, int]:
    """Offsets that a group has committed; a group that never was has none."""
    asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=ANSWER_SECONDS)
    found = asked[group].result(ANSWER_SECONDS * 2)
    return {(one.topic, one.partition): one.offset for one in found.topic_partitions if one.offset >= 0}
