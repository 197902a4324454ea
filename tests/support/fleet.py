"""A database and a Kafka that services share: requests from a client that is not ours, counts by a consumer that is not ours."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, LiteralString
from urllib.parse import quote, urlencode
from uuid import UUID, uuid4

import pytest
from psycopg.conninfo import conninfo_to_dict

from pairmark.audit.selfcheck import self_check
from pairmark.clock import SystemClock
from pairmark.errors import Busy
from pairmark.events.catalogue import (
    AssessmentCompleted,
    AssessmentRequested,
    ComparisonResult,
    ResourceConsumed,
    ResultPublished,
)
from pairmark.judges.spec import parse_judge
from pairmark.messaging import road
from pairmark.messaging.kafka_connection import KafkaConnection
from pairmark.messaging.kafka_out import KafkaTransport
from pairmark.storage.connection import Database, execute
from pairmark.storage.texts import TextStore
from support.command import Pairmark
from support.invariants import violations
from support.kafka_mock import produce
from support.sizes import size

if TYPE_CHECKING:
    from pathlib import Path

QUICK = {"session.timeout.ms": "1500", "heartbeat.interval.ms": "300"}
"""A member that dies in a test is missed soon."""
UNDER_WAY = """
SELECT 1 FROM assessment.event_outbox WHERE published_at IS NULL
UNION ALL SELECT 1 FROM lifecycle.event_outbox WHERE published_at IS NULL
UNION ALL SELECT 1 FROM judging.event_outbox WHERE published_at IS NULL
UNION ALL SELECT 1 FROM entitlements.event_outbox WHERE published_at IS NULL
UNION ALL SELECT 1 FROM entitlements.reservation WHERE state = 'open'
UNION ALL SELECT 1 FROM assessment.batch b WHERE NOT EXISTS (SELECT FROM results.outcome o WHERE o.job_id = b.id::text)
UNION ALL SELECT 1 FROM assessment.held_message LIMIT 1
"""
ENDS = (AssessmentCompleted.topic, ResultPublished.topic, ResourceConsumed.topic)
JUDGE = "simulated:sd=1,seed=3"


@dataclass
class Fleet:
    """One installation over Kafka, and what is asked of it."""

    database: Database
    connection: KafkaConnection
    batches: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The database's address as a worker is given it."""
        parts = {name: str(value) for name, value in conninfo_to_dict(self.database.conninfo).items()}
        name, user = parts.pop("dbname"), parts.pop("user")
        return f"postgresql://{quote(user)}@/{quote(name)}?{urlencode(parts)}"

    def command(self, home: Path) -> Pairmark:
        """The installed command, set up for this installation by its environment."""
        brokers, prefix = self.connection.brokers, self.connection.prefix
        return Pairmark(home, PAIRMARK_DATABASE=self.url, PAIRMARK_KAFKA=brokers, PAIRMARK_TOPIC_PREFIX=prefix)

    def order(self, journal: Path, **more: Any) -> dict[str, Any]:
        """What the nursery's workers are told."""
        return {
            "conninfo": self.database.conninfo, "journal": journal, "kafka": self.connection.brokers,
            "prefix": self.connection.prefix, "batches": len(self.batches), "settings": QUICK, **more,
        }  # fmt: skip

    def request(self, number: int = 1, essays: int = 4, **design: Any) -> None:
        """Send requests as any client may: bytes on the topic, texts in the store."""
        spec = parse_judge(design.pop("judge", JUDGE))
        wanted = {"judge": spec.canonical, "judge_digest": spec.digest, "comparisons_per_essay": 3} | design
        texts = self._stored([f"Essay {one} speaks for itself." for one in range(essays)])
        messages = []
        for _ in range(number):
            batch = f"client-{uuid4()}"
            self.batches.append(batch)
            data = {
                "event_name": AssessmentRequested.topic, "entity_id": batch, "entity_type": "batch", "user_id": "local",
                "essays_for_cj": [{"essay_id": f"e{one}", "text_storage_id": text} for one, text in enumerate(texts)],
                "language": "en", "course_code": "eng5", "system_metadata": {"entity_id": batch}, "design": wanted,
            }  # fmt: skip
            messages.append({"value": json.dumps(enveloped(AssessmentRequested.topic, data)), "key": batch})
        self.produce(AssessmentRequested.topic, messages)

    def _stored(self, texts: list[str]) -> list[str]:
        """Ids of these texts in the store; a connection that broke meanwhile is replaced."""
        try:
            return TextStore(self.database).put(texts)
        except Busy:
            return TextStore(self.database).put(texts)

    def produce(self, topic: str, messages: list[dict[str, Any]]) -> None:
        """Send anything to a topic."""
        settings = {"enable.idempotence": True, "message.max.bytes": 100_000_000}
        produce(self.connection.brokers, self.connection.prefix + topic, messages, **settings)

    def ended(self) -> int:
        """Batches that have ended."""
        return int(self.rows("SELECT count(*) FROM assessment.batch WHERE finished_at IS NOT NULL")[0][0])

    def rows(self, query: LiteralString) -> list[Any]:
        """What the database says."""
        with self.database.connect() as connection:
            return execute(connection, query)

    def under_way(self) -> bool:
        """Whether anything is still to be sent, handled, asked or settled."""
        return bool(self.rows(UNDER_WAY))

    def broken_promises(self) -> list[str]:
        """What the log of Kafka and our own tables say against us; empty when all is as promised."""
        found = [*violations(self.database), *map(str, self_check(self.database).findings)]
        jobs = self._jobs()
        found += [f"{len(self.batches)} requests, {len(jobs)} batches"] if len(jobs) != len(self.batches) else []
        for topic in ENDS:
            told = self.log(topic)
            ids = {job: {event for event, _ in events} for job, events in told.items()}
            found += [
                f"{topic} of {job} has {len(ids.get(job, ()))} events" for job in jobs if len(ids.get(job, ())) != 1
            ]
            found += [f"{topic} of {job}, which is no batch" for job in told if job not in jobs]
            found += [
                f"{topic} of {job} was not sent as the same bytes again"
                for job, events in told.items()
                if len(set(events)) > 1
            ]
        answers = Counter(event for events in self.log(ComparisonResult.topic).values() for event, _ in set(events))
        found += [f"{event} stands for {number} answers" for event, number in answers.items() if number > 1]
        return found

    def _jobs(self) -> set[str]:
        with self.database.connect() as connection:
            return {str(row[0]) for row in execute(connection, "SELECT id FROM assessment.batch")}

    def log(self, topic: str) -> dict[str, list[tuple[str, bytes]]]:
        """Every message of a topic from its start, by key: id and bytes. Read without a word of our own code."""
        from confluent_kafka import Consumer, TopicPartition  # noqa: PLC0415 - needs the extra

        name = self.connection.prefix + topic
        settings = {"enable.auto.commit": False, "enable.partition.eof": True, "auto.offset.reset": "earliest"}
        login = {"bootstrap.servers": self.connection.brokers, "group.id": f"count-{uuid4()}", "log_level": 0}
        consumer = Consumer(settings | login)
        partitions = consumer.list_topics(name, 10).topics[name].partitions
        consumer.assign([TopicPartition(name, number, 0) for number in partitions])
        told, open_ones = defaultdict(list), set(partitions)
        while open_ones:
            for message in consumer.consume(500, 0.2):
                if message.error() is not None:
                    open_ones.discard(message.partition())
                    continue
                told[message.key().decode()].append((json.loads(message.value())["event_id"], message.value()))
        consumer.close()
        return told


def enveloped(topic: str, data: dict[str, Any], identity: UUID | None = None) -> dict[str, Any]:
    """An envelope as another service writes it."""
    return {
        "event_id": str(identity or uuid4()), "event_type": topic, "event_timestamp": "2026-01-05T09:00:00Z",
        "source_service": "a-client", "schema_version": 1, "correlation_id": str(uuid4()), "data": data,
    }  # fmt: skip


def over(connection: KafkaConnection, database: Database) -> Fleet:
    """An installation whose events go over this cluster."""
    transport = KafkaTransport(connection, SystemClock())
    road.take_kafka(database, transport, SystemClock())
    transport.close()
    return Fleet(database, connection)


@pytest.fixture(params=size([12], [1, 12]), ids="{}-partitions".format)
def fleet(request: pytest.FixtureRequest, database: Database) -> Fleet:
    """An installation over a real Kafka, with twelve partitions to a topic; at full size with one, too."""
    from support.roads import cluster_of  # noqa: PLC0415

    return over(cluster_of(request, "kafka", request.param), database)
