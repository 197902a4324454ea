"""Transactions that ran at once are proven by commit times, where the server keeps them; otherwise nothing is claimed."""

import os
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
from support.memory import places
from support.postgres import Databases
from support.repairs import Theirs

INSERT = "INSERT INTO event_outbox (aggregate_id, created_at) VALUES (%s, clock_timestamp() + %s) RETURNING created_at"
PLAIN = "INSERT INTO event_outbox (aggregate_id) VALUES (%s)"


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
    made.rows("CREATE TABLE event_outbox (id serial, aggregate_id text, event_type text DEFAULT 'done',"
              " created_at timestamptz DEFAULT clock_timestamp(), published_at timestamptz)")  # fmt: skip
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


def test_rows_of_one_transaction_did_not_race(outbox):
    with psycopg.connect(outbox.databases.conninfo(outbox.name)) as one:
        for _ in range(3):
            one.execute(PLAIN, ("three at once",))
    told = found(outbox)["three at once"]
    assert (told.pattern, told.confidence) == ("race", "likely")
    assert not any("committed" in line for line in told.evidence)
    assert "track_commit_timestamp" in told.settles


def test_a_table_that_was_written_anew_proves_nothing(outbox):
    insert(outbox, "a", "a", "b", "b")
    outbox.rows("ALTER TABLE event_outbox ALTER id TYPE numeric")
    told = found(outbox)
    assert {one.confidence for one in told.values()} <= {"likely", "open"}
    assert not any("committed" in line for one in told.values() for line in one.evidence)
    insert_at_once(outbox, "later")
    assert found(outbox)["later"].confidence == "likely"


def test_times_that_the_database_does_not_give_are_likely_at_most(outbox):
    outbox.rows("ALTER TABLE event_outbox ALTER created_at DROP DEFAULT")
    insert_at_once(outbox, "a")
    told = found(outbox)["a"]
    assert (told.pattern, told.confidence) == ("race", "likely")
    assert "a clock that far behind the database's would look the same" in told.evidence[0]
    assert "DEFAULT clock_timestamp()" in told.settles


def test_rows_restored_in_many_transactions_are_likely_at_most(outbox):
    insert(outbox, "old", "old", clock=-120.0)
    told = found(outbox)["old"]
    assert (told.pattern, told.confidence) == ("race", "likely")
    assert "brought over with their old times would look the same" in told.evidence[0]


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


def test_a_standby_and_what_it_was_promoted_to_know_no_updates(monkeypatch):
    """Updates were counted where they were made; a standby that counted none, and reads all rows, would call each a proof."""
    monkeypatch.setattr(postgres_commits, "SETTLED", "0 seconds")
    with tempfile.TemporaryDirectory(prefix="pm-test-", dir=places()[0], ignore_cleanup_errors=True) as folder:
        home, settings = Path(folder), {"wal_level": "replica", "fsync": "off"}
        home.chmod(0o711)  # root's server runs as an ordinary user
        with EmbeddedServer.open(home, settings=settings) as server:
            place = outbox_at(Databases(server), "stood_by")
            insert_at_once(place, "a")
            assert found(place)["a"].confidence == "proven"
            place.connection.close()
        data = home / "postgres" / "data"
        owner = (data / "PG_VERSION").stat()
        (data / "standby.signal").touch()
        os.chown(data / "standby.signal", owner.st_uid, owner.st_gid)
        with EmbeddedServer.open(home, settings=settings) as server:
            place = Theirs(Databases(server), "stood_by")
            assert place.rows("SELECT pg_is_in_recovery()") == [(True,)]
            standing_by = found(place)["a"]
            assert place.rows("SELECT pg_promote()") == [(True,)]
            promoted = found(place)["a"]
            place.connection.close()
    for one in (standing_by, promoted):
        assert one.confidence != "proven"
        assert not any("committed" in line for line in one.evidence)


S = 1_000_000


@pytest.mark.parametrize(
    ("times", "commits", "told"),
    [
        ([0, 1 * S, 2 * S], [3 * S, 4 * S, 5 * S], Overlap(2, 2, 2.0)),
        ([0, 1 * S, 2 * S], [61 * S, 62 * S, 63 * S], Overlap(2, 2, 60.0, soon=False)),
        ([0, 1 * S, 2 * S], [3 * S, 3 * S, 3 * S], None),
        ([0, 1 * S, 2 * S], [3 * S, 3 * S, 4 * S], Overlap(1, 1, 1.0)),
        ([0, 1 * S], [2 * S, None], None),
        ([0, 1 * S, 2 * S], [S // 2, 1 * S, 9 * S], Overlap(2, 0, 0.0)),
        ([0, 1 * S], [None, 2 * S], None),
        ([0, 1 * S], [3_601 * S, None], None),
        ([0, 1 * S], [2 * S, S // 2], None),
        ([0], [1], None),
    ],
    ids=[
        "at once",
        "an old time",
        "one transaction",
        "two of one transaction",
        "one known",
        "in a row",
        "not known",
        "rewritten an hour later",
        "another clock",
        "alone",
    ],
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
    raced = {"overlapping": True, "overlap": Overlap(2, 1, 0.02)}
    assert read(History([0.0, 0.1, 0.3], **raced, clocked=True)).confidence == "proven"
    assert read(History([0.0, 0.1, 0.3], **raced)).confidence == "likely"
