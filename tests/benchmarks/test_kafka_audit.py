"""The audit of a topic of Kafka, beside consuming the same messages and doing nothing with them; the broker is another process."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import confluent_kafka
import duckdb
import pytest

from pairmark.audit import audit
from pairmark.audit.sources.kafka import KafkaTopics
from support.kafka_mock import MockKafka, produce

pytestmark = pytest.mark.benchmark

PARTITIONS, MESSAGES = 24, 168_000  # the mock keeps 5 MB of a partition
TYPE = "huleedu.cj_assessment.completed.v1"


def fill() -> MockKafka:
    """A topic of envelopes with headers, as they are published; every 1,000th is a duplicate."""
    cluster = MockKafka()
    cluster.create("completed", PARTITIONS)
    messages = []
    for number in range(MESSAGES):
        identity = str(UUID(int=number))
        batch = str(UUID(int=number - (number % 1_000 == 1)))
        scores = [{"essay": f"essay-{place}", "score": place / 7} for place in range(2)]
        envelope = {
            "event_id": identity, "event_type": TYPE, "event_timestamp": "2025-11-15T18:59:43.007038Z",
            "source_service": "cj", "correlation_id": identity, "schema_version": 1,
            "data": {"entity_id": batch, "status": "COMPLETE_STABLE", "rankings": scores},
        }  # fmt: skip
        headers = {"event_id": identity, "event_type": TYPE, "correlation_id": identity}
        messages.append(
            {"value": json.dumps(envelope), "key": batch, "headers": headers, "partition": number % PARTITIONS}
        )
    produce(cluster.bootstrap, "completed", messages)
    return cluster


@pytest.fixture
def address() -> Iterator[str]:
    """A topic in a broker of another process, whose work is not counted."""
    folders = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    broker = subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": folders},
    )
    assert broker.stdout is not None
    yield broker.stdout.readline().strip()
    broker.communicate("end\n")


def consume(address: str) -> int:
    """Take every message, and look at none."""
    brokers = address.split("/")[2]
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": brokers, "group.id": "bare", "enable.auto.commit": False, "enable.partition.eof": True,
         "fetch.wait.max.ms": 100, "log_level": 0}
    )  # fmt: skip
    consumer.assign([confluent_kafka.TopicPartition("completed", one, 0) for one in range(PARTITIONS)])
    number = ended = 0
    while ended < PARTITIONS:
        arrived = consumer.consume(10_000, 0.2)
        ended += sum(one.error() is not None for one in arrived)
        number += sum(one.error() is None for one in arrived)
    consumer.close()
    return number


def load(address: str) -> int:
    """Take every message, and what an audit counts by, into a table."""
    source = KafkaTopics(address)
    source.columns()
    with duckdb.connect() as store:
        source.load(store, ["data.entity_id", "event_type", "event_timestamp"])
        number = int(store.execute("SELECT count(*) FROM raw").fetchall()[0][0])
    source.close()
    return number


def whole(address: str) -> int:
    """The report."""
    return int(audit(address).totals["events"] or 0)


def a_second(way, address: str) -> float:
    """Messages a second of processor time: what one core could do."""
    begin = time.process_time()
    assert way(address) == MESSAGES
    return MESSAGES / (time.process_time() - begin)


def test_a_topic(record, address):
    runs = [[a_second(way, address) for way in (consume, load, whole)] for _ in range(3)]
    bare, reading, audited = (max(way) for way in zip(*runs, strict=True))
    against = f"consume() of the same {MESSAGES:,} messages, in {PARTITIONS} partitions of a mock broker"
    record("audit: reading a Kafka topic", reading, "messages/s per core", at_least=100_000, peer=bare, against=against)
    record("audit of a Kafka topic, with its report", audited, "messages/s per core", peer=bare, against=against)


if __name__ == "__main__":
    mock = fill()
    print(f"kafka://{mock.bootstrap}/completed", flush=True)
    sys.stdin.readline()
    mock.close()
