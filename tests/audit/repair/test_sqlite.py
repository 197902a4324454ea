"""A repair of a table of a SQLite file: all of it, or nothing."""

import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pairmark.audit.repair.request import Request
from pairmark.audit.repair.sqlite import apply, make_plan, plan_undo, undo
from pairmark.errors import BadRequest, Busy
from support.repairs import Quiet

TABLE = "CREATE TABLE outbox (id INTEGER PRIMARY KEY, aggregate_id TEXT, event_type TEXT, created_at TEXT, published_at TEXT)"
ALL = ("index", "rows", "tables")


def filled(folder: Path, *more: str) -> Path:
    path = folder / "their.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(TABLE)
        rows = [
            (f"a{n % 30}", f"2025-11-15 12:{n // 60:02d}:{n % 60:02d}", "x" if n >= 90 else None) for n in range(100)
        ]
        statement = "INSERT INTO outbox (aggregate_id, event_type, created_at, published_at) VALUES (?, 'done', ?, ?)"
        connection.executemany(statement, rows)
        for one in more:
            connection.executescript(one)
        connection.commit()
    return path


def look(path: Path, query: str = "SELECT * FROM outbox ORDER BY id") -> list[tuple]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def request(path: Path, **options) -> Request:
    return Request(source=f"sqlite:{path}", patience=0.1, **options)


def test_repaired_and_taken_back_exactly(tmp_path):
    path = filled(tmp_path, "INSERT INTO outbox (event_type) VALUES ('done'), ('done')")
    before, quiet = look(path), Quiet()
    plan = make_plan(request(path))
    counts = plan.counts
    assert (counts.rows, counts.concerned, counts.nulls, counts.affected, counts.excess) == (102, 100, 2, 30, 70)
    assert counts.sent_again == 10
    assert look(path) == before
    result = apply(request(path), quiet, digest=plan.digest)
    assert result.clean
    assert (result.rows_before, result.rows_after, result.quarantined) == (102, 32, 70)
    assert look(path) == before[:30] + before[100:]
    with pytest.raises(sqlite3.IntegrityError):
        look(path, "INSERT INTO outbox (aggregate_id, event_type) VALUES ('a1', 'done')")
    assert make_plan(request(path)).nothing_to_do
    assert apply(request(path), Quiet()).quarantined == 70
    done = undo(request(path), Quiet(), ALL, digest=plan_undo(request(path), ALL).digest)
    assert (done.restored, done.held) == (70, 0)
    assert look(path) == before
    assert look(path, "SELECT name FROM sqlite_master WHERE name LIKE '%pairmark%' OR name LIKE '%once%'") == []


def test_the_published_row_stays_and_only_the_asked_rows_are_concerned(tmp_path):
    path = filled(tmp_path)
    assert apply(request(path, keep="published"), Quiet()).clean
    assert look(path, "SELECT count(*), count(published_at) FROM outbox") == [(30, 10)]
    undo(request(path), Quiet(), ALL)
    assert apply(request(path, types=("d?ne",), where="aggregate_id <> 'a1'"), Quiet()).rows_after == 29 + 4


def test_row_ids_that_are_used_again_take_no_other_row_along(tmp_path):
    path = filled(tmp_path)
    apply(request(path), Quiet())
    (index,) = look(path, "SELECT name FROM sqlite_master WHERE name LIKE '%once%'")[0]
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"DROP INDEX {index}")
        connection.execute("INSERT INTO outbox (aggregate_id, event_type) VALUES ('new', 'done'), ('a1', 'done')")
        connection.commit()
    assert apply(request(path), Quiet()).quarantined == 71
    assert look(path, "SELECT count(*), count(DISTINCT aggregate_id) FROM outbox") == [(31, 31)]


class Dying(Quiet):
    """Dies by SIGKILL at its n-th point."""

    def __init__(self, visit: int) -> None:
        super().__init__()
        self.visit = visit

    def point(self, name: str) -> None:
        super().point(name)
        if len(self.points) == self.visit:
            os.kill(os.getpid(), signal.SIGKILL)


def test_killed_before_the_commit_nothing_has_happened(tmp_path):
    path = filled(tmp_path)
    before = look(path)
    for visit in range(1, 6):
        child = os.fork()
        if child == 0:
            apply(request(path), Dying(visit))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL
        assert look(path) == before
    assert apply(request(path), Quiet()).clean


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("CREATE TRIGGER told AFTER DELETE ON outbox BEGIN SELECT 1; END", "trigger told fires"),
        (
            "DROP TABLE outbox; " + TABLE.replace("INTEGER PRIMARY KEY", "INT PRIMARY KEY") + " WITHOUT ROWID",
            "has no row ids",
        ),
        ("CREATE TABLE charge (event INTEGER REFERENCES outbox (id))", "charge refers to rows"),
    ],
)
def test_what_stands_in_the_way_is_said(tmp_path, more, words):
    path = filled(tmp_path, more)
    assert make_plan(request(path)).refused
    with pytest.raises(BadRequest, match=words):
        apply(request(path), Quiet())
    assert look(path, "SELECT name FROM sqlite_master WHERE name LIKE '%pairmark%'") == []


def test_a_file_that_is_locked_or_none_is_said_in_one_sentence(tmp_path):
    path = filled(tmp_path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Busy, match="locked by another process"):
            apply(request(path), Quiet())
    with pytest.raises(BadRequest, match="is not there"):
        make_plan(request(tmp_path / "no.db"))
    (tmp_path / "x.db").write_text("no database" * 100)
    with pytest.raises(BadRequest, match="refuses"):
        make_plan(request(tmp_path / "x.db"))


def test_an_undo_never_drops_the_only_copy(tmp_path):
    path = filled(tmp_path)
    apply(request(path), Quiet())
    for parts, words in ((("tables",), "nowhere else"), (("rows",), "while the index stands")):
        with pytest.raises(BadRequest, match=words):
            undo(request(path), Quiet(), parts)
    assert len(look(path)) == 30
