"""What the mock cluster cannot show: transactions, times of the log, retention and compaction, and what an audit leaves behind."""

import confluent_kafka
import duckdb
import pytest

from pairmark.audit import audit
from pairmark.audit.consumers import Effect
from pairmark.audit.probe import probe
from pairmark.audit.sources.kafka import KafkaTopics
from pairmark.errors import BadRequest
from support.incident import TYPE, WORST
from support.incident_streams import as_messages
from support.kafka_mock import produce
from support.probed import Consumer

BEGIN = 1_763_200_000_000


def send(kafka, topic, numbers, **options):
    messages = [
        {"value": b'{"event_type": "done"}', "key": f"k{number}", "timestamp": BEGIN + number * 1_000}
        for number in numbers
    ]
    produce(kafka.bootstrap, topic, messages, **options)


def test_the_incident_and_nothing_is_left_behind(kafka):
    topic = kafka.create(3)
    produce(kafka.bootstrap, topic, as_messages(3))
    before = kafka.admin.list_topics(timeout=10).topics.keys()
    report = audit(f"kafka://{kafka.bootstrap}/{topic}")
    assert report.totals["duplicates"] == 94
    assert report.findings[0].key == {"aggregate": WORST, "type": TYPE}
    assert (report.findings[0].span_seconds, report.limits, report.odd) == (5.994797, [], {})
    assert kafka.admin.list_consumer_groups(request_timeout=10).result().valid == []
    made = kafka.admin.list_topics(timeout=10).topics.keys() - before
    assert made <= {"__consumer_offsets"}, "which Kafka makes for whoever asks for a group's coordinator first"


def test_from_and_to_are_times_of_the_log(kafka):
    topic = kafka.create(2)
    send(kafka, topic, range(60))
    address = f"kafka://{kafka.bootstrap}/{topic}"
    assert audit(f"{address}?from=2025-11-15T09:46:50Z&to=2025-11-15T09:47:05Z").totals["events"] == 15
    assert audit(f"{address}?from=2025-11-15T10:46:50%2B01:00").totals["events"] == 50


def test_an_aborted_transaction_and_an_open_one_are_not_told_and_it_is_said(kafka):
    topic = kafka.create(1)
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": kafka.bootstrap, "transactional.id": f"of-{topic}", "log_level": 0}
    )
    producer.init_transactions(30)
    for end in (producer.commit_transaction, producer.abort_transaction, None):
        producer.begin_transaction()
        for _ in range(2):
            producer.produce(topic, b'{"event_type": "done"}', key=b"k")
        producer.flush(30)
        if end is not None:
            end(30)
    report = audit(f"kafka://{kafka.bootstrap}/{topic}")
    producer.abort_transaction(30)
    assert report.totals["events"] == 2
    behind, within = report.limits
    assert "2 offsets" in behind
    assert "behind a transaction that is still open" in behind
    assert "4 offsets within the bounds hold no message that can be read: marks of transactions" in within


@pytest.mark.parametrize(("policy", "verdict"), [("delete", "clean"), ("compact", "undetermined")])
def test_where_messages_are_missing_the_policy_of_the_topic_decides_what_that_proves(kafka, policy, verdict):
    topic = kafka.create(1, cleanup_policy=policy)
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": kafka.bootstrap, "transactional.id": f"of-{topic}", "log_level": 0}
    )
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, b'{"event_type": "done"}', key=b"k")
    producer.commit_transaction(30)
    report = audit(f"kafka://{kafka.bootstrap}/{topic}")
    assert (report.totals["events"], report.verdict) == (1, verdict)
    assert (policy == "compact") == ("only the last is sure to be there" in report.limits[0])


def test_what_retention_has_taken_is_unknown(kafka):
    topic = kafka.create(1)
    send(kafka, topic, range(10))
    delete(kafka, topic, 4)
    address = f"kafka://{kafka.bootstrap}/{topic}"
    report = audit(address)
    assert (report.totals["events"], report.verdict) == (6, "clean")
    assert f"{topic}[0] at offset 4 (2025-11-15T09:46:44.000+00:00): what came before is unknown" in report.limits[0]
    assert audit(f"{address}?from=2025-11-15T09:46:00Z").verdict == "undetermined"
    assert audit(f"{address}?from=2025-11-15T09:46:46Z").verdict == "clean"


def test_what_goes_while_it_is_read_is_told(kafka):
    topic = kafka.create(1)
    send(kafka, topic, [*range(10), *range(10)])
    source = KafkaTopics(f"kafka://{kafka.bootstrap}/{topic}")
    names = source.columns()
    with duckdb.connect() as store:
        delete(kafka, topic, 4)
        source.load(store, names)
        assert store.execute("SELECT count(*) FROM raw").fetchone() == (16,)
        delete(kafka, topic, 8)
        source.look_closer(store, names, ["kafka_key"], [["k7"]])
        assert store.execute("SELECT count(*) FROM near").fetchone() == (1,)
    reach = source.reach()
    source.close()
    assert not reach.conclusive
    assert any("4 offsets" in one and "retention took messages while they were read" in one for one in reach.limits)
    assert any("1 messages of the findings were gone at the second look" in one for one in reach.limits)


def delete(kafka, topic, before):
    gone = confluent_kafka.TopicPartition(topic, 0, before)
    for done in kafka.admin.delete_records([gone], operation_timeout=20).values():
        done.result(30)


@pytest.mark.soak
def test_the_broker_of_the_tests_keeps_what_it_acknowledged_when_it_is_killed(kafka_of_its_own):
    topic = kafka_of_its_own.create(1)
    send(kafka_of_its_own, topic, range(10), acks="all")
    kafka_of_its_own.kill()
    kafka_of_its_own.start()
    assert audit(f"kafka://{kafka_of_its_own.bootstrap}/{topic}").totals["events"] == 10
    kafka_of_its_own.stop()


def test_a_probe_asks_what_the_brokers_call_themselves(kafka, tmp_path):
    """The first broker is here; where it sends its clients decides. 127.1 is reached, and written in no known way."""
    topic = kafka.create(1)
    effect = Effect("effect", Consumer(tmp_path, "never").address, "fact")
    address = f"kafka://{kafka.elsewhere}/{topic}"
    with pytest.raises(BadRequest, match=r"^127\.1 is not this machine"):
        probe(address, effect, pause=lambda _: None)
    found = probe(address, effect, pause=lambda _: None, allow=["127.1"])
    assert (found.verdict, sum(one.accepted for one in found.ways)) == ("undetermined", 25)
