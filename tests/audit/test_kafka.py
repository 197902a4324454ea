"""Topics of Kafka as a source, on the mock cluster of librdkafka."""

import json
import sys
import time

import duckdb
import pytest

from pairmark.audit import audit
from pairmark.audit.columns import recognise
from pairmark.audit.sources import kafka_log
from pairmark.audit.sources.address import open_source
from pairmark.audit.sources.kafka import KafkaTopics
from pairmark.errors import BadRequest, Busy, PairmarkError
from support.kafka_mock import COMMIT, FETCH, JOIN, TOPIC_DENIED, produce


def event(aggregate: str, number: int, **more: object) -> dict[str, object]:
    body = {
        "event_id": f"id-{number}",
        "event_type": "done",
        "event_timestamp": f"2025-11-15T18:59:{number % 60:02d}.000001Z",
        "correlation_id": "c",
        "data": {"entity_id": aggregate, "score": number},
    }
    return {"value": json.dumps(body | more), "key": aggregate}


@pytest.fixture
def topic(mock_kafka):
    """Make a topic of these messages; its address."""

    def make(*messages, partitions=1, name="events", **settings):
        mock_kafka.create(name, partitions)
        produce(mock_kafka.bootstrap, name, messages, **settings)
        return f"kafka://{mock_kafka.bootstrap}/{name}"

    return make


def test_every_partition_is_read_to_its_end_and_the_envelope_recognised(topic):
    messages = [event(f"a-{number}", number) | {"partition": number % 7} for number in range(3_000)]
    report = audit(topic(*messages, *messages[:2], partitions=7))
    assert (report.totals["events"], report.totals["facts"], report.limits, report.odd) == (3_002, 3_000, [], {})
    assert report.columns == {
        "aggregate": "data.entity_id", "type": "event_type", "time": "event_timestamp", "id": "event_id",
        "payload": "kafka_value", "published": "kafka_position", "key": "kafka_key", "correlation": "correlation_id",
    }  # fmt: skip
    assert [(one.ids, one.published, one.payload["verdict"]) for one in report.findings] == [
        ("all the same", 2, "same")
    ] * 2


def test_a_redelivery_has_the_id_of_the_first_and_a_duplicate_has_its_own(topic):
    again = [event("again", 1)] * 3
    anew = [event("anew", number) for number in range(2, 5)]
    found = {one.key["aggregate"]: one for one in audit(topic(*again, *anew)).findings}
    assert (found["again"].ids, found["anew"].ids) == ("all the same", "each its own")
    assert found["anew"].payload == {"verdict": "different", "compared": 3, "fields": ["data.score"]}


def test_what_arrives_later_is_not_looked_at(topic, mock_kafka):
    source = KafkaTopics(topic(*[event("a", number) for number in range(5)]))
    names = source.columns()
    produce(mock_kafka.bootstrap, "events", [event("late", number) for number in range(50)])
    with duckdb.connect() as store:
        source.load(store, names)
        assert store.execute('SELECT count(*), count(DISTINCT "data.entity_id") FROM raw').fetchone() == (5, 1)
    source.close()


def test_nothing_is_committed_and_no_group_joined(topic, mock_kafka):
    address = topic(*[event("a", number) for number in range(5)])
    with mock_kafka.watched() as requests:
        audit(address)
    assert FETCH in requests
    assert not {COMMIT, JOIN} & set(requests)


ODD = [
    ({"value": None, "key": "a"}, {"tombstones (messages without a body)": 1}),
    ({"value": b"\xff\xfe no text", "key": b"\xff"}, {"messages whose body is no JSON object": 1}),
    ({"value": b"[1, 2]", "key": "k"}, {"messages whose body is no JSON object": 1}),
    ({"value": b"", "key": "k"}, {"messages whose body is no JSON object": 1}),
    ({"value": b"[" * 100_000, "key": "k"}, {"messages whose body is no JSON object": 1}),
]


@pytest.mark.parametrize(("message", "odd"), ODD)
def test_what_is_no_event_is_counted_aloud(topic, message, odd):
    report = audit(topic(event("a", 1), message, event("a", 2)), columns={"aggregate": "data.entity_id"})
    unread = {"without aggregate": 1} if message["value"] is not None else {}
    assert (report.totals["events"], report.odd) == (2, unread | odd)


def test_strange_bodies_are_read(topic):
    framed = b"\x00\x00\x00\x00\x07" + json.dumps({"event_type": "done", "entity_id": "a"}).encode()
    not_a_number = b'{"event_type": "done", "entity_id": "a", "score": NaN}'
    half_a_pair = b'{"event_type": "done", "entity_id": "a", "name": "\\ud83d", "nul": "\\u0000"}'
    numbers = b'{"event_type": "done", "entity_id": 17, "deep": {"er": {"and": {"deeper": {"still": 1}}}}}'
    flat = b'{"event_type": "done", "entity_id": {"not": "text"}, "deep": 3}'
    bodies = [framed, not_a_number, half_a_pair, numbers, flat]
    report = audit(topic(*[{"value": one} for one in bodies]))
    assert report.totals["aggregates"] == 3
    assert report.odd == {}
    everything = audit(topic(*[{"value": one} for one in bodies], name="two"), unique_on=["aggregate", "payload"])
    assert everything.totals["facts"] == 5


def test_headers_name_the_event_where_the_body_has_an_id_and_a_type_of_its_own(topic):
    messages = [
        {"value": json.dumps({"id": "essay-1", "type": "essay", "batch_id": "b", "event_type": "not this"}),
         "headers": {"ce_id": str(number), "ce_type": "done", "ce_time": f"2025-11-15T10:00:0{number}Z", "event_type": "done",
                     "unreadable": b"\xff"}}
        for number in range(3)
    ]  # fmt: skip
    report = audit(topic(*messages))
    assert {part: report.columns[part] for part in ("aggregate", "type", "time", "id")} == {
        "aggregate": "batch_id", "type": "event_type", "time": "ce_time", "id": "ce_id"
    }  # fmt: skip
    (found,) = report.findings
    assert (found.key, found.ids, found.span_seconds) == ({"aggregate": "b", "type": "done"}, "each its own", 2.0)


def test_a_body_is_only_preferred_to_a_header_that_never_contradicts_it(topic):
    bare = {"value": b'{"data": {"entity_id": "a"}}', "headers": {"event_type": "done"}}
    report = audit(topic(event("a", 1) | {"headers": {"event_type": "done"}}, bare))
    assert report.findings[0].key == {"aggregate": "a", "type": "done"}


def test_topics_without_json_are_told_by_key_and_topic(topic, mock_kafka):
    first = topic({"value": b"\x01\x02", "key": "k", "timestamp": 1_763_233_183_007}, name="one")
    produce(mock_kafka.bootstrap, "two", [{"value": b"\x01", "key": "k"}, {"value": b"\x01", "key": "k"}])
    report = audit(f"{first},two")
    assert report.columns["type"] == "kafka_topic"
    assert [one.key for one in report.findings] == [{"aggregate": "k", "type": "two"}]
    assert audit(first).totals["events"] == 1
    assert audit(f"kafka://{mock_kafka.bootstrap}/t*,o*").totals["events"] == 3


def test_only_the_offsets_that_are_asked_for(topic):
    address = topic(*[event("a", number) for number in range(30)])
    assert audit(f"{address}?from=10&to=25").totals["events"] == 15
    assert audit(f"{address}?to=1000").totals["events"] == 30
    assert audit(f"{address}?from=30").verdict == "undetermined"


def test_where_the_log_begins_is_said_and_clean_only_if_no_more_was_asked_for(topic):
    """The mock keeps 5 MB of a partition, as retention does in the large."""
    large = [event(f"a-{number}", number, filling="x" * 400_000) for number in range(20)]
    address = topic(*large, **{"message.max.bytes": 1_000_000, "linger.ms": 0, "batch.num.messages": 1})
    report = audit(address)
    assert 0 < report.totals["events"] < 20
    begin = 20 - report.totals["events"]
    (said,) = report.limits
    assert f"events[0] at offset {begin}" in said
    assert "unknown, not clean" in said
    assert report.verdict == "clean"
    assert audit(f"{address}?from={begin}").verdict == "clean"
    assert audit(f"{address}?from={begin}").limits == []
    more = audit(f"{address}?from={begin - 1}")
    assert more.verdict == "undetermined"
    assert "nothing is proven" in more.next_steps[0]


def test_a_topic_this_login_may_not_read(topic, mock_kafka):
    address = topic(event("a", 1))
    mock_kafka.fail_topic("events", TOPIC_DENIED)
    with pytest.raises(BadRequest, match="does not let this login read events"):
        audit(address)


def test_a_topic_that_may_be_seen_and_not_read(topic, mock_kafka):
    address = topic(event("a", 1))
    mock_kafka.fail_next(FETCH, *[TOPIC_DENIED] * 20)
    with pytest.raises(BadRequest, match="does not let this login read events"):
        audit(address)


def test_a_missing_topic_is_refused_with_the_closest(topic):
    address = topic(event("a", 1))
    with pytest.raises(BadRequest, match=r"has no topic .*closest are events"):
        audit(address.replace("/events", "/evnets*"))


def test_a_broker_that_is_down_is_told_within_bounded_time(topic, mock_kafka, monkeypatch):
    monkeypatch.setattr(kafka_log, "ANSWER", 0.5)
    address = topic(event("a", 1))
    mock_kafka.go_down()
    begin = time.monotonic()
    with pytest.raises(Busy, match="does not answer"):
        audit(address)
    assert time.monotonic() - begin < 10


def test_a_broker_that_goes_down_meanwhile_is_told_within_bounded_time(topic, mock_kafka, monkeypatch):
    monkeypatch.setattr(kafka_log, "IDLE", 0.5)
    source = KafkaTopics(topic(*[event("a", number) for number in range(5)]))
    source.columns()
    mock_kafka.go_down()
    with duckdb.connect() as store, pytest.raises(Busy, match="does not answer"):
        source.load(store, ["event_type"])
    source.close()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("kafka://host:9092", ["lacks a topic", "kafka://host:9092/topic"]),
        ("kafka:///topic", ["lacks a broker"]),
        ("kafka://host/topic?since=1", ["does not know since"]),
        ("kafka://host/topic?from=yesterday", ["'yesterday'", "neither an offset nor a time"]),
        ("kafka://me:hush@host/topic", ["PAIRMARK_KAFKA_SASL_PASSWORD"]),
    ],
)
def test_addresses_that_cannot_be_right_are_refused(address, words):
    with pytest.raises(PairmarkError) as refused:
        open_source(address)
    assert "hush" not in str(refused.value)
    for word in words:
        assert word in str(refused.value)


SETTINGS = [
    ("PAIRMARK_KAFKA_SECURITY_PROTOCOL", "hush", "not accepted"),
    ("PAIRMARK_KAFKA_SASL_NONSENSE", "hush", "sasl.nonsense"),
    ("PAIRMARK_KAFKA_GROUP_ID", "hush", "PAIRMARK_KAFKA_GROUP_ID is no setting"),
]


@pytest.mark.parametrize(("name", "value", "word"), SETTINGS)
def test_settings_come_from_the_environment_and_are_never_shown(topic, monkeypatch, name, value, word):
    address = topic(event("a", 1))
    monkeypatch.setenv("PAIRMARK_KAFKA_CLIENT_ID", "auditor")
    assert audit(address).verdict == "clean"
    monkeypatch.setenv(name, value)
    with pytest.raises(BadRequest) as refused:
        audit(address)
    assert word in str(refused.value)
    assert value not in str(refused.value)


def test_a_port_without_tls_is_told_as_such(topic, monkeypatch):
    monkeypatch.setattr(kafka_log, "ANSWER", 2.0)
    address = topic(event("a", 1))
    monkeypatch.setenv("PAIRMARK_KAFKA_SECURITY_PROTOCOL", "ssl")
    with pytest.raises(BadRequest, match=r"cannot be spoken to over TLS.*PAIRMARK_KAFKA_SSL_CA_LOCATION"):
        audit(address)


def test_a_login_that_is_refused_is_told_without_its_password(topic, monkeypatch):
    monkeypatch.setattr(kafka_log, "ANSWER", 2.0)
    address = topic(event("a", 1))
    login = {
        "SECURITY_PROTOCOL": "sasl_plaintext",
        "SASL_MECHANISM": "PLAIN",
        "SASL_USERNAME": "me",
        "SASL_PASSWORD": "hush",
    }
    for name, value in login.items():
        monkeypatch.setenv(f"PAIRMARK_KAFKA_{name}", value)
    with pytest.raises(BadRequest, match=r"refuses the login.*_SASL_USERNAME") as refused:
        audit(address)
    assert "hush" not in str(refused.value)


class Clock:
    """Says what time it is said to be."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


def test_a_slow_reader_is_not_taken_for_a_silent_broker(topic, mock_kafka, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(kafka_log, "time", clock)
    monkeypatch.setattr(kafka_log, "PAUSE", 0.05)
    messages = [event("a", number) for number in range(4)]
    address = topic(*messages, **{"batch.num.messages": 1, "linger.ms": 0, "max.in.flight": 1})
    log = kafka_log.TopicLog(
        address.split("/")[2], "it", {"max.partition.fetch.bytes": "300", "queued.min.messages": "1"}
    )
    ranges, batches = log.ranges(log.topics(["events"])), 0
    mock_kafka.answer_after(400)
    for _ in log.read(ranges):
        clock.now += 10 * kafka_log.IDLE
        batches += 1
    log.close()
    assert batches > 1, "there must have been a wait between batches"


def test_an_id_in_a_body_is_none_of_the_event():
    found = recognise(
        ["event_type", "data.id", "data.type", "data.created_at", "data.entity_id", "kafka_key"], {}, "it"
    )
    assert found.named() == {"aggregate": "data.entity_id", "type": "event_type", "key": "kafka_key"}


def test_a_topic_of_framed_bodies_has_their_columns(topic):
    framed = b"\x00\x00\x00\x00\x07" + json.dumps({"event_type": "done", "entity_id": "a"}).encode()
    report = audit(topic({"value": framed}, {"value": framed}))
    assert report.findings[0].key == {"aggregate": "a", "type": "done"}
    assert report.odd == {}


def test_without_the_client_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    for name in [one for one in sys.modules if one.startswith("pairmark.audit.sources.kafka")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(BadRequest, match=r"package confluent_kafka.*pairmark\[kafka\]"):
        open_source("kafka://host/topic")
