"""`topics`, `outbox` and `deadletter` as people use them: what they say, what they change, and how they end."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import ConfigResource

from pairmark.bootstrap import System
from pairmark.errors import Busy
from pairmark.events.catalogue import BY_TOPIC, AssessmentCompleted
from pairmark.messaging import topics
from pairmark.messaging.kafka_connection import KafkaConnection
from pairmark.messaging.transport import Failure
from pairmark.storage.connection import Database
from pairmark.storage.waiting import until
from support.command import Pairmark
from support.faults import Refusing, consumed, plant, reserve, rows
from support.fleet import Fleet
from support.kafka import Kafka
from support.system import submit


@pytest.fixture
def named(kafka: Kafka, database: Database) -> Fleet:
    """An installation whose topics are not made yet."""
    return Fleet(database, KafkaConnection(kafka.bootstrap, prefix=f"c{uuid4().hex[:10]}."))


@pytest.fixture
def platform(named: Fleet) -> Iterator[Pairmark]:
    with tempfile.TemporaryDirectory(prefix="pm-topics-") as folder:
        yield named.command(Path(folder))


@pytest.fixture
def here(database: Database) -> Iterator[Pairmark]:
    """The command over the test's database, without Kafka."""
    with tempfile.TemporaryDirectory(prefix="pm-here-") as folder:
        yield Pairmark(Path(folder), PAIRMARK_DATABASE=Fleet(database, KafkaConnection("127.0.0.1:1")).url)


def test_topics_are_made_once_and_what_is_wrong_with_them_is_told(platform: Pairmark, named: Fleet, kafka: Kafka):
    wrong = named.connection.prefix + AssessmentCompleted.topic
    kafka.create(12, name=wrong, cleanup_policy="compact", retention_ms="3600000")
    missing = platform.run("topics", "check")
    assert missing.code == 1
    assert missing.out.count("is missing") == len(BY_TOPIC) - 1
    made = platform.json("topics", "create")
    assert sorted(made) == sorted(named.connection.prefix + topic for topic in BY_TOPIC)
    assert [name for name, new in made.items() if not new] == [wrong]
    told = platform.json("topics", "check", code=1)
    assert {one["topic"] for one in told} == {wrong}
    assert [one["problem"].split()[:2] for one in told if one["fatal"]] == [["is", "compacted:"], ["keeps", "events"]]
    assert not any(platform.json("topics", "create").values())


def test_topics_that_may_lose_events_are_told(
    platform: Pairmark, named: Fleet, kafka: Kafka, monkeypatch: pytest.MonkeyPatch
):
    """With one broker there are no copies, so those are asserted of the comparison alone."""
    small = named.connection.prefix + AssessmentCompleted.topic
    kafka.create(
        12, name=small, retention_ms=str(topics.MONTH_MS), max_message_bytes="30000000", retention_bytes="1000000"
    )
    platform.json("topics", "create")
    (told,) = platform.json("topics", "check")
    assert (told["topic"], told["fatal"]) == (small, False)
    assert "at most 1,000,000 bytes a partition (retention.bytes)" in told["problem"]


def test_copies_of_which_one_is_enough_are_told(kafka: Kafka):
    name = kafka.create(12, min_insync_replicas="1")
    resource = ConfigResource(ConfigResource.Type.TOPIC, name)

    def described() -> Any:
        with suppress(KafkaException):  # the broker has made it, and does not know it everywhere yet
            return kafka.admin.describe_configs([resource])[resource].result(30)

    config = until(described, 20, pause=0.1)
    assert [one.problem for one in topics._safety(name, 1, config)] == []
    (told,) = topics._safety(name, 3, config)
    assert not told.fatal
    assert "has 3 copies" in told.problem
    assert "min.insync.replicas" in told.problem
    assert [topics.settings("t", n).get("min.insync.replicas") for n in (-1, 1, 2, 3)] == [None, None, None, "2"]


@pytest.mark.parametrize("ask", [topics.create, topics.check])
def test_a_kafka_that_is_down_is_a_reason_to_come_back(
    ask: Callable[[KafkaConnection], object], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(topics, "ANSWER_SECONDS", 0.5)
    with pytest.raises(Busy, match=r"Kafka at 127\.0\.0\.1:1 cannot be reached"):
        ask(KafkaConnection("127.0.0.1:1"))


def test_topics_need_a_kafka_and_sensible_numbers(here: Pairmark):
    here.run("topics", "check").refused("No Kafka is named", "--kafka")
    here.run("topics", "create", "--kafka", "127.0.0.1:1", "--partitions", "0").refused("at least one partition")
    here.run("topics", "create", "--kafka", "amqp://host").refused("cannot be read", "host:9092")


def test_dead_letters_are_listed_shown_and_replayed(here: Pairmark, system: System, database: Database, clock):
    event = consumed("bad", 3)
    plant(database, "entitlements", event)
    for _ in range(8):
        system.drain()
        clock.advance(400)
    (listed,) = here.json("deadletter", "list")
    assert (listed["service"], listed["event_id"], listed["aggregate_id"]) == ("entitlements", str(event.id), "bad")
    assert "no reservation" in listed["cause"]
    shown = here.run("deadletter", "show", str(event.id)[:8])
    assert event.body in shown.out.replace("\n", "")
    assert here.run("outbox", "status").code == 1
    here.run("deadletter", "show", "ffffffff").refused("no dead letter ffffffff")
    here.run("deadletter", "replay").refused("Say which")
    plant(database, "entitlements", reserve("bad", 5))
    system.drain()
    system.close()
    assert here.json("deadletter", "replay", "--all") == {"replayed": 1}
    assert here.run("deadletter", "list").out.strip() == "There are no dead letters."
    assert here.run("worker", "--once").code == 0
    assert rows(database, "SELECT state, captured FROM entitlements.reservation") == [("closed", 3)]


def test_outbox_status_tells_depth_age_and_what_stands_still_and_requeue_lets_it_go(here: Pairmark, database: Database):
    system = System(database, transport=lambda real: Refusing(real, lambda _: Failure("too large", fatal=True)))
    system.accounts.ensure_default()
    ticket = submit(system, 3)
    before = here.json("outbox", "status")
    assert before["road"] == "local"
    lifecycle = next(one for one in before["outboxes"] if one["service"] == "lifecycle")
    assert (lifecycle["unpublished"], lifecycle["parked"]) == (1, 0)
    assert lifecycle["oldest_seconds"] > 0
    system.relay_step()
    stuck = here.json("outbox", "status", code=1)["parked"]
    assert [(one["service"], one["reason"]) for one in stuck] == [("lifecycle", "too large")]
    told = here.run("outbox", "status")
    assert "`pairmark outbox requeue" in told.out
    here.run("outbox", "requeue", "nobody").refused("Nothing of nobody")
    assert here.json("outbox", "requeue", stuck[0]["aggregate_id"]) == {"requeued": 1}
    system.close()
    assert here.run("worker", "--once").code == 0
    assert rows(database, "SELECT count(*) FROM lifecycle.event_outbox WHERE published_at IS NULL") == [(0,)]
    assert ticket.entity_id
