"""The audit of large tables and exports, beside the plain statements that a person would type instead.

Every audit runs in a process of its own, whose memory is measured; it makes the whole report, with the intervals of the
findings and a second look at their rows. One fact of a hundred is told twice.

An audit of PostgreSQL is held against a sequential scan that touches the columns of the key (a count of both): what reading them
costs where nothing is made of them. It is held against it twice, with one limit. In several processes, as PostgreSQL likes it, is
what stood here first, and what a user would see; in one process is like with like, for the rows of an audit come through one
connection in one snapshot, which PostgreSQL sends from one process.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import adbc_driver_postgresql.dbapi as postgres_driver
import adbc_driver_sqlite.dbapi as sqlite_driver
import duckdb
import psycopg
import pytest

pytestmark = pytest.mark.benchmark

ROWS = int(os.environ.get("PAIRMARK_AUDIT_ROWS", "10000000"))
HUGE = 10 * ROWS
EVENTS = """
    SELECT uuid()::VARCHAR AS id, 'assessment' AS aggregate_type, name AS aggregate_id, kind AS event_type,
        json_object('entity_id', name, 'number', k, 'note', repeat('-', 160))::VARCHAR AS payload,
        TIMESTAMPTZ '2025-11-01 00:00:00+00' + to_milliseconds(k * 100) AS created_at,
        TIMESTAMPTZ '2025-11-01 00:00:00+00' + to_milliseconds(k * 100 + 50) AS published_at
    FROM (
        SELECT k, md5((told // 3)::VARCHAR)::UUID::VARCHAR AS name,
            ['cj_assessment.completed.v1', 'assessment.result_published.v1', 'resource.consumption_recorded.v1'][1 + told % 3]
                AS kind
        FROM (SELECT k, CASE WHEN k % 100 = 99 THEN k - 3 ELSE k END AS told FROM range({rows}) AS numbers(k)))"""
AUDIT = """
import json, re, sys, time
from pathlib import Path
from pairmark.audit import audit
begin = time.perf_counter()
report = audit(sys.argv[1])
seconds = time.perf_counter() - begin
memory = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 2**20
print(json.dumps([seconds, memory, report.totals]))"""


AS_USERS_HAVE_IT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def audited(source: object, rows: int) -> tuple[float, float]:
    """Seconds and GiB of an audit that finds what was planted."""
    command = [sys.executable, "-c", AUDIT, str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=AS_USERS_HAVE_IT)
    seconds, memory, totals = json.loads(done.stdout)
    assert (totals["events"], totals["duplicates"], totals["affected"]) == (rows, rows // 100, rows // 100)
    return seconds, memory


def timed(work) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


@pytest.fixture(scope="module")
def export(tmp_path_factory) -> Path:
    """The events in a Parquet file."""
    path = tmp_path_factory.mktemp("audit") / "events.parquet"
    with duckdb.connect() as store:
        store.execute(f"COPY ({EVENTS.format(rows=ROWS)}) TO '{path}'")
    return path


def by_key(relation: str) -> float:
    """Seconds of the plain count of rows by key in DuckDB."""
    with duckdb.connect() as store:
        store.execute("SET preserve_insertion_order = false")
        query = (
            f"SELECT count(*) FROM (SELECT aggregate_id, event_type FROM {relation} GROUP BY ALL HAVING count(*) > 1)"
        )
        return timed(lambda: store.execute(query).fetchall())


def test_parquet(record, export):
    plain = min(by_key(f"'{export}'") for _ in range(3))
    seconds, memory = min(audited(export, ROWS) for _ in range(3))
    record(
        f"audit of a Parquet file, {ROWS:,} rows",
        seconds,
        "s",
        peer=plain,
        against="plain group-by of the key in DuckDB",
    )
    record("the same as a multiple of that group-by", seconds / plain, "times", at_most=2.5)
    record("memory of that audit", memory, "GiB", at_most=1)


def test_csv(record, export, tmp_path):
    path = tmp_path / "events.csv"
    with duckdb.connect() as store:
        store.execute(f"COPY (SELECT * EXCLUDE (payload) FROM '{export}') TO '{path}' (HEADER)")
    seconds, memory = min(audited(path, ROWS) for _ in range(2))
    record(f"audit of a CSV file, {ROWS:,} rows", seconds, "s", at_most=15)
    record("memory of that audit of a CSV file", memory, "GiB")


def test_a_huge_parquet_file(record, tmp_path):
    path = tmp_path / "huge.parquet"
    with duckdb.connect() as store:
        store.execute(f"COPY (SELECT * EXCLUDE (payload, id) FROM ({EVENTS.format(rows=HUGE)})) TO '{path}'")
    seconds, memory = audited(path, HUGE)
    record(f"audit of a Parquet file, {HUGE:,} rows", seconds, "s", peer=by_key(f"'{path}'"), against="plain group-by")
    record(f"memory of the audit of {HUGE:,} rows", memory, "GiB", at_most=4)


def test_sqlite(record, export, tmp_path):
    path, rows = tmp_path / "events.db", ROWS // 2
    with duckdb.connect() as store, sqlite_driver.connect(str(path)) as connection, connection.cursor() as cursor:
        query = f"SELECT * EXCLUDE (created_at, published_at), created_at::VARCHAR AS created_at FROM '{export}' LIMIT {rows}"
        cursor.adbc_ingest("event_outbox", store.sql(query).to_arrow_reader())
        connection.commit()
    seconds, memory = min(audited(f"sqlite:{path}", rows) for _ in range(2))
    record(f"audit of a SQLite table, {rows:,} rows", seconds, "s", at_most=10)
    record("memory of that audit of a SQLite table", memory, "GiB")


def test_postgresql(record, export, postgres):
    name = postgres.create("pairmark_audit_bench")
    told = psycopg.conninfo.conninfo_to_dict(postgres.conninfo(name))
    database = f"postgresql://{told['user']}@/{name}?host={told['host']}&port={told.get('port', 5432)}"
    with duckdb.connect() as store, postgres_driver.connect(database) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("event_outbox", store.sql(f"SELECT * FROM '{export}'").to_arrow_reader())
        connection.commit()
    with psycopg.connect(database, autocommit=True) as session:
        session.execute("VACUUM ANALYZE event_outbox")
        count = "SELECT count(aggregate_id), count(event_type) FROM event_outbox"
        by_key = "SELECT aggregate_id, event_type, count(*) FROM event_outbox GROUP BY 1, 2 HAVING count(*) > 1"

        def fastest(query: str, times: int) -> float:
            return min(timed(lambda: session.execute(query).fetchall()) for _ in range(times))

        parallel, grouped = fastest(count, 3), fastest(by_key, 2)
        session.execute("SET max_parallel_workers_per_gather = 0")
        scan = fastest(count, 3)
    seconds, memory = min(audited(database, ROWS) for _ in range(2))
    record(f"audit of a PostgreSQL table, {ROWS:,} rows", seconds, "s")
    record("a sequential scan there that touches the columns of the key, in one process", scan, "s")
    record("that audit as a multiple of that scan", seconds / scan, "times", at_most=3.5)
    record("a scan of the same columns in as many processes as PostgreSQL likes", parallel, "s")
    record("that audit as a multiple of that scan in several processes", seconds / parallel, "times", at_most=3.5)
    record(
        "the same beside GROUP BY … HAVING", seconds / grouped, "times", at_most=0.6, peer=1, against=f"{grouped:.1f} s"
    )
    record("memory of that audit of a PostgreSQL table", memory, "GiB", at_most=1)
    postgres.drop("pairmark_audit_bench")


def test_the_first_line_of_a_small_table(record, tmp_path):
    path = tmp_path / "small.csv"
    with duckdb.connect() as store:
        store.execute(f"COPY ({EVENTS.format(rows=1000)}) TO '{path}' (HEADER)")
    command = [Path(sys.executable).with_name("pairmark"), "audit", "run", str(path)]

    def first_line() -> float:
        begin = time.perf_counter()
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=AS_USERS_HAVE_IT
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            return time.perf_counter() - begin

    found = [first_line() for _ in range(5)]
    record("first output of an audit of a small file, from the start of the command", median(found), "s", at_most=0.5)
