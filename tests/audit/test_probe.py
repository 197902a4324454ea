"""Consumers with known faults, probed from outside: real HTTP, a topic of a mock Kafka, a real table of effects."""

import pytest

from pairmark.audit.consumers import Effect
from pairmark.audit.probe import AT_ONCE, probe
from pairmark.errors import BadRequest, Busy, PairmarkError
from support.command import Pairmark
from support.kafka_mock import TOPIC_DENIED, MockKafka
from support.probed import Consumer

EFFECTS = {
    "by fact": ([1, 1, 1, 1, 1, 1, 1], "clean", "the fact"),
    "by id": ([1, 1, 2, 1, AT_ONCE, 1, 2], "findings", "the event id"),
    "never": ([1, 2, 2, AT_ONCE, AT_ONCE, 2, 2], "findings", "none"),
    "forgets": ([1, 1, 1, None, None, 2, 2], "findings", "the fact"),
    "loses": ([0] * 7, "undetermined", "not known"),
}


@pytest.mark.parametrize("way", EFFECTS)
def test_what_a_consumer_does_is_found_from_outside(tmp_path, way):
    consumer, (effects, verdict, key) = Consumer(tmp_path, way), EFFECTS[way]

    def pause(_: float) -> None:
        consumer.forgotten = True

    with consumer.served() as target:
        found = probe(target, Effect("effect", consumer.address, "fact"), pause=pause)
    assert [one.sent for one in found.ways] == [1, 2, 2, AT_ONCE, AT_ONCE, 2, 2]
    known = [(one.effects, wanted) for one, wanted in zip(found.ways, effects, strict=True) if wanted is not None]
    assert [seen for seen, _ in known] == [wanted for _, wanted in known], found
    assert (found.verdict, found.key) == (verdict, key)
    assert any("forgotten" in line for line in found.says) == (way == "forgets")


def test_one_that_looks_first_and_writes_then_holds_only_one_after_the_other(tmp_path):
    consumer = Consumer(tmp_path, "looks first")
    with consumer.served() as target:
        found = probe(target, Effect("effect", consumer.address, "fact"), pause=lambda _: None)
    assert [one.effects for one in found.ways] == [1, 1, 1, AT_ONCE, AT_ONCE, 1, 1]
    assert any("it looks first and writes then" in line for line in found.says)


def test_nothing_is_sent_to_another_machine_unless_it_is_allowed(tmp_path):
    consumer = Consumer(tmp_path, "never")
    for host in ("192.0.2.7", "example.org", "127.0.0.1.example.org"):
        with pytest.raises(BadRequest, match=f"--allow {host}"):
            probe(f"http://{host}/", Effect("effect", consumer.address, "fact"), pause=lambda _: None)
    for target in (
        "ftp://127.0.0.1/",
        "127.0.0.1",
        "http://",
        "http://[::1/",
        "http://127.0.0.1:port/",
        "ftp://ada:secret@h/",
    ):
        with pytest.raises(BadRequest, match=r"^(?!.*secret).* is no endpoint and no topic"):
            probe(target, Effect("effect", consumer.address, "fact"), pause=lambda _: None)
    with pytest.raises(Busy, match="cannot be reached"):
        probe("http://localhost:1/", Effect("effect", consumer.address, "fact"), pause=lambda _: None)


@pytest.fixture
def kafka():
    cluster = MockKafka()
    cluster.create("events")
    yield cluster
    cluster.close()


@pytest.mark.parametrize("way", ["by fact", "by id", "never", "forgets"])
def test_what_a_consumer_of_a_topic_does_is_found_from_outside(tmp_path, kafka, way):
    consumer, (effects, verdict, key) = Consumer(tmp_path, way), EFFECTS[way]
    with consumer.reading(kafka.bootstrap, "events") as reading:

        def pause(_: float) -> None:
            reading.caught_up()
            consumer.forgotten = True

        target = f"kafka://{kafka.bootstrap}/events"
        found = probe(target, Effect("effect", consumer.address, "fact"), pause=pause)
    assert found.target == target
    assert [one.sent for one in found.ways] == [one.accepted for one in found.ways] == [1, 2, 2, AT_ONCE, AT_ONCE, 2, 2]
    known = [(one.effects, wanted) for one, wanted in zip(found.ways, effects, strict=True) if wanted is not None]
    assert [seen for seen, _ in known] == [wanted for _, wanted in known], found
    assert (found.verdict, found.key) == (verdict, key)
    assert {one["event_type"] for one in reading.headers} == {"pairmark.probe"}
    assert reading.headers[0]["event_id"] == f"{found.ways[0].fact}-0"


def test_a_topic_elsewhere_is_not_written_to(tmp_path, kafka):
    effect = Effect("effect", Consumer(tmp_path, "never").address, "fact")

    def refused(target: str, said: str, error: type[Exception] = BadRequest, **options: object) -> None:
        with pytest.raises(error, match=said):
            probe(target, effect, pause=lambda _: None, **options)

    refused("kafka://192.0.2.7:9092/events", "--allow 192.0.2.7")
    refused(f"kafka://{kafka.bootstrap},192.0.2.7:9092/events", "--allow 192.0.2.7")
    refused(f"kafka://user@{kafka.bootstrap}/events", "login does not belong")
    refused(f"kafka://{kafka.bootstrap}/", "lacks a topic")
    refused(f"kafka://{kafka.bootstrap}/events,others", "one topic")
    refused(f"kafka://{kafka.bootstrap}/events?from=5", "one topic")
    refused(f"kafka://{kafka.bootstrap}/others", "others is not there")
    kafka.fail_topic("events", TOPIC_DENIED)
    refused(f"kafka://{kafka.bootstrap}/events", "did not take the message|is not there", PairmarkError)


def test_the_command(tmp_path):
    consumer = Consumer(tmp_path, "by id")
    pairmark = Pairmark(tmp_path)
    (tmp_path / "m.json").write_text('{"event_id": "{{id}}", "data": {"entity_id": "{{fact}}"}}', encoding="utf-8")
    with consumer.served() as target:
        words = (
            "audit",
            "probe",
            "--to",
            target,
            "--database",
            consumer.address,
            "--pause",
            "0.1s",
            "--settle",
            "0.1s",
        )
        done = pairmark.run(*words, "--key-column", "fact", "--message", tmp_path / "m.json")
        pairmark.run(*words, "--key-column", "fakt").refused("no column 'fakt'")
        (tmp_path / "m.json").write_text("{}", encoding="utf-8")
        pairmark.run(*words, "--key-column", "fact", "--message", tmp_path / "m.json").refused("no place for {{fact}}")
    assert done.code == 1
    assert "It deduplicates by the event id" in done.out
