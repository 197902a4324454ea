"""G8: a process that is stopped keeps its sessions and their locks; who waits for one ends the session of a silent owner."""

import json
import os
import signal
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pairmark.audit.selfcheck import self_check
from pairmark.bootstrap import ROLES, System
from pairmark.clock import ManualClock
from pairmark.errors import Busy
from pairmark.messaging import ownership, relay
from pairmark.messaging.kafka_connection import KafkaConnection
from pairmark.messaging.ownership import Lookout, OwnedConnection
from pairmark.storage.connection import Database
from pairmark.storage.waiting import until
from support.command import Pairmark
from support.content import FakeContent
from support.contract import REQUESTED, envelope, request
from support.faults import plant_raw, reserve, rows
from support.fleet import QUICK, Fleet, over
from support.processes import Journal, Nursery
from support.roads import cluster_of
from support.system import BEGIN

PATIENCE = 60.0
LOCKED = """
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (classid::bigint << 32) | objid::bigint = ANY(ARRAY(SELECT hashtextextended(n, 1) FROM unnest(%s::text[]) AS n))
"""
NAME = "group:a test"
HELD = "6a5c7c52-2b1c-4c57-9a0e-0d6f5a3c1bad"


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is silent for a second counts as stopped."""
    monkeypatch.setattr(ownership, "STOPPED_AFTER_SECONDS", 1.0)
    monkeypatch.setattr(relay, "OUST_AFTER_SECONDS", 1.0)


@pytest.fixture
def owned(database: Database):
    """A connection that holds a lock, as one of assessment's would."""
    connection = OwnedConnection(database, "assessment")
    assert connection.try_own(NAME)
    yield connection
    connection.close()


def silent(database: Database, seconds: float) -> None:
    """Let so much time pass on the server."""
    rows(database, "SELECT pg_sleep(%s)", seconds)


def look(database: Database) -> int:
    """Somebody else who wants the lock looks after its owner."""
    other = OwnedConnection(database, "assessment")
    try:
        return Lookout(other, ManualClock(BEGIN)).look(NAME)
    finally:
        other.close()


def test_g8_an_owner_that_is_silent_for_long_is_put_aside_and_hears_of_it(database, owned, monkeypatch):
    monkeypatch.setattr(ownership, "STOPPED_AFTER_SECONDS", 0.2)
    silent(database, 0.3)
    assert look(database) == 1
    with pytest.raises(Busy):
        owned.prove()


@pytest.mark.parametrize("sign", ["a beat", "a statement under way", "silent for less"])
def test_g8_an_owner_that_gives_a_sign_of_life_is_left_alone(database, owned, monkeypatch, sign):
    monkeypatch.setattr(ownership, "STOPPED_AFTER_SECONDS", 30 if sign == "silent for less" else 0.4)
    with ThreadPoolExecutor(1) as other:
        if sign == "a statement under way":
            other.submit(owned.connection().execute, "SELECT pg_sleep(1.2)")
        silent(database, 0.5)
        if sign == "a beat":
            owned.beat()
        assert look(database) == 0
    owned.prove()


def test_g8_a_beat_without_a_connection_or_on_a_lost_one_is_nothing(database):
    idle = OwnedConnection(database, "assessment")
    idle.beat()
    assert idle.try_own(NAME)
    rows(
        database,
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()",
    )
    idle.beat()
    with pytest.raises(Busy):
        idle.prove()
    idle.close()


def test_g8_on_one_machine_the_work_of_a_stopped_worker_goes_on(
    database: Database, content_service: FakeContent, soon: None
):
    """Its groups, its outboxes and its fetching; it wakes to find its sessions gone, and goes on beside the other."""
    for name in "abc":
        content_service.has(name, f"text {name}")
    with tempfile.TemporaryDirectory(prefix="pm-stopped-") as folder:
        address = Fleet(database, KafkaConnection("127.0.0.1:1")).url
        command = Pairmark(Path(folder), PAIRMARK_DATABASE=address, PAIRMARK_CONTENT_URL=content_service.access.url)
        with command.started("worker") as worker:
            held = ["group:assessment", "group:entitlements", "fetching", "relay:assessment:0", "relay:entitlements:0"]
            assert until(lambda: locked(database, held) == len(held), PATIENCE)
            worker.signal(signal.SIGSTOP)
            system = System(
                Database(database.conninfo), content=content_service.access
            )  # the login that the worker has
            system.accounts.ensure_default()
            essays = [{"essay_id": one, "text_storage_id": one} for one in "abc"]
            with system.running():
                ask(system, request(essays, entity_id="meanwhile", design={"judge": "surface"}))
                assert until(lambda: complete(database) == 1, PATIENCE, pause=0.1)
                worker.signal(signal.SIGCONT)
            system.close()
            system.database.close()
            assert until(lambda: locked(database, held) == len(held), PATIENCE)
            worker.signal(signal.SIGTERM)
            done = worker.end(timeout=12)
        assert done.code == 0, done.err
        assert "Traceback" not in done.err
        assert self_check(database).findings == []


def ask(system: System, data: dict) -> None:
    """A request that another service has sent."""
    plant_raw(system.database, "assessment", REQUESTED, data["entity_id"], json.dumps(envelope(REQUESTED, data)))


def complete(database: Database) -> int:
    return int(rows(database, "SELECT count(*) FROM assessment.batch WHERE status LIKE 'COMPLETE%'")[0][0])


def locked(database: Database, names: list[str]) -> int:
    return int(rows(database, LOCKED, names)[0][0])


def test_g8_over_kafka_what_a_stopped_owner_holds_back_is_tried_by_another(request, database, tmp_path, soon):
    fleet = over(cluster_of(request, "kafka", 2), database)
    fleet.request(1)
    sleeper, event = Journal(tmp_path / "sleeper"), reserve(HELD, 1)
    connection = KafkaConnection(fleet.connection.brokers, QUICK, fleet.connection.prefix)
    others, successor = (System(database, kafka=connection, roles=roles) for roles in (OTHERS, ["entitlements"]))
    with Nursery("fleet_worker.py") as nursery, ThreadPoolExecutor(1) as pool, others.running():
        order = fleet.order(sleeper.path, roles=["entitlements"], pause_at="entitlements.before_acknowledge")
        asleep = pool.submit(nursery.run, **order)
        assert until(lambda: sleeping(sleeper), PATIENCE)
        rows(database, HOLD, event.id, event.event_type, event.aggregate_id, event.body, event.headers)
        with successor.running():
            reserved = f"SELECT count(*) FROM entitlements.reservation WHERE batch_id = '{HELD}'"
            assert until(lambda: rows(database, reserved) == [(1,)], PATIENCE, pause=0.1)
            os.kill(sleeping(sleeper), signal.SIGCONT)
            assert asleep.result(PATIENCE) == 0
    for system in (others, successor):
        system.close()
    assert {one for one in fleet.broken_promises() if HELD not in one} == set()


OTHERS = [role for role in ROLES if role != "entitlements"]
HOLD = """
INSERT INTO entitlements.held_message (event_id, topic, event_key, body, headers, attempts, next_attempt_at, last_error)
VALUES (%s, %s, %s, %s, %s::jsonb, 1, '-infinity', 'a test') RETURNING 1
"""


def sleeping(journal: Journal) -> int:
    """The process that has gone to sleep, or 0."""
    return next((int(point.split()[1]) for point in journal.points() if point.startswith("asleep ")), 0)
