"""The incident, to the digit, and the same from every kind of source."""

import csv
import json
import sqlite3
from functools import cache
from pathlib import Path
from uuid import UUID

import duckdb
import pytest
from psycopg.conninfo import conninfo_to_dict

from pairmark.audit import audit
from pairmark.storage.connection import Database
from support.incident import HEADINGS, PATH, SECOND, TYPE, WORST, rows
from support.incident_streams import LOG, as_log_lines, as_messages, ns_of
from support.kafka_mock import MockKafka, produce
from support.loki import FakeLoki
from support.mariadb import running

TOTALS = {
    "aggregates": 25,
    "events": 119,
    "duplicates": 94,
    "duplicates_per_aggregate": 3.76,
    "duplicate_share": pytest.approx(0.790, abs=5e-4),
    "events_per_aggregate": 4.76,
    "affected": 2,
    "affected_share": 0.08,
    "events_per_fact_median": 1.0,
    "largest_excess_share": pytest.approx(82 / 94),
}


def as_csv(folder: Path, conninfo: str) -> str:
    return str(PATH)


def as_jsonl(folder: Path, conninfo: str) -> str:
    path = folder / "events.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows()), encoding="utf-8")
    return str(path)


def as_parquet(folder: Path, conninfo: str) -> str:
    with duckdb.connect() as store:
        store.execute(
            f"COPY (SELECT * REPLACE (created_at::TIMESTAMP AS created_at) FROM '{PATH}') TO '{folder}/events.parquet'"
        )
    return f"{folder}/*.parquet"


def as_sqlite(folder: Path, conninfo: str) -> str:
    connection = sqlite3.connect(folder / "events.db")
    connection.execute(f"CREATE TABLE event_outbox ({', '.join(f'{name} TEXT' for name in HEADINGS)})")
    connection.executemany(
        f"INSERT INTO event_outbox VALUES ({', '.join('?' * len(HEADINGS))})", [list(row.values()) for row in rows()]
    )
    connection.commit()
    connection.close()
    return f"sqlite:{folder / 'events.db'}"


def as_postgresql(folder: Path, conninfo: str) -> str:
    with Database(conninfo, direct_login=True).connect() as connection:
        connection.execute("DROP SCHEMA IF EXISTS theirs CASCADE")
        connection.execute("CREATE SCHEMA theirs")
        connection.execute(
            "CREATE TABLE theirs.event_outbox (id uuid, aggregate_id text, event_type text, event_data jsonb, "
            "created_at timestamptz, published_at timestamptz, correlation_id uuid, time_is text)"
        )
        with connection.cursor() as cursor:
            values = ", ".join(["%s"] * len(HEADINGS))
            given = [
                [f"{value}+00" if name.endswith("_at") else value for name, value in row.items()] for row in rows()
            ]
            cursor.executemany(f"INSERT INTO theirs.event_outbox VALUES ({values})", given)
    parts = {name: str(value) for name, value in conninfo_to_dict(conninfo).items()}
    return f"postgresql://{parts['user']}@/{parts['dbname']}?host={parts['host']}&table=theirs.event_outbox"


def as_mysql(folder: Path, conninfo: str) -> str:
    server = running()
    database = server.fresh()
    server.rows(
        f"CREATE TABLE {database}.event_outbox (id binary(16), aggregate_id varchar(64), event_type varchar(200), "
        "event_data json, created_at timestamp(6) NULL, published_at datetime(6), correlation_id uuid, time_is text)"
    )
    given = [[UUID(row["id"]).bytes, *list(row.values())[1:]] for row in rows()]
    values = ", ".join(["%s"] * len(HEADINGS))
    server.rows(f"INSERT INTO {database}.event_outbox VALUES ({values})", given, many=True)
    return server.address(database)


@cache
def as_kafka_topic() -> str:
    cluster = MockKafka()
    cluster.create("incident", 3)
    produce(cluster.bootstrap, "incident", as_messages(3))
    return f"kafka://{cluster.bootstrap}/incident"


def as_kafka(folder: Path, conninfo: str) -> str:
    return as_kafka_topic()


def as_log(folder: Path, conninfo: str) -> str:
    return str(LOG)


def as_docker_log(folder: Path, conninfo: str) -> str:
    path = folder / "docker.jsonl"
    wrapped = [{"log": line + "\n", "stream": "stdout", "time": "2026-01-01T00:00:00.1Z"} for line in as_log_lines()]
    path.write_text("".join(json.dumps(one) + "\n" for one in wrapped), encoding="utf-8")
    return str(path)


@cache
def as_loki_stream() -> str:
    server = FakeLoki()
    for line in as_log_lines():
        server.push(line, ns_of(line), app="cj")
    return f'{server.address}?query={{app="cj"}} |= "published"&from=2025-11-01T00:00:00Z&to=2025-12-01T00:00:00Z'


def as_loki(folder: Path, conninfo: str) -> str:
    return as_loki_stream()


SOURCES = [as_csv, as_jsonl, as_parquet, as_sqlite, as_postgresql, as_mysql, as_kafka, as_log, as_docker_log, as_loki]


def test_the_example_is_made_from_the_published_facts():
    with PATH.open(newline="", encoding="utf-8") as file:
        assert list(csv.DictReader(file)) == rows()
    assert LOG.read_text(encoding="utf-8").splitlines()[1:] == as_log_lines()
    worst = [row for row in rows() if row["aggregate_id"] == WORST]
    assert [row["time_is"] for row in worst] == ["published"] * 7 + ["invented"] * 75 + ["published"]


@pytest.mark.parametrize("source", SOURCES, ids=lambda one: one.__name__[3:])
def test_the_incident_to_the_digit(source, tmp_path, conninfo):
    report = audit(source(tmp_path, conninfo))
    assert {name: report.totals[name] for name in TOTALS} == TOTALS
    assert report.verdict == "findings"
    worst, second = report.findings
    assert worst.key == {"aggregate": WORST, "type": TYPE}
    assert (worst.events, worst.excess, worst.first, worst.last) == (
        83, 82, "2025-11-15T18:59:43.007038+00:00", "2025-11-15T18:59:49.001835+00:00"
    )  # fmt: skip
    assert worst.offsets_ms[:7] == [0, 106, 275, 357, 417, 481, 558]
    assert round(worst.offsets_ms[-1]) == 5995
    assert worst.span_seconds == 5.994797
    assert worst.intervals["mean"] == pytest.approx(0.0731, abs=5e-5)
    assert (worst.pattern, worst.severity) == ("tight_burst", "critical")
    assert any("loop" in one for one in worst.readings)
    assert any("drain" in one for one in worst.readings)
    assert "--triggers" in worst.settles
    assert (second.key["aggregate"], second.events, second.pattern, second.confidence) == (
        SECOND,
        13,
        "sporadic",
        "open",
    )
    assert (second.first, second.last) == ("2025-11-15T12:01:16+00:00", "2025-11-21T11:49:52+00:00")


@pytest.mark.parametrize("source", SOURCES[1:], ids=lambda one: one.__name__[3:])
def test_every_source_gives_the_same_findings_in_the_same_order(source, tmp_path, conninfo):
    assert audit(source(tmp_path, conninfo)).findings == audit(as_csv(tmp_path, conninfo)).findings


@pytest.mark.parametrize(("per_callback", "pattern"), [(1, "trigger_drain"), (8, "runaway_loop")])
def test_a_stream_of_callbacks_settles_whether_it_was_a_loop_or_a_drain(tmp_path, per_callback, pattern):
    worst = [row["created_at"] for row in rows() if row["aggregate_id"] == WORST]
    callbacks = tmp_path / "callbacks.csv"
    callbacks.write_text("received_at\n" + "\n".join(worst[::per_callback]) + "\n", encoding="utf-8")
    report = audit(str(PATH), triggers=str(callbacks), trigger_columns={"time": "received_at"})
    assert report.findings[0].pattern == pattern
    assert "events a trigger" in report.findings[0].evidence[0]
    assert report.findings[1].pattern == "sporadic"
