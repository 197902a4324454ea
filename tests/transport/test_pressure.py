"""Back-pressure: what judges or a database cannot do yet stays outside, whatever is inside goes on, and memory does not grow."""

import json
import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from pairmark.bootstrap import System
from pairmark.errors import Busy
from pairmark.events.catalogue import AssessmentRequested, ReserveRequested
from pairmark.events.identity import job_id
from pairmark.messaging import kafka_in, kafka_lag, local
from pairmark.outcome import in_the_way
from pairmark.services.assessment import admission
from support.contract import envelope, essays_with_text, request
from support.faults import consumed, plant, plant_raw, reserve, rows
from support.fleet import over
from support.kafka_mock import produce
from support.roads import cluster_of, until
from support.system import JUDGE

TOPIC = AssessmentRequested.topic
IN = "SELECT count(*) FROM assessment.batch"
ENDED = "SELECT count(*) FROM assessment.batch WHERE status LIKE 'COMPLETE%'"
MOST = 12


def requests(number: int, essays: int = 4) -> list[dict[str, str]]:
    """Messages of a client that asks for so many batches."""
    design = {"judge": JUDGE, "comparisons_per_essay": 3}
    made = [request(essays_with_text(essays), entity_id=f"client-{one}", design=design) for one in range(number)]
    return [{"value": json.dumps(envelope(TOPIC, data)), "key": data["entity_id"]} for data in made]


class Crew:
    """A system whose judge answers only when told to: everything else does what it can."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.steps = {name: step for name, step in system.steps().items() if name not in {"asker", "monitor"}}

    def work(self) -> None:
        """One step of everything but the judge."""
        for step in self.steps.values():
            step()

    def answer(self) -> int:
        """What the judge has before it, answered."""
        return self.system.asker.step()


@pytest.fixture(params=["local", "kafka"])
def crew(request: pytest.FixtureRequest, database, clock, monkeypatch):
    """Such a system on either road, at which twenty requests have arrived."""
    monkeypatch.setattr(admission, "AT_ONCE", 2)
    connection = over(cluster_of(request, "kafka", 2), database).connection if request.param == "kafka" else None
    system = System(database, clock=clock, kafka=connection, most_open=MOST)
    system.accounts.ensure_default()
    for subscription in system.subscriptions.values():
        subscription.wait_seconds = min(subscription.wait_seconds, 0.05)
    if connection is None:
        for one in requests(20):
            plant_raw(database, "assessment", TOPIC, one["key"], one["value"])
    else:
        produce(connection.brokers, connection.prefix + TOPIC, requests(20))
    yield Crew(system)
    system.close()


def test_a_slow_judge_keeps_requests_outside_and_batches_in_progress_end(crew, database):
    """4 essays in a batch count as 4 questions until they are asked; two requests come at a time."""
    until(lambda: rows(database, "SELECT count(*) >= 3 FROM assessment.batch WHERE sent > 0") == [(True,)], crew.work)
    for _ in range(12):
        crew.work()
    ((inside,),) = rows(database, IN)
    assert 3 <= inside <= (MOST + 2 * 4) // 4
    asked, most = crew.system.admission.standing()
    assert asked >= most == MOST
    until(lambda: waiting(crew, database) == 20 - inside, lambda: None)
    assert obstacle_of(crew, database).startswith(
        f"Requests wait: judges have {asked} questions before them; from {MOST}"
    )
    seen = []

    def go_on():
        crew.answer()
        crew.work()
        seen.append(crew.system.admission.standing()[0])

    until(lambda: rows(database, ENDED) == [(20,)], go_on)
    assert max(seen) <= MOST + 2 * 4
    until(lambda: waiting(crew, database) == 0, crew.work)


def obstacle_of(crew, database):
    """What `pairmark status` says of a request that is still outside."""
    inside = {row[0] for row in rows(database, "SELECT entity_id FROM assessment.batch")}
    entity = next(one["key"] for one in requests(20) if one["key"] not in inside)
    obstacle = in_the_way(crew.system, str(job_id(entity)), entity)
    assert not obstacle.lasting
    return obstacle.sentence


def waiting(crew, database):
    """Requests that are still outside, as `outbox status` counts them."""
    if crew.system.kafka is None:
        return rows(database, "SELECT count(*) FROM transport.delivery WHERE group_name = 'assessment'")[0][0]
    return kafka_lag.behind(crew.system.kafka, {"assessment": [TOPIC]})["assessment"]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc, which only Linux has")
def test_a_database_that_stands_still_fills_no_memory(request, database, monkeypatch):
    """20 MB wait on the topic; a member keeps 1 MB of it, and what is in one answer of the broker."""
    monkeypatch.setattr(kafka_in, "KEPT_KILOBYTES", 1_024)
    monkeypatch.setattr(kafka_in, "FETCH_BYTES", 1_000_000)
    connection = over(cluster_of(request, "kafka", 2), database).connection
    junk = [{"value": os.urandom(50_000).hex()} for _ in range(200)]
    produce(connection.brokers, connection.prefix + TOPIC, junk)
    system, ended = System(database, kafka=connection), threading.Event()
    consumer = threading.Thread(target=consume, args=[system, ended])
    with database.connect() as other, other.transaction():
        other.execute("LOCK TABLE assessment.quarantine")
        before = memory()
        consumer.start()
        until(lambda: rows(database, BLOCKED) == [(True,)], lambda: ended.wait(0.05))
        ended.wait(1.5)
        grown = memory() - before
    until(lambda: rows(database, "SELECT count(*) FROM assessment.quarantine") == [(200,)], lambda: ended.wait(0.05))
    ended.set()
    consumer.join()
    system.close()
    assert grown < 10_000_000


BLOCKED = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted"


def consume(system, ended):
    while not ended.is_set():
        with suppress(Busy):
            system.consumers["assessment"].step()


def memory() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_poll_of_the_local_road_brings_no_more_bodies_than_fit(system, database, monkeypatch):
    """However long the first one is, it comes."""
    monkeypatch.setattr(local, "MOST_CHARACTERS", 10_000)
    subscription = system.subscriptions["entitlements"]
    for number, length in enumerate([20_000, 4_000, 4_000, 4_000, 100]):
        plant_raw(database, "entitlements", ReserveRequested.topic, str(number), "x" * length)
    sizes = []
    while came := subscription.poll(500):
        sizes.append([len(one.body) for one in came])
        subscription.acknowledge(came)
    assert sizes == [[20_000], [4_000, 4_000, 4_000], [100]]


def test_what_is_held_back_is_overtaken_by_nothing_of_its_own_topic(system, database):
    subscription = system.subscriptions["entitlements"]
    events = [reserve("a", 1), consumed("a", 1), reserve("b", 1), consumed("b", 1), reserve("c", 1)]
    plant(database, "entitlements", *events)
    topic, others = ReserveRequested.topic, [events[1].id, events[3].id]
    assert [one.event_id for one in subscription.poll(500, {topic: 0})] == others
    came = subscription.poll(500, {topic: 2})
    assert [one.event_id for one in came] == [one.id for one in events[:4]]
    subscription.acknowledge(came)
    assert [one.event_id for one in subscription.poll(500, {topic: 2})] == [events[4].id]
