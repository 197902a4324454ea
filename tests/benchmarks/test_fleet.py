"""Over a real Kafka on the same machine: the relay beside its two limits, callbacks, whole batches by three workers, and rest."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from uuid import UUID, uuid4

import psutil
import pytest

from pairmark.bootstrap import System
from pairmark.events.catalogue import ComparisonResult
from pairmark.messaging import outbox, road, topics
from pairmark.messaging.kafka_connection import KafkaConnection
from pairmark.messaging.kafka_out import KafkaTransport
from pairmark.messaging.relay import Relay
from pairmark.messaging.transport import Sent, Stored
from pairmark.storage.connection import Database, execute
from pairmark.storage.waiting import until
from support.asked import asked_batches, callback
from support.durable import durable_system
from support.fleet import Fleet
from support.kafka import Kafka
from support.sizes import size

pytestmark = pytest.mark.benchmark

EVENTS = 30_000
AGGREGATES = 600
LONGEST = 300.0


@pytest.fixture
def fleet(kafka: Kafka) -> Iterator[tuple[Fleet, System]]:
    """An installation whose commits wait for the disk, over a Kafka of its own names, and a system that knows both."""
    with durable_system() as local:
        connection = KafkaConnection(kafka.bootstrap, prefix=f"b{uuid4().hex[:8]}.")
        topics.create(connection, 12)
        system = System(local.database, kafka=connection)
        road.take_kafka(local.database, system.transport, system.clock)
        local.accounts.ensure_default()
        yield Fleet(local.database, connection), system
        system.close()


def fill(system: System, events: int, aggregates: int = AGGREGATES) -> None:
    """Commit events to an outbox in sets of 500."""
    keys = [str(uuid4()) for _ in range(aggregates)]
    for start in range(0, events, 500):
        with system.database.transaction("judging") as tx:
            outbox.append(tx, [event(keys[number % aggregates], number) for number in range(start, start + 500)])


def event(key: str, number: int):
    return callback(UUID(key), number)


def drained(step: Callable[[], int], events: int) -> float:
    """Events a second."""
    begin, sent = time.perf_counter(), 0
    while sent < events:
        sent += step()
    return events / (time.perf_counter() - begin)


class Nowhere:
    """A transport that acknowledges at once: what is left is claiming and marking."""

    delivery_timeout = 2.0
    late_sends_reorder = False

    def publish(self, events: list[Stored]) -> Sent:
        return Sent({one.id for one in events})

    def close(self) -> None:
        pass


def test_relay_to_kafka(record, fleet):
    _, system = fleet
    rates, claims, sends = [], [], []
    for _ in range(3):
        fill(system, EVENTS)
        relay = Relay(system.database, "judging", Nowhere(), system.clock)
        claims.append(drained(relay.step, EVENTS))
        relay.close()
        fill(system, EVENTS)
        sends.append(bare_producer(system))
        rates.append(drained(system.relays["judging"].step, EVENTS))
        system.relays["judging"].close()
    rate, claim, bare = median(rates), median(claims), median(sends)
    slower, which = min((claim, "claim and mark alone"), (bare, "a bare producer with the same settings and payloads"))
    record(
        "relay, outbox to Kafka acknowledged",
        rate,
        "events/s",
        at_least=15_000,
        peer=slower,
        against=f"{which}; medians of 3",
    )
    record("relay to Kafka, share of its slower limit", rate / slower, "", at_least=0.5, against=which)
    record(
        "limit: claim and mark alone", claim, "events/s", against="our claim and mark, a transport that does nothing"
    )
    record("limit: bare producer", bare, "events/s", against="idempotent, acks=all, lz4, waiting for each 500")


def bare_producer(system: System) -> float:
    """The same events through the client library alone."""
    with system.database.connect() as admin:
        rows = execute(admin, "SELECT id, event_key, topic, event_data::text, headers::text FROM judging.event_outbox "
                              "WHERE published_at IS NULL ORDER BY seq")  # fmt: skip
    events = [Stored(*row) for row in rows]
    transport = KafkaTransport(system.kafka, system.clock)
    transport.publish(events[:500])
    begin = time.perf_counter()
    for start in range(0, len(events), 500):
        transport.publish(events[start : start + 500])
    spent = time.perf_counter() - begin
    transport.close()
    return len(events) / spent


def test_commit_to_acknowledgement(record, fleet):
    _, system = fleet
    committed: dict[UUID, float] = {}
    waits: list[float] = []
    publish = system.transport.publish

    def timed(events):
        outcome = publish(events)
        now = time.perf_counter()
        waits.extend(now - committed[one] for one in outcome.acknowledged if one in committed)
        return outcome

    system.transport.publish = timed
    stop = threading.Event()
    relay = system.relays["judging"]

    def relaying():
        while not stop.is_set():
            relay.step() or stop.wait(0.002)

    thread = threading.Thread(target=relaying)
    fill(system, 500)
    thread.start()
    assert until(lambda: relay.counts.sent >= 500, 30)  # the first send of a client takes a second
    keys, begin = [str(uuid4()) for _ in range(50)], time.perf_counter()
    for number in range(size(500, 3_000)):
        made = [event(keys[one], number * 20 + one) for one in range(20)]
        with system.database.transaction("judging") as tx:
            outbox.append(tx, made)
        now = time.perf_counter()
        committed |= {one.id: now for one in made}
        stop.wait(max(begin + (number + 1) * 0.02 - time.perf_counter(), 0))
    until(lambda: len(waits) >= len(committed), 10)
    stop.set()
    thread.join()
    cuts = quantiles(waits, n=100)
    what = "commit to acknowledgement at 1,000 events/s, 99 of 100"
    record(
        what, 1000 * cuts[98], "ms", at_most=50, against=f"half of them within {1000 * cuts[49]:.1f} ms; 20 a commit"
    )


def test_claim_beside_a_transaction_that_stays_open(record, fleet):
    _, system = fleet
    spent: list[float] = []
    relay = Relay(system.database, "judging", Nowhere(), system.clock)
    with system.database.connect() as idle, idle.transaction():
        execute(idle, "SELECT txid_current()")
        begin, sent = time.perf_counter(), 0
        while time.perf_counter() - begin < size(30, 600):
            fill(system, 1_000, 50)
            while unsent(system):
                sent += relay.step()
            with system.database.transaction("judging") as tx:
                outbox.append(tx, [event(str(uuid4()), number) for number in range(20)])
            at = time.perf_counter()
            assert len(relay._claim()) == 20
            spent.append(time.perf_counter() - at)
    relay.close()
    early, late = median(spent[: len(spent) // 10]), median(spent[-len(spent) // 10 :])
    what = f"claim of 20 events when a transaction has been open for {size(30, 600)} s"
    against = (
        f"{sent:,} events sent meanwhile, none of whose dead rows could go; {1000 * early:.2f} ms in the first tenth"
    )
    record(what, 1000 * late, "ms", at_most=2, against=against)
    record("the slowest of these claims", 1000 * max(spent), "ms", against="now and then one looks from the beginning")


def unsent(system: System) -> bool:
    """Whether anything waits in the outbox of judging."""
    with system.database.transaction("judging") as tx:
        return bool(execute(tx, "SELECT EXISTS (SELECT FROM event_outbox WHERE published_at IS NULL)")[0][0])


def test_callbacks_from_kafka(record, fleet, tmp_path):
    fleet, system = fleet
    rates: dict[int, list[float]] = {1: [], 2: []}
    count = size(1_000, 2_000)
    for workers in (1, 2, 1, 2):
        with another(system, fleet.connection) as asking:  # gives its share of the topics back
            batches = asked_batches(asking, 20, 60, count)
        answers = [callback(batch, number) for number in range(count) for batch in batches]
        messages = [{"value": one.body, "key": one.aggregate_id} for one in answers]
        rates[workers].append(recorded_by(fleet, workers, batches, messages, tmp_path))
    one, two = median(rates[1]), median(rates[2])
    what = "callbacks from Kafka to committed judgements, one worker"
    record(what, one, "/s", at_least=5_000, against="20 batches of 60 essays")
    against = f"{two:.0f}/s; database, Kafka and who sends the callbacks are on the same 2 cores"
    record("the same with two workers", two / one, "times", at_least=1.5, against=against)


@contextmanager
def another(system: System, connection: KafkaConnection) -> Iterator[System]:
    """One more system over the same database and Kafka."""
    fresh = System(Database(system.database.conninfo, direct_login=True), kafka=connection)
    yield fresh
    fresh.close()


def recorded_by(fleet: Fleet, workers: int, batches: list[UUID], messages: list[dict[str, Any]], home: Path) -> float:
    """Judgements a second, from the first that is recorded to the last, by workers that have shared out the topic before."""
    query = (
        "SELECT count(*), extract(epoch FROM max(recorded_at) - min(recorded_at))::float8 "
        "FROM assessment.judgement WHERE batch_id = ANY(%s)"
    )
    command = fleet.command(home)
    with ExitStack() as running, fleet.database.connect() as admin:
        for _ in range(workers):
            assert "working as" in running.enter_context(command.started("worker", "--roles", "assessment")).line()
        threading.Event().wait(12)
        wanted = int(execute(admin, "SELECT sum(sent) FROM assessment.batch WHERE id = ANY(%s)", [batches])[0][0])
        fleet.produce(ComparisonResult.topic, messages)
        assert until(lambda: execute(admin, query, [batches])[0][0] >= wanted, LONGEST, pause=0.1)
        count, seconds = execute(admin, query, [batches])[0]
    return count / seconds


def test_five_hundred_batches_by_three_workers(record, fleet, tmp_path):
    fleet, _ = fleet
    number = size(100, 500)
    command = fleet.command(tmp_path)
    with ExitStack() as running:
        workers = [running.enter_context(command.started("worker")) for _ in range(3)]
        assert all("working as" in worker.line() for worker in workers)
        fleet.request(5, essays=30)
        assert until(lambda: fleet.ended() == 5, LONGEST)
        before = cpu_by_kind(fleet)
        begin = time.perf_counter()
        fleet.request(number, essays=30)
        assert until(lambda: fleet.ended() == number + 5 and not fleet.under_way(), LONGEST, pause=0.2)
        spent = time.perf_counter() - begin
        went = cpu_by_kind(fleet)
    shares = ", ".join(f"{kind} {100 * (went[kind] - before[kind]) / spent:.0f} %" for kind in went)
    what = f"{number} batches of 30 essays, 45 comparisons each, by three workers"
    record(what, number / spent, "batches/s", at_least=10, against=f"CPU of 200 %: {shares}")
    assert fleet.broken_promises() == []


def cpu_by_kind(fleet: Fleet) -> Counter[str]:
    """CPU seconds so far, of workers, the database and Kafka."""
    spent: Counter[str] = Counter()
    kinds = {"pairmark": "workers", "postgres": "database", "java": "Kafka"}
    for process in psutil.process_iter(["name", "cmdline"]):
        words = " ".join(process.info["cmdline"] or ())
        kind = next(
            (kinds[name] for name in kinds if name in (process.info["name"] or "") or f"/{name} worker" in words), None
        )
        if kind is not None:
            spent[kind] += sum(process.cpu_times()[:2])
    return spent


def test_rest(record, fleet, tmp_path):
    fleet, system = fleet
    with fleet.command(tmp_path).started("worker") as worker:
        assert "working as" in worker.line()
        threading.Event().wait(20)  # let every poll slow down
        process = psutil.Process(worker.process.pid)
        before = sum(process.cpu_times()[:2])
        threading.Event().wait(size(20, 60))
        share = (sum(process.cpu_times()[:2]) - before) / size(20, 60)
        memory = process.memory_info().rss / 2**20
        record(
            "idle worker: CPU", 100 * share, "% of a core", at_most=1, against="all roles, Kafka and the database up"
        )
        record("idle worker: memory", memory, "MiB", at_most=120, against="resident")
        waits = [reached(system) for _ in range(size(20, 60))]
    record("event committed while idle, to its acknowledgement", 1000 * median(waits), "ms", at_most=50,
           against=f"by another process, median of {len(waits)}; the slowest {1000 * max(waits):.0f} ms")  # fmt: skip


def reached(system: System) -> float:
    """Seconds from a commit by this process, which has no relay, to the mark of the worker that has."""
    from pairmark.messaging.wakeups import CHANNEL  # noqa: PLC0415

    one = event(str(uuid4()), 0)
    threading.Event().wait(0.5)
    with system.database.transaction("judging") as tx:
        outbox.append(tx, [one])
    committed = time.time()
    system.database.at_once("transport", "SELECT pg_notify(%s, 'relay')", [CHANNEL])
    query = "SELECT extract(epoch FROM published_at)::float8 FROM judging.event_outbox WHERE id = %s AND published_at IS NOT NULL"
    with system.database.connect() as admin:
        found = until(lambda: execute(admin, query, [one.id]), 10, pause=0.01)
    assert found
    return found[0][0] - committed
