"""A second look at a SQLite table finds the rows of the first, whatever its rows are known by and wherever they have gone."""

import sqlite3
from contextlib import closing

import duckdb
import pytest

from pairmark.audit import audit
from pairmark.audit.sources import sqlite
from pairmark.audit.sources.sqlite import SqliteTable

COLUMNS = "aggregate_id TEXT, event_type TEXT, created_at TEXT, payload TEXT"
MADE = {
    "rowid": f"CREATE TABLE outbox ({COLUMNS})",
    "a primary key": f"CREATE TABLE outbox ({COLUMNS}, id INTEGER PRIMARY KEY)",
    "no rowid": f"CREATE TABLE outbox ({COLUMNS}, id INTEGER, PRIMARY KEY (id)) WITHOUT ROWID",
    "a column of that name": f"CREATE TABLE outbox ({COLUMNS}, rowid TEXT)",
    "columns of all those names": f"CREATE TABLE outbox ({COLUMNS}, rowid TEXT, oid TEXT, _ROWID_ TEXT)",
}
KEYS, KEYED = ["aggregate_id", "event_type"], [("a1", "done"), ("a2", None)]


def made(folder, create, rows=40):
    path = folder / "x.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(create)
        told = [
            (f"a{k % 7}", None if k % 7 == 2 else "done", f"2025-11-15T12:00:{k:02}Z", f'{{"k": {k}}}')
            for k in range(rows)
        ]
        names = "aggregate_id, event_type, created_at, payload"
        if "id INTEGER" in create:
            names, told = f"{names}, id", [(*row, k) for k, row in enumerate(told)]
        values = ", ".join("?" * (1 + names.count(",")))
        connection.executemany(f"INSERT INTO outbox ({names}) VALUES ({values})", told)
        connection.commit()
    return path


@pytest.mark.parametrize("way", MADE)
def test_rows_are_found_by_whatever_tells_them_apart(tmp_path, way):
    usual = audit(f"sqlite:{made(tmp_path, MADE['rowid'])}")
    (tmp_path / "x.db").unlink()
    report = audit(f"sqlite:{made(tmp_path, MADE[way])}")
    assert [(one.key, one.offsets_ms, one.payload) for one in report.findings] == [
        (one.key, one.offsets_ms, one.payload) for one in usual.findings
    ]
    assert report.findings[0].payload["verdict"] == "different"


def test_a_view_has_no_rowid(tmp_path):
    path = made(tmp_path, MADE["rowid"])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE VIEW event_outbox AS SELECT * FROM outbox UNION ALL SELECT * FROM outbox")
    report = audit(f"sqlite:{path}?table=event_outbox")
    assert (report.totals["events"], len(report.findings[0].offsets_ms)) == (80, 12)


@pytest.mark.parametrize("most", [sqlite.MOST_PLACES, 3])
def test_rows_that_moved_between_the_looks_are_found_by_their_key(tmp_path, monkeypatch, most):
    monkeypatch.setattr(sqlite, "MOST_PLACES", most)
    path = made(tmp_path, MADE["rowid"])
    source = SqliteTable(path, None)
    with duckdb.connect() as store:
        source.load(store, KEYS)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("DELETE FROM outbox WHERE aggregate_id = 'a0'")
            connection.commit()
            connection.execute("VACUUM")
        source.look_closer(store, [*KEYS, "payload"], KEYS, KEYED)
        near = store.execute("SELECT DISTINCT aggregate_id, event_type FROM near ORDER BY 1").fetchall()
        assert near == KEYED
        assert store.execute("SELECT count(*) FROM near").fetchall() == [(12,)]


def test_rows_written_between_the_looks_do_not_count(tmp_path):
    path = made(tmp_path, MADE["rowid"])
    source = SqliteTable(path, None)
    with duckdb.connect() as store:
        source.load(store, KEYS)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("INSERT INTO outbox VALUES ('a1', 'done', '2025-11-15', '{}')")
            connection.commit()
        source.look_closer(store, [*KEYS, "payload"], KEYS, KEYED)
        assert store.execute("SELECT count(*) FROM near").fetchall() == [(12,)]
