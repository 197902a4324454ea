"""The same rows give the same result, digest and all, from every kind of source: zones, NULLs, UUIDs in two spellings …"""

import csv
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from psycopg.conninfo import conninfo_to_dict

from pairmark.audit import audit
from pairmark.storage.connection import Database
from support.kafka_mock import MockKafka, produce
from support.loki import FakeLoki
from support.mariadb import running

NAMES = ("aggregate_id", "event_type", "created_at", "id", "payload")
UPPER, LOWER = "2F8DC826-D6C6-4D5B-B9D2-1ED94FB47A50", "2f8dc826-d6c6-4d5b-b9d2-1ed94fb47a50"
ROWS: list[tuple[str | None, ...]] = [
    (UPPER, "done", "2025-11-15T18:59:43.000001Z", "1", '{"score": 1}'),
    (LOWER, "done", "2025-11-15 19:59:43.000002+01", "2", '{"score": 1}'),
    (LOWER, "done", "2025-11-15T13:59:43.000003-05:00", "3", '{"score": 2}'),
    ("naive", "done", "2025-11-15 18:59:43.5", "4", None),
    ("naive", "done", "2025-11-15T18:59:44.25", "4", None),
    ("seconds", "done", "1763233183.5", "5", "text"),
    ("seconds", "done", "1763233184", "6", "text"),
    ("nanoseconds", "done", "1763233183000001000", "7", None),
    ("nanoseconds", "done", "1763233183000002000", "8", None),
    ("null time", "Done", None, "9", None),
    ("null time", "Done", None, None, None),
    ("null time", "done", "no time", None, None),
    (None, "done", "2025-11-15T18:59:43Z", "10", None),
    ("null type", None, "2025-11-15T18:59:43Z", "11", None),
    ("null type", None, "2025-11-15T18:59:44Z", "12", None),
    ("  blanks ", "done", "2025-11-15T18:59:43Z", "13", None),
    ("blanks", "done ", "2025-11-15T18:59:44Z", "14", None),
    ("quotes \" and ' and , and \\", "done", "2999-01-01", "15", None),
    ("räksmörgås 🦐", "done", "2025-11-15T18:59:43Z", "16", None),
    ("räksmörgås 🦐", "done", "2025-11-15T18:59:43Z", "17", None),
]


def as_csv(folder: Path, conninfo: str) -> str:
    with (folder / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([NAMES, *ROWS])
    return str(folder / "rows.csv")


def _objects() -> list[str]:
    return [json.dumps(dict(zip(NAMES, row, strict=True))) for row in ROWS]


def as_jsonl(folder: Path, conninfo: str) -> str:
    (folder / "rows.jsonl").write_text("\n".join(_objects()) + "\n", encoding="utf-8")
    return str(folder / "rows.jsonl")


def as_log(folder: Path, conninfo: str) -> str:
    (folder / "rows.log").write_text("\n".join(_objects()) + "\n", encoding="utf-8")
    return str(folder / "rows.log")


def as_parquet(folder: Path, conninfo: str) -> str:
    with duckdb.connect() as store:
        store.execute(f"CREATE TABLE rows ({', '.join(f'{name} VARCHAR' for name in NAMES)})")
        store.executemany(f"INSERT INTO rows VALUES ({', '.join('?' * len(NAMES))})", [list(row) for row in ROWS])
        store.execute(f"COPY rows TO '{folder}/rows.parquet'")
    return f"{folder}/rows.parquet"


def as_sqlite(folder: Path, conninfo: str) -> str:
    connection = sqlite3.connect(folder / "rows.db")
    connection.execute(f"CREATE TABLE outbox ({', '.join(NAMES)})")
    connection.executemany(f"INSERT INTO outbox VALUES ({', '.join('?' * len(NAMES))})", ROWS)
    connection.commit()
    connection.close()
    return f"sqlite:{folder}/rows.db"


def as_postgresql(folder: Path, conninfo: str) -> str:
    with Database(conninfo, direct_login=True).connect() as connection:
        connection.execute("CREATE TABLE public.theirs (" + ", ".join(f"{name} text" for name in NAMES) + ")")
        with connection.cursor() as cursor:
            cursor.executemany(f"INSERT INTO public.theirs VALUES ({', '.join(['%s'] * len(NAMES))})", ROWS)
    parts = {name: str(value) for name, value in conninfo_to_dict(conninfo).items()}
    return f"postgresql://{parts['user']}@/{parts['dbname']}?host={parts['host']}&table=public.theirs"


def as_mysql(folder: Path, conninfo: str) -> str:
    server = running()
    database = server.fresh()
    server.rows(f"CREATE TABLE {database}.outbox ({', '.join(f'{name} text' for name in NAMES)})")
    server.rows(f"INSERT INTO {database}.outbox VALUES ({', '.join(['%s'] * len(NAMES))})", ROWS, many=True)
    return server.address(database)


def as_kafka(folder: Path, conninfo: str) -> str:
    cluster = _kept(MockKafka())
    cluster.create("rows", 2)
    produce(cluster.bootstrap, "rows", [{"value": one, "partition": n % 2} for n, one in enumerate(_objects())])
    return f"kafka://{cluster.bootstrap}/rows"


def as_loki(folder: Path, conninfo: str) -> str:
    server = _kept(FakeLoki())
    for number, line in enumerate(_objects()):
        server.push(line, 1_763_233_183 * 10**9 + number, app="cj")
    return f'{server.address}?query={{app="cj"}}&from=2025-11-15T18:00:00Z&to=2025-11-15T20:00:00Z'


_open: list[MockKafka | FakeLoki] = []


def _kept(server: Any) -> Any:
    _open.append(server)
    return server


@pytest.fixture(autouse=True)
def servers():
    yield
    while _open:
        _open.pop().close()


SOURCES: list[Callable[[Path, str], str]] = [
    as_jsonl,
    as_log,
    as_parquet,
    as_sqlite,
    as_postgresql,
    as_mysql,
    as_kafka,
    as_loki,
]
COLUMNS = dict(zip(("aggregate", "type", "time", "id", "payload"), NAMES, strict=True))


@pytest.mark.parametrize("source", SOURCES, ids=lambda one: one.__name__[3:])
def test_the_same_rows_give_the_same_result(source, tmp_path, conninfo):
    expected, found = (audit(one(tmp_path, conninfo), columns=COLUMNS) for one in (as_csv, source))
    assert found.totals == expected.totals
    assert found.odd == expected.odd
    assert [(one.key, one.first, one.last, one.offsets_ms, one.ids, one.payload) for one in found.findings] == [
        (one.key, one.first, one.last, one.offsets_ms, one.ids, one.payload) for one in expected.findings
    ]
    assert found.snapshot["digest"] == expected.snapshot["digest"]


def test_and_that_result_is_the_right_one(tmp_path, conninfo):
    report = audit(as_csv(tmp_path, conninfo), columns=COLUMNS)
    assert (report.totals["events"], report.totals["aggregates"], report.totals["duplicates"]) == (19, 9, 9)
    found = {one.key["aggregate"]: one for one in report.findings}
    assert set(found) == {LOWER, "naive", "seconds", "nanoseconds", "null time", "null type", "blanks", "räksmörgås 🦐"}
    assert found[LOWER].offsets_ms == [0.0, 0.001, 0.002]
    assert (found["naive"].span_seconds, found["naive"].ids) == (0.75, "all the same")
    assert (found["seconds"].span_seconds, found["nanoseconds"].offsets_ms) == (0.5, [0.0, 0.001])
    assert found["null time"].first is None
    assert report.odd == {"without aggregate": 1, "without a readable time": 3, "more than a day in the future": 1,
                          "types that differ by upper and lower case only": 1}  # fmt: skip
