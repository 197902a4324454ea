"""The guard of a repair, against writers of every kind, on a real server."""

import threading

import psycopg
import pytest

from pairmark.audit.repair.apply import apply
from pairmark.audit.repair.plan import make_plan
from pairmark.audit.repair.undo import undo
from pairmark.errors import Busy
from pairmark.storage.waiting import until
from support.repairs import Quiet, Theirs

EVERYTHING = ("guard", "index", "rows", "tables")


def test_types_are_compared_as_their_own_equality_does(place):
    place.rows("CREATE SCHEMA other; CREATE DOMAIN other.key AS numeric; "
        "CREATE TABLE event_outbox (id int, n other.key, event_type text, "
               "created_at timestamptz DEFAULT now())")  # fmt: skip
    place.rows("INSERT INTO event_outbox SELECT 1, 1.0, 'x' UNION ALL SELECT 2, 1.00, 'x' UNION ALL SELECT 3, 2, 'x'")

    class Inserting(Quiet):
        def point(self, name: str) -> None:
            if name == "guard: done":
                place.rows("INSERT INTO event_outbox VALUES (4, 2.000, 'x')")

    request = place.request(source=f"{place.url}&table=event_outbox", columns={"aggregate": "n"})
    result = apply(request, Inserting())
    assert (result.quarantined, result.diverted, result.rows_after) == (1, 1, 2)


CODE = """
CREATE SCHEMA other; CREATE TYPE other.code;
CREATE FUNCTION other.code_in(cstring) RETURNS other.code LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
CREATE FUNCTION other.code_out(other.code) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
CREATE TYPE other.code (INPUT = other.code_in, OUTPUT = other.code_out, LIKE = integer);
CREATE FUNCTION other.eq(other.code, other.code) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'int4eq';
CREATE FUNCTION other.lt(other.code, other.code) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'int4lt';
CREATE FUNCTION other.compare(other.code, other.code) RETURNS int LANGUAGE internal IMMUTABLE STRICT AS 'btint4cmp';
CREATE FUNCTION other.mix(other.code) RETURNS int LANGUAGE internal IMMUTABLE STRICT AS 'hashint4';
CREATE FUNCTION other.mix(other.code, bigint) RETURNS bigint LANGUAGE internal IMMUTABLE STRICT AS 'hashint4extended';
CREATE OPERATOR other.= (FUNCTION = other.eq, LEFTARG = other.code, RIGHTARG = other.code, HASHES, MERGES);
CREATE OPERATOR other.< (FUNCTION = other.lt, LEFTARG = other.code, RIGHTARG = other.code);
CREATE OPERATOR CLASS other.sorted DEFAULT FOR TYPE other.code USING btree AS
    OPERATOR 1 other.<, OPERATOR 3 other.=, FUNCTION 1 other.compare(other.code, other.code);
CREATE OPERATOR CLASS other.mixed DEFAULT FOR TYPE other.code USING hash AS
    OPERATOR 1 other.=, FUNCTION 1 other.mix(other.code), FUNCTION 2 other.mix(other.code, bigint);
CREATE TABLE event_outbox (id int, aggregate_id other.code, event_type text, created_at timestamptz DEFAULT now());
INSERT INTO event_outbox VALUES (1, '7', 'x'), (2, '7', 'x'), (3, '8', 'x')
"""


def test_a_type_whose_equality_lives_in_another_schema(place):
    """As that of every extension may."""
    place.rows(CODE)

    class Inserting(Quiet):
        def point(self, name: str) -> None:
            if name == "guard: done":
                place.rows("INSERT INTO event_outbox VALUES (4, '8', 'x')")

    result = apply(place.request(), Inserting())
    assert (result.quarantined, result.diverted, result.rows_after) == (1, 1, 2)


def test_the_guard_sees_the_key_as_their_own_triggers_leave_it(place):
    place.outbox(9, 12)
    place.rows(
        "CREATE FUNCTION lowered() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN NEW.aggregate_id = lower(NEW.aggregate_id); RETURN NEW; END';"
        "CREATE TRIGGER lowered BEFORE INSERT ON event_outbox FOR EACH ROW EXECUTE FUNCTION lowered()"
    )

    class Inserting(Quiet):
        def point(self, name: str) -> None:
            if name == "guard: done":
                place.rows("INSERT INTO event_outbox (aggregate_id) VALUES ('A1')")

    assert apply(place.request(), Inserting()).diverted == 1


def test_the_guard_stays_if_the_index_goes_away_again(place):
    place.outbox(9, 12)

    class Dropping(Quiet):
        def point(self, name: str) -> None:
            if name == "unguard: begun":
                place.rows(f"DROP INDEX {make_plan(place.request()).enforced_by}")

    with pytest.raises(Busy, match=r"index is gone again\. The guard stands"):
        apply(place.request(), Dropping())
    place.rows("INSERT INTO event_outbox (aggregate_id) VALUES ('a1')")
    assert place.summary() == (9, 0)
    assert apply(place.request(), Quiet()).clean


def test_the_guard_diverts_or_refuses_and_what_it_did_is_counted(place: Theirs):
    place.outbox(9, 12)

    class Inserting(Quiet):
        def point(self, name: str) -> None:
            if name == "guard: done":
                for aggregate in ("a1", "new", "new"):
                    try:
                        place.rows(f"INSERT INTO event_outbox (aggregate_id) VALUES ('{aggregate}')")
                    except psycopg.errors.UniqueViolation as error:
                        self.points.append(str(error))

    diverting = apply(place.request(), Inserting())
    assert (diverting.diverted, diverting.refused, diverting.rows_after) == (2, 0, 10)
    undo(place.request(), Quiet(), EVERYTHING)
    assert place.summary() == (15, 5)
    listener = Inserting()
    refusing = apply(place.request(guard="refuse"), listener)
    assert (refusing.diverted, refusing.refused, refusing.rows_after) == (0, 3, 10)
    assert any("This fact is in event_outbox already" in one for one in listener.points)


def test_writers_above_read_committed_are_named(place: Theirs):
    place.outbox(9, 12)

    class Inserting(Quiet):
        def point(self, name: str) -> None:
            if name == "guard: done":
                with psycopg.connect(place.url, application_name="ledger") as strict:
                    strict.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                    strict.execute("SELECT 1 FROM event_outbox")
                    place.rows("INSERT INTO event_outbox (aggregate_id) VALUES ('fresh')")
                    strict.execute("INSERT INTO event_outbox (aggregate_id) VALUES ('fresh'), ('other')")

    result = apply(place.request(), Inserting())
    assert result.evading == ("postgres, ledger (repeatable read)",)
    assert result.clean
    assert result.quarantined == 3 + 1


def test_a_duplicate_that_slips_in_before_the_build_is_met_there_and_taken_out(place: Theirs):
    place.outbox(9, 12)

    class Slipping(Quiet):
        def point(self, name: str) -> None:
            super().point(name)
            if name == "build: begun":
                place.rows("UPDATE event_outbox SET aggregate_id = 'a2' WHERE aggregate_id = 'a1'")

    quiet = Slipping()
    result = apply(place.request(), quiet)
    assert quiet.points.count("build: duplicate met") == 1
    assert (result.clean, result.quarantined, result.rows_after) == (True, 4, 8)


def test_writers_of_incomplete_keys_do_not_wait_for_each_other(place: Theirs):
    place.outbox(9, 12)

    class Inserting(Quiet):
        def point(self, name: str) -> None:
            if name == "guard: done":
                with psycopg.connect(place.url) as one, psycopg.connect(place.url) as other:
                    other.execute("SET lock_timeout = '1s'")
                    for writer in (one, other):
                        writer.execute("INSERT INTO event_outbox (aggregate_id) VALUES (NULL)")

    assert apply(place.request(), Inserting()).rows_after == 11


def test_a_fact_that_is_being_deleted_is_no_reason_to_divert(place: Theirs):
    """The guard waits for the end of the deletion, as a unique index would."""
    place.outbox(9, 9)
    begun = threading.Event()

    class Replacing(Quiet):
        def point(self, name: str) -> None:
            if name == "guard: done":
                with psycopg.connect(place.url) as one:
                    one.execute("DELETE FROM event_outbox WHERE aggregate_id = 'a1'")
                    writer = threading.Thread(target=insert)
                    writer.start()
                    begun.wait(10)
                    waiting = (
                        "SELECT count(*) FROM pg_stat_activity "
                        "WHERE application_name = 'replacing' AND wait_event_type = 'Lock'"
                    )
                    assert until(lambda: place.rows(waiting) == [(1,)], 10)
                    one.commit()
                    writer.join()

    def insert() -> None:
        with psycopg.connect(place.url, application_name="replacing") as writer:
            begun.set()
            writer.execute("INSERT INTO event_outbox (aggregate_id) VALUES ('a1')")

    result = apply(place.request(), Replacing())
    assert (result.diverted, result.rows_after) == (0, 9)


def test_writers_need_no_rights_on_the_side_tables(place: Theirs):
    place.outbox(9, 12)
    role = f"{place.name}_writer"
    place.rows(f"CREATE ROLE {role} LOGIN; GRANT INSERT ON event_outbox TO {role}")

    class Inserting(Quiet):
        def point(self, name: str) -> None:
            if name == "guard: done":
                with psycopg.connect(place.url_of(role)) as writer:
                    writer.execute("INSERT INTO event_outbox (aggregate_id) VALUES ('a1'), ('own')")

    try:
        result = apply(place.request(), Inserting())
    finally:
        place.rows(f"DROP OWNED BY {role}; DROP ROLE {role}")
    assert (result.diverted, result.rows_after) == (1, 10)


def test_replicated_writes_meet_the_guard_too(place: Theirs):
    place.outbox(9, 12)

    class Inserting(Quiet):
        def point(self, name: str) -> None:
            if name == "guard: done":
                place.rows(
                    "SET session_replication_role = replica; INSERT INTO event_outbox (aggregate_id) VALUES ('a1'); RESET ALL"
                )

    assert apply(place.request(), Inserting()).diverted == 1
