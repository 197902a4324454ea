"""The raw limits of the disk and the server, the relay, a peer, and how soon a finished batch is announced."""

import asyncio
import time
from statistics import median
from threading import Event
from uuid import uuid4

import psutil
import pytest
from psycopg.conninfo import make_conninfo

from pairmark.bootstrap import System
from pairmark.events.catalogue import ComparisonResult
from pairmark.events.envelope import outgoing
from pairmark.messaging import outbox
from pairmark.storage.connection import execute
from support.durable import another
from support.one_batch import measure
from support.system import submit

pytestmark = pytest.mark.benchmark

EVENTS = 20_000


def test_raw_limits(record, raw_limits):
    record("raw limit: one row a commit", raw_limits.single_commits, "rows/s", against="one client, fsync on")
    record("raw limit: 100 rows a commit", raw_limits.rows_in_sets, "rows/s", against="one client, fsync on")
    record("raw limit: COPY", raw_limits.copied_rows, "rows/s", against="one client, fsync on")


def test_relay(record, durable, raw_limits):
    key = str(uuid4())
    for start in range(0, EVENTS, 500):
        with durable.database.transaction("judging") as tx:
            outbox.append(tx, [event(key, number) for number in range(start, start + 500)])
    relay = durable.relays["judging"]
    begin, sent = time.perf_counter(), 0
    while sent < EVENTS:
        sent += relay.step()
    rate = EVENTS / (time.perf_counter() - begin)
    relay.close()
    record(
        "relay, outbox to local transport",
        rate,
        "events/s",
        peer=raw_limits.rows_in_sets,
        against="bare inserts, 100 a commit",
    )
    with durable.database.connect() as admin:
        admin.execute("DELETE FROM transport.delivery")


def event(key: str, number: int):
    answer = ComparisonResult(
        event_name=ComparisonResult.topic, entity_id=key, request_id=str(uuid4()), winner="Essay A"
    )
    return outgoing(answer, aggregate_id=key, source="judging", correlation_id=uuid4(), fact_key=str(number))


def test_last_callback_to_terminal_events(record, durable):
    gaps = []
    for seed in (101, 102, 103):
        with another(durable) as system:
            measure(system, 200, 2_000, seed=seed)
        gaps.append(announcement_gap(durable))
    what = "last callback committed to terminal events committed, 200 / 2,000"
    record(
        what,
        1000 * median(gaps),
        "ms",
        at_most=100,
        against=f"median of {[round(1000 * gap) for gap in gaps]}, by the server's commit times",
    )


def announcement_gap(system: System) -> float:
    """Seconds between the commit of the newest callback and of the newest terminal event."""
    query = """
        SELECT extract(epoch FROM
            (SELECT max(pg_xact_commit_timestamp(xmin)) FROM assessment.emitted_fact WHERE batch_id = b.id::text)
            - (SELECT max(pg_xact_commit_timestamp(xmin)) FROM assessment.judgement WHERE batch_id = b.id))::float8
        FROM assessment.batch b ORDER BY created_at DESC LIMIT 1"""
    with system.database.connect() as admin:
        return float(execute(admin, query)[0][0])


@pytest.mark.may_skip("the peer is installed by `make bench` only")
def test_peer_procrastinate(record, durable):
    procrastinate = pytest.importorskip("procrastinate")
    with durable.database.connect() as admin:
        admin.execute("CREATE DATABASE peer")
    jobs = 1_000
    app = procrastinate.App(
        connector=procrastinate.PsycopgConnector(conninfo=make_conninfo(durable.database.conninfo, dbname="peer"))
    )

    @app.task(name="nothing")
    async def nothing(number: int) -> None:
        pass

    async def work() -> float:
        async with app.open_async():
            await app.schema_manager.apply_schema_async()
            await nothing.batch_defer_async(*[{"number": number} for number in range(jobs)])
            begin = time.perf_counter()
            await app.run_worker_async(wait=False, concurrency=20, install_signal_handlers=False, listen_notify=False)
            return jobs / (time.perf_counter() - begin)

    record(
        "peer: procrastinate, jobs done",
        asyncio.run(work()),
        "jobs/s",
        against="1,000 empty jobs deferred before, 20 at a time",
    )


def test_idle(record, durable):
    with another(durable) as system:
        submit(system, 2, seed=77)
        system.drain()
        mine, theirs = idle_shares(system)
    against = "System.running() with nothing to do"
    record("idle: CPU of the Python process", 100 * mine, "% of a core", at_most=3, against=against)
    record("idle: CPU of the server's processes", 100 * theirs, "% of a core", against=against)


def idle_shares(system: System) -> tuple[float, float]:
    """Shares of a core that the loops of this process and the server's processes take with nothing to do."""
    with system.database.connect() as admin:
        backend = execute(admin, "SELECT pg_backend_pid()")[0][0]
        server = psutil.Process(backend).parent()
        with system.running():
            Event().wait(4)  # let every poll slow down
            theirs, mine, begin = cpu(server), time.process_time(), time.perf_counter()
            Event().wait(6)
            spent = time.perf_counter() - begin
            return (time.process_time() - mine) / spent, (cpu(server) - theirs) / spent


def cpu(server: psutil.Process) -> float:
    """CPU seconds of the postmaster and its children so far."""
    return sum(sum(one.cpu_times()[:2]) for one in [server, *server.children()])
