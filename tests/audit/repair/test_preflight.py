"""What a repair refuses to begin with, and what it says beforehand, each caused for real."""

import os
import tempfile
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from pairmark.audit.repair.apply import apply
from pairmark.audit.repair.plan import make_plan
from pairmark.audit.repair.request import Request
from pairmark.errors import BadRequest, Busy
from pairmark.storage.embedded import EmbeddedServer
from support.memory import places
from support.repairs import Quiet, Theirs

TABLE = "CREATE TABLE {} (id int, aggregate_id text, event_type text, created_at timestamptz) {}"
TRIGGER = (
    "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
    "CREATE TRIGGER {} {} ON event_outbox FOR EACH ROW EXECUTE FUNCTION f()"
)
NAMED = "&table=event_outbox"


@pytest.mark.parametrize(
    ("statement", "options", "words"),
    [
        ("CREATE TABLE charge (event bigint REFERENCES event_outbox ON DELETE CASCADE)", {}, ["charge refers to rows", "plan B"]),
        ("ALTER TABLE event_outbox RENAME TO t; CREATE VIEW event_outbox AS SELECT * FROM t", {"table": True}, ["is a view"]),
        ("CREATE TABLE more () INHERITS (event_outbox)", {"table": True}, ["inherit from", "plan B"]),
        ("CREATE RULE kept AS ON DELETE TO event_outbox DO INSTEAD NOTHING", {}, ["the rule kept"]),
        (TRIGGER.format("told", "AFTER DELETE"), {}, ["trigger told fires for every row", "--accept-triggers"]),
        (TRIGGER.format("zzz_last", "BEFORE INSERT"), {}, ["zzz_last fires after the guard"]),
        ("CREATE PUBLICATION all_of_it FOR TABLE event_outbox; ALTER TABLE event_outbox REPLICA IDENTITY NOTHING", {},
         ["all_of_it", "REPLICA IDENTITY FULL"]),
        ("SELECT 1", {"unique_on": ("key",), "columns": {"key": "payload"}}, []),
        ("ALTER TABLE event_outbox ALTER payload TYPE json", {"unique_on": ("key",), "columns": {"key": "payload"}},
         ["payload is of type json", "no unique index"]),
        ("SELECT 1", {"unique_on": ("key",), "columns": {"key": "size"}}, ["size is a generated column"]),
        ("CREATE COLLATION lax (provider = libc, locale = 'C');"
         "UPDATE pg_collation SET collisdeterministic = false WHERE collname = 'lax';"
         "ALTER TABLE event_outbox ADD lax text COLLATE lax", {"unique_on": ("key",), "columns": {"key": "lax"}},
         ["lax has a collation"]),
    ],
)  # fmt: skip
def test_what_stands_in_the_way_is_said_before_anything_is_changed(place, statement, options, words):
    place.outbox(9, 12)
    options = dict(options)
    place.rows(statement)
    source = place.url + (NAMED if options.pop("table", False) else "")
    plan = make_plan(place.request(source=source, **options))
    if not words:
        assert not plan.refused
        return
    assert plan.refused
    with pytest.raises(BadRequest) as refused:
        apply(place.request(source=source, **options), Quiet())
    assert "\n" not in str(refused.value)
    for word in words:
        assert word in str(refused.value), (word, str(refused.value))
    assert place.left_over() == []


def test_triggers_can_be_accepted(place):
    place.outbox(9, 12)
    place.rows(TRIGGER.format("told", "AFTER DELETE"))
    assert apply(place.request(accept_triggers=True), Quiet()).clean


def test_a_partitioned_table_without_the_key_is_offered_plan_b(place):
    place.rows(TABLE.format("event_outbox", "PARTITION BY RANGE (created_at)"))
    place.rows("CREATE TABLE first PARTITION OF event_outbox DEFAULT")
    place.rows("INSERT INTO event_outbox SELECT n, 'a', 'done', now() FROM generate_series(1, 3) n")
    plan = make_plan(place.request(source=place.url + NAMED))
    assert plan.refused
    assert "partitioned by RANGE (created_at), which is not in the key" in plan.obstacles[0].sentence
    for statement in plan.plan_b:
        if not statement.startswith("--"):
            place.rows(statement)
    assert place.rows("SELECT * FROM event_outbox_fact") == [("a", "done")]
    alone = make_plan(place.request(source=place.url + "&table=first"))
    assert "one of several partitions" in alone.obstacles[0].sentence


def test_partitions_by_the_key_are_repaired_one_by_one(place):
    place.rows(TABLE.format("event_outbox", "PARTITION BY LIST (event_type)"))
    place.rows("CREATE TABLE first PARTITION OF event_outbox DEFAULT")
    place.rows("INSERT INTO event_outbox SELECT n, 'a', 'done', now() FROM generate_series(1, 3) n")
    whole = make_plan(place.request(source=place.url + NAMED))
    assert "by ?table= (first)" in whole.obstacles[0].remedy
    assert apply(place.request(source=place.url + "&table=first"), Quiet()).quarantined == 2


def test_plan_b_beside_foreign_keys_can_be_run_as_printed(place):
    place.outbox(9, 12)
    place.rows("CREATE TABLE charge (event bigint REFERENCES event_outbox)")
    for statement in make_plan(place.request()).plan_b:
        if not statement.startswith("--"):
            place.rows(statement)
    place.rows("INSERT INTO event_outbox (aggregate_id, dedupe_key) VALUES ('a', 'x')")
    with pytest.raises(psycopg.errors.UniqueViolation):
        place.rows("INSERT INTO event_outbox (aggregate_id, dedupe_key) VALUES ('a', 'x')")


@pytest.mark.parametrize(
    ("rights", "words"),
    [
        ("GRANT SELECT ON event_outbox TO {role}", "Only the owner"),
        ("ALTER TABLE event_outbox OWNER TO {role}", "may create nothing in the schema"),
        ("ALTER TABLE event_outbox OWNER TO {role}; ALTER TABLE event_outbox ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
         "GRANT CREATE ON SCHEMA public TO {role}", "Row security hides rows"),
        ("ALTER TABLE event_outbox OWNER TO {role}; GRANT CREATE ON SCHEMA public TO {role};"
         "ALTER ROLE {role} SET default_transaction_read_only = on", "may only read"),
    ],
)  # fmt: skip
def test_rights_that_are_missing_are_named(place, rights, words):
    place.outbox(9, 12)
    role = f"{place.name}_role"
    place.rows(f"CREATE ROLE {role} LOGIN")
    try:
        place.rows(rights.format(role=role))
        plan = make_plan(place.request(source=place.url_of(role)))
        assert plan.refused
        assert any(words in one.sentence for one in plan.obstacles if one.refuses), plan.obstacles
    finally:
        place.rows(f"REASSIGN OWNED BY {role} TO postgres; DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_replica_takes_no_writes():
    with tempfile.TemporaryDirectory(prefix="pm-test-replica-", dir=places()[0], ignore_cleanup_errors=True) as folder:
        home, settings = Path(folder), {"wal_level": "replica", "fsync": "off"}
        home.chmod(0o711)  # root's server runs as an ordinary user
        with EmbeddedServer.open(home, settings=settings) as server, psycopg.connect(server.conninfo()) as connection:
            connection.execute(TABLE.format("event_outbox", "").encode())
        data = home / "postgres" / "data"
        owner = (data / "PG_VERSION").stat()
        (data / "standby.signal").touch()
        os.chown(data / "standby.signal", owner.st_uid, owner.st_gid)
        with EmbeddedServer.open(home, settings=settings) as server:
            known = psycopg.conninfo.conninfo_to_dict(server.conninfo())
            url = f"postgresql://postgres@/{known['dbname']}?host={quote(str(known['host']), safe='')}&port={known['port']}"
            plan = make_plan(Request(source=url))
            assert "is a replica" in plan.obstacles[0].sentence
            with pytest.raises(BadRequest, match="is a replica"):
                apply(Request(source=url), Quiet())


def test_writers_above_read_committed_and_leftovers_are_named_beforehand(place):
    place.outbox(9, 12)
    role = f"{place.name}_strict"
    place.rows(f"CREATE ROLE {role}")
    try:
        place.rows(f"ALTER ROLE {role} IN DATABASE {place.name} SET default_transaction_isolation = 'serializable'")
        with pytest.raises(psycopg.errors.UniqueViolation):
            place.rows("CREATE UNIQUE INDEX CONCURRENTLY theirs ON event_outbox (aggregate_id)")
        said = [f"{one.sentence} {one.remedy}" for one in make_plan(place.request()).obstacles]
        assert any(f"{role} (serializable)" in one for one in said)
        assert any("theirs is invalid" in one and "DROP INDEX CONCURRENTLY theirs" in one for one in said)
    finally:
        place.rows(f"DROP ROLE {role}")


def test_old_transactions_are_named(place, monkeypatch):
    from pairmark.audit.repair import activity  # noqa: PLC0415

    place.outbox(9, 12)
    with psycopg.connect(place.url, application_name="report") as old:
        old.execute("SELECT 1")
        monkeypatch.setattr(activity, "OLD", activity.OLD.replace("secs => 60", "secs => 0"))
        said = [one for one in make_plan(place.request()).obstacles if "report" in one.sentence]
        assert "has been in one transaction" in said[0].sentence
        assert not said[0].refuses
        monkeypatch.setattr(activity, "TOO_OLD_SECONDS", -1)
        said = [one for one in make_plan(place.request()).obstacles if "report" in one.sentence]
        assert said[0].refuses
        assert f"pg_terminate_backend({old.info.backend_pid})" in said[0].remedy


def test_a_lock_that_cannot_be_had_ends_in_one_sentence_and_the_same_call_goes_on(place: Theirs):
    place.outbox(9, 12)
    with psycopg.connect(place.url) as reader:

        class Holding(Quiet):
            def point(self, name: str) -> None:
                if name == "unguard: begun":
                    reader.execute("SELECT 1 FROM event_outbox")

        with pytest.raises(Busy, match=r"At the step unguard: .*lock.* The guard stands") as refused:
            apply(place.request(lock_timeout=0.05, patience=1.0), Holding())
        assert "\n" not in str(refused.value)
    assert apply(place.request(), Quiet()).clean


def test_a_server_that_goes_away_ends_in_one_sentence(place: Theirs):
    place.outbox(9, 12)

    class Cutting(Quiet):
        def point(self, name: str) -> None:
            if name == "quarantine: listed":
                place.rows(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pairmark audit repair'"
                )

    with pytest.raises(Busy, match=r"At the step quarantine: .* goes on where it was"):
        apply(place.request(), Cutting())
    assert apply(place.request(), Quiet()).clean


def test_a_condition_that_cannot_be_indexed_leaves_no_trace(place):
    place.outbox(9, 12)
    for condition, words in (("aggregate_id = (", "syntax error"), ("colour = 1", 'column "colour" does not exist')):
        with pytest.raises(BadRequest, match=words):
            make_plan(place.request(where=condition))
    with pytest.raises(BadRequest, match="IMMUTABLE"):
        apply(place.request(where="created_at < now()"), Quiet())
    assert place.left_over() == []
