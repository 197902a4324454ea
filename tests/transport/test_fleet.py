"""Workers as people start them, over a real Kafka: they stop in time, share the work, and outlive what happens around them."""

import json
import os
import signal
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest

from pairmark.clock import SystemClock
from pairmark.events.catalogue import AssessmentRequested
from pairmark.messaging import topics
from pairmark.messaging.kafka_connection import KafkaConnection
from pairmark.storage.connection import Database
from pairmark.storage.embedded import EmbeddedServer
from pairmark.storage.waiting import until
from support.command import Pairmark
from support.fleet import Fleet, enveloped, over
from support.kafka import Kafka
from support.memory import places
from support.processes import Journal, Nursery
from support.roads import cluster_of
from support.sizes import size

PATIENCE = 90.0


@pytest.fixture
def fleet(request: pytest.FixtureRequest, database: Database) -> Fleet:
    """An installation with some partitions to a topic."""
    return over(cluster_of(request, "kafka", 6), database)


@pytest.fixture
def platform(fleet: Fleet) -> Iterator[Pairmark]:
    """The command, set up for it."""
    with tempfile.TemporaryDirectory(prefix="pm-fleet-") as folder:
        command = fleet.command(Path(folder))
        assert command.run("credits", "grant", "--user", "local", "100000", "--operation", "start").code == 0
        yield command


def all_ended(fleet):
    """Whether all batches have ended and nothing is on its way any more."""
    clock = SystemClock()
    end = clock.monotonic() + PATIENCE
    while clock.monotonic() < end:
        if until(lambda: fleet.ended() == len(fleet.batches) and not fleet.under_way(), 1, pause=0.05):
            return True
    return False


def test_workers_of_single_roles_and_of_all_together_end_every_batch_once(fleet, platform):
    fleet.request(size(6, 40))
    roles = ["assessment,monitor", "judging", "relay", "lifecycle,results", "entitlements"]
    with ExitStack() as running:
        workers = [running.enter_context(platform.started("worker", "--roles", one)) for one in roles]
        workers.append(running.enter_context(platform.started("worker")))
        assert until(lambda: fleet.ended() >= 2, PATIENCE)
        workers.append(running.enter_context(platform.started("worker")))  # two relays, two of everything
        assert "working as" in workers[-1].line()
        fleet.request(size(4, 20))
        assert all_ended(fleet)
        for worker in workers:
            worker.signal(signal.SIGTERM)
        done = [worker.end(timeout=12) for worker in workers]
    assert [one.code for one in done] == [0] * len(workers), [one.err for one in done]
    assert all("Traceback" not in one.err for one in done)
    assert fleet.broken_promises() == []


def test_a_stop_comes_within_ten_seconds_even_while_a_judge_thinks_and_nothing_is_lost(fleet, platform):
    fleet.request(1, judge="simulated:sd=1,seed=3,delay_ms=60000")
    with platform.started("worker") as worker:
        assert until(lambda: fleet.rows("SELECT 1 FROM judging.chunk WHERE lease_until > clock_timestamp()"), PATIENCE)
        begun = SystemClock().monotonic()
        worker.signal(signal.SIGTERM)
        done = worker.end(timeout=15)
    assert done.code == 0, done.err
    assert SystemClock().monotonic() - begun < 10
    assert fleet.rows("SELECT count(*) FROM judging.chunk WHERE open") == [(1,)]


def test_once_does_what_there_is_and_ends(fleet, platform):
    fleet.request()
    for _ in range(6):
        done = platform.run("worker", "--once")
        assert done.code == 0, done.err
        if fleet.ended() == 1 and not fleet.under_way():
            break
    assert fleet.ended() == 1
    assert fleet.broken_promises() == []


def test_a_broker_that_is_away_for_a_while_is_waited_for(database, kafka_of_its_own: Kafka, tmp_path):
    connection = KafkaConnection(kafka_of_its_own.bootstrap)
    topics.create(connection, 3)
    fleet = over(connection, database)
    platform = fleet.command(tmp_path)
    assert platform.run("credits", "grant", "--user", "local", "100000", "--operation", "start").code == 0
    fleet.request(size(4, 30))
    with platform.started("worker") as worker:
        assert until(lambda: fleet.ended() >= 1, PATIENCE)
        kafka_of_its_own.kill()
        until(lambda: False, size(4, 30), pause=0.5)
        assert worker.process.poll() is None
        kafka_of_its_own.start()
        fleet.request(2)
        assert all_ended(fleet)
        worker.signal(signal.SIGTERM)
        done = worker.end(timeout=12)
    assert done.code == 0, done.err
    assert "cannot be reached" in done.err
    assert "Everything goes on again" in done.err
    assert fleet.rows("SELECT count(*) FROM assessment.relay_hold") == [(0,)]
    assert fleet.broken_promises() == []


def test_a_database_that_is_killed_under_the_workers_is_waited_for(request, tmp_path):
    with tempfile.TemporaryDirectory(prefix="pm-fleet-", dir=places()[0], ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        with EmbeddedServer.open(Path(folder) / "home") as server:
            made = Pairmark(Path(folder) / "home")
            assert made.run("db", "upgrade").code == 0
            database = Database(server.conninfo("pairmark"), direct_login=True)
            fleet = over(cluster_of(request, "kafka", 3), database)
            platform = fleet.command(tmp_path)
            assert platform.run("credits", "grant", "--user", "local", "100000", "--operation", "start").code == 0
            fleet.request(size(4, 30))
            with platform.started("worker") as one, platform.started("worker") as other:
                assert until(lambda: fleet.ended() >= 1, PATIENCE)
                os.kill(
                    int((Path(folder) / "home/postgres/data/postmaster.pid").read_text().split()[0]), signal.SIGKILL
                )
                server.ensure_running()
                fleet.request(2)
                assert all_ended(fleet)
                for worker in (one, other):
                    worker.signal(signal.SIGTERM)
                    assert worker.end(timeout=12).code == 0
            assert fleet.broken_promises() == []
            database.close()


@pytest.mark.parametrize("point", ["assessment.before_acknowledge", "assessment.inside_inbox"])
def test_g5_a_consumer_that_slept_past_its_session_wakes_and_does_no_harm(fleet, platform, tmp_path, point):
    """Kafka has given its share to another by then, which has done the same work; the inbox and the keys are the fence."""
    sleeper, other = Journal(tmp_path / "sleeper"), Journal(tmp_path / "other")
    fleet.request(3)
    with Nursery("fleet_worker.py") as first, Nursery("fleet_worker.py") as second, ThreadPoolExecutor(2) as pool:
        asleep = pool.submit(first.run, **fleet.order(sleeper.path, roles=["assessment"], pause_at=point))
        feeding = pool.submit(second.run, **fleet.order(other.path))
        assert until(lambda: sleeping(sleeper), PATIENCE)
        seen = len(other.points())
        until(lambda: "assessment.after_acknowledge" in other.points()[seen:], 6)
        os.kill(sleeping(sleeper), signal.SIGCONT)
        assert (asleep.result(PATIENCE), feeding.result(PATIENCE)) == (0, 0)
    assert fleet.broken_promises() == []


def test_a_request_of_another_service_brings_its_texts_and_is_judged_by_the_default_judge(fleet, platform):
    batch = f"client-{uuid4()}"
    fleet.batches.append(batch)
    essays = [{"essay_id": f"e{one}", "text": f"Essay {one} came along."} for one in range(4)]
    data = {"event_name": AssessmentRequested.topic, "entity_id": batch, "entity_type": "batch", "user_id": "local",
            "essays_for_cj": essays, "language": "sv", "course_code": "sv1", "new_field": {"of": "theirs"}}  # fmt: skip
    bytes_on_the_wire = json.dumps(enveloped(AssessmentRequested.topic, data))
    fleet.produce(AssessmentRequested.topic, [{"value": bytes_on_the_wire, "key": batch}])
    with platform.started("worker", "--judge", "simulated:sd=1,seed=3") as worker:
        assert all_ended(fleet)
        worker.signal(signal.SIGTERM)
        assert worker.end(timeout=12).code == 0
    assert fleet.broken_promises() == []
    assert fleet.rows("SELECT status LIKE 'COMPLETE%', essays FROM assessment.batch") == [(True, 4)]


def sleeping(journal: Journal) -> int:
    """The process that has gone to sleep, or 0."""
    return next((int(point.split()[1]) for point in journal.points() if point.startswith("asleep ")), 0)


def test_bad_addresses_and_a_kafka_that_is_down_are_told_in_one_sentence(platform, fleet, tmp_path):
    platform.run("worker", "--kafka", "nowhere").refused("host:9092")
    platform.run("worker", "--roles", "assessment,judge").refused("no role 'judge'", "relay")
    down = fleet.command(tmp_path)
    down.environment["PAIRMARK_KAFKA"] = "127.0.0.1:1"
    fresh = down.run("topics", "check")
    assert fresh.code == 75, fresh.err
    assert "127.0.0.1:1 cannot be reached" in fresh.err
    assert {one["fatal"] for one in platform.json("topics", "check")} == {False}
