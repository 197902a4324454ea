"""Transactions that ran at once are proven by commit times, where the server keeps them; otherwise nothing is claimed."""

import shutil
import tempfile
from datetime import timedelta
from functools import partial
from pathlib import Path

import psycopg
import pytest

from pairmark.audit import audit
from pairmark.audit.commits import Overlap, overlap
from pairmark.audit.patterns import read
from pairmark.audit.reading import History
from pairmark.audit.sources import postgres_commits
from pairmark.storage.embedded import EmbeddedServer
from support.postgres import Databases
from support.repairs import Theirs

INSERT = "INSERT INTO event_outbox (aggregate_id, created_at) VALUES (%s, clock_timestamp() + %s) RETURNING created_at"


@pytest.fixture
def outbox(postgres, monkeypatch):
    """An empty outbox on a server that keeps commit times, with counts of updates taken as they are."""
    monkeypatch.setattr(postgres_commits, "SETTLED", "0 seconds")
    made = outbox_at(postgres, f"commits_{id(monkeypatch)}")
    yield made
    made.connection.close()
    postgres.drop(made.name)


def outbox_at(databases, name):
    made = Theirs(databases, databases.create(name))
    made.rows("CREATE TABLE event_outbox (id serial, aggregate_id text, event_type text DEFAULT 'done', created_at timestamptz,"
              " published_at timestamptz)")  # fmt: skip
    return made


def insert(outbox, *facts, clock=0.0):
    """Insert facts one after the other, in a transaction each."""
    for fact in facts:
        with psycopg.connect(outbox.databases.conninfo(outbox.name)) as connection:
            connection.execute(INSERT, (fact, timedelta(seconds=clock)))


def insert_at_once(outbox, fact):
    """Insert a fact twice, the second a microsecond after the first, which is then committed."""
    connect = partial(psycopg.connect, outbox.databases.conninfo(outbox.name))
    with connect() as one, connect() as other:
        (made,) = one.execute(INSERT, (fact, timedelta(0))).fetchone()
        other.execute(
            "INSERT INTO event_outbox (aggregate_id, created_at) VALUES (%s, %s)",
            (fact, made + timedelta(microseconds=1)),
        )


def found(outbox):
    return {one.key["aggregate"]: one for one in audit(outbox.url).findings}


def test_two_transactions_at_once_are_a_proven_race_and_two_in_a_row_are_not(outbox):
    insert_at_once(outbox, "race")
    insert(outbox, "in a row", "in a row")
    raced, followed = found(outbox)["race"], found(outbox)["in a row"]
    assert (raced.pattern, raced.confidence, raced.settles) == ("race", "proven", "")
    assert raced.evidence[0].startswith(
        "1 of 1 events were followed by one that was made before they were committed, by up to "
    )
    assert followed.confidence != "proven"
    assert followed.evidence[-1] == "none of 1 events was followed by one that was made before it was committed"


@pytest.mark.parametrize(
    "spoil",
    [
        "UPDATE event_outbox SET published_at = now(); SELECT pg_stat_force_next_flush()",
        "SELECT pg_stat_reset()",
        "ALTER TABLE event_outbox RENAME TO old; CREATE VIEW event_outbox AS SELECT * FROM old",
    ],
    ids=["rows that were rewritten", "counts that were reset", "a view"],
)
def test_what_is_not_known_changes_nothing(outbox, spoil):
    insert_at_once(outbox, "a")
    assert found(outbox)["a"].confidence == "proven"
    for statement in spoil.split("; "):
        outbox.rows(statement)
    one = found(outbox)["a"]
    assert one.confidence != "proven"
    assert "track_commit_timestamp" in one.settles
    assert not any("committed" in line for line in one.evidence)


def test_commits_of_the_last_minute_are_not_yet_believed(outbox, monkeypatch):
    monkeypatch.undo()
    insert_at_once(outbox, "a")
    assert found(outbox)["a"].confidence != "proven"


def test_a_clock_before_that_of_the_server_proves_nothing(outbox):
    insert(outbox, "ahead", "ahead", clock=5.0)
    assert not any("committed" in line for line in found(outbox)["ahead"].evidence)


def test_a_server_that_keeps_no_commit_times_is_asked_for_none(tmp_path, monkeypatch):
    monkeypatch.setattr(postgres_commits, "SETTLED", "0 seconds")
    home = Path(tempfile.mkdtemp(prefix="pm-test-"))
    home.chmod(0o711)  # root's server runs as an ordinary user
    with EmbeddedServer.open(home, settings={"track_commit_timestamp": "off"}) as server:
        silent = outbox_at(Databases(server), "silent")
        insert_at_once(silent, "a")
        one = found(silent)["a"]
        silent.connection.close()
    shutil.rmtree(home)
    assert (one.pattern, one.confidence) == ("race", "likely")
    assert "track_commit_timestamp" in one.settles


S = 1_000_000


@pytest.mark.parametrize(
    ("times", "commits", "told"),
    [
        ([0, 1 * S, 2 * S], [3 * S, 3 * S, 3 * S], Overlap(2, 2, 2.0)),
        ([0, 1 * S, 2 * S], [S // 2, 1 * S, 9 * S], Overlap(2, 0, 0.0)),
        ([0, 1 * S], [None, 2 * S], None),
        ([0, 1 * S], [3_601 * S, None], None),
        ([0, 1 * S], [2 * S, S // 2], None),
        ([0], [1], None),
    ],
    ids=["at once", "in a row", "not known", "rewritten an hour later", "another clock", "alone"],
)
def test_what_times_of_making_and_of_commit_say(times, commits, told):
    assert overlap(times, commits) == told


def test_one_overlap_among_many_is_told_and_names_nothing():
    burst = History([0.1 * k for k in range(12)], overlapping=True, overlap=Overlap(11, 1, 0.02))
    found = read(burst)
    assert found.pattern == "tight_burst"
    assert found.evidence[-1].startswith(
        "1 of 11 events were followed by one that was made before they were committed, by up to 20 ms"
    )
    assert read(History([0.0, 0.1, 0.3], overlapping=True, overlap=Overlap(2, 1, 0.02))).confidence == "proven"
