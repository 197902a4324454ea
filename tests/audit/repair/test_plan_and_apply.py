"""A repair from its plan to its end and back, on a real server, with nobody else about."""

from datetime import UTC, datetime

import psycopg
import pytest

from pairmark.audit import audit
from pairmark.audit.grants import grants
from pairmark.audit.looks import Watched
from pairmark.audit.repair.apply import apply
from pairmark.audit.repair.plan import make_plan
from pairmark.audit.repair.undo import plan_undo, undo
from pairmark.audit.store import Chosen
from pairmark.errors import BadRequest
from support.repairs import Quiet, Theirs

EVERYTHING = ("guard", "index", "rows", "tables")
CONTENT = (
    "SELECT id, aggregate_id, event_type, created_at, payload, published_at, writer, size FROM event_outbox ORDER BY id"
)


def test_a_plan_counts_as_plain_sql_does_and_changes_nothing(place):
    place.outbox(90, 300)
    before, counts = place.rows(CONTENT), make_plan(place.request()).counts
    assert (counts.rows, counts.excess, counts.affected, counts.largest) == (300, 210, 90, 4)
    assert counts.excess == place.summary()[1]
    assert place.rows(CONTENT) == before
    assert place.left_over() == []


def test_a_plan_writes_nothing_even_if_its_condition_would(place):
    """A function that claims to be immutable is run as early as by EXPLAIN."""
    place.outbox(3, 4)
    place.rows(
        "CREATE FUNCTION deep() RETURNS void LANGUAGE plpgsql AS 'BEGIN CREATE TABLE made (); END';"
        "CREATE FUNCTION writes(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM public.deep(); RETURN true; END'"
    )
    for condition in ("public.writes('x')", "public.writes(aggregate_id)"):
        with pytest.raises(BadRequest, match="read-only transaction"):
            make_plan(place.request(where=condition))
        assert place.rows("SELECT to_regclass('made')") == [(None,)]


def test_a_repair_quarantines_all_but_the_first_and_keeps_duplicates_out(place):
    place.outbox(90, 300)
    before = place.rows(CONTENT)
    plan, quiet = make_plan(place.request(batch=50)), Quiet()
    result = apply(place.request(batch=50), quiet, digest=plan.digest)
    assert (result.rows_before, result.rows_after, result.quarantined, result.excess) == (300, 90, 210, 0)
    assert result.clean
    assert place.rows(CONTENT) == before[:90]
    moved = "SELECT id, aggregate_id, event_type, created_at, payload, published_at, writer FROM {} ORDER BY id"
    assert place.rows(moved.format(result.quarantine)) == [row[:7] for row in before[90:]]
    kept = f"SELECT count(*) FROM {result.quarantine} q JOIN event_outbox o USING (aggregate_id) WHERE o.id::text = q.pairmark_kept"
    assert place.rows(kept) == [(210,)]
    assert quiet.points.count("quarantine: batch") == 5
    assert quiet.told[-1] == ("duplicates moved", 210, 210)
    assert place.left_over() == ["pairmark_evading", "pairmark_quarantine", "pairmark_repair"]
    with pytest.raises(psycopg.errors.UniqueViolation):
        place.rows("INSERT INTO event_outbox (aggregate_id) VALUES ('a1')")


def test_the_statements_of_the_plan_are_those_that_run(place):
    place.outbox(9, 12)
    planned = [one for step in make_plan(place.request()).steps for one in step.statements]
    run: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        execute = psycopg.Connection.execute
        patch.setattr(
            psycopg.Connection,
            "execute",
            lambda self, query, *more, **named: (
                run.append(query if isinstance(query, str) else query.decode()) or execute(self, query, *more, **named)
            ),
        )
        apply(place.request(), Quiet())
    changing = ("CREATE ", "ALTER ", "DROP ", "INSERT ", "DELETE ", "UPDATE ")
    extra = {one for one in run if any(word in one for word in changing)} - set(planned)
    assert set(planned) <= set(run)
    assert all("pairmark_repair" in one for one in extra), extra


def test_the_published_row_stays_if_that_is_asked_for(place):
    place.outbox(50, 100)
    sent = place.rows("SELECT count(*) FROM event_outbox WHERE published_at IS NOT NULL")[0][0]
    first = make_plan(place.request())
    assert first.counts.sent_again == sent == 25
    assert any("publish it again" in note for note in first.notes)
    plan = make_plan(place.request(keep="published"))
    assert plan.counts.sent_again == 0
    assert plan.digest != first.digest
    apply(place.request(keep="published"), Quiet())
    assert place.rows("SELECT count(*), count(published_at) FROM event_outbox") == [(50, sent)]


def test_repaired_once_there_is_nothing_to_do(place):
    place.outbox(9, 12)
    apply(place.request(), Quiet())
    plan, quiet = make_plan(place.request()), Quiet()
    assert plan.nothing_to_do
    assert apply(place.request(), quiet).clean
    assert quiet.points == []


def test_an_index_of_theirs_that_says_as_much_is_enough(place):
    place.outbox(9, 9)
    place.rows("CREATE UNIQUE INDEX theirs ON event_outbox (aggregate_id)")
    plan = make_plan(place.request())
    assert (plan.nothing_to_do, plan.enforced_by) == (True, "theirs")
    place.rows(
        "DROP INDEX theirs; CREATE UNIQUE INDEX partly ON event_outbox (aggregate_id) WHERE published_at IS NULL"
    )
    assert make_plan(place.request()).enforced_by is None
    place.rows("DROP INDEX partly; CREATE UNIQUE INDEX more ON event_outbox (aggregate_id, event_type, id)")
    plan = make_plan(place.request())
    assert plan.enforced_by is None
    assert "lookup" not in [step.name for step in plan.steps]
    place.rows("DROP INDEX more; CREATE INDEX late ON event_outbox (id, aggregate_id, event_type)")
    assert "lookup" in [step.name for step in make_plan(place.request()).steps]


def test_an_undo_restores_every_row_as_it_was(place):
    place.outbox(90, 300)
    before = place.rows(CONTENT)
    apply(place.request(), Quiet())
    plan = plan_undo(place.request(), EVERYTHING)
    assert (plan.held, [step.name for step in plan.steps]) == (210, ["index", "rows", "tables"])
    assert place.summary() == (90, 0)
    done = undo(
        place.request(batch=100), Quiet(), EVERYTHING, digest=plan_undo(place.request(batch=100), EVERYTHING).digest
    )
    assert (done.restored, done.held) == (210, 0)
    assert place.rows(CONTENT) == before
    assert place.left_over() == []
    assert plan_undo(place.request(), EVERYTHING).nothing_to_do


def test_an_undo_never_drops_the_only_copy(place):
    place.outbox(9, 12)
    apply(place.request(), Quiet())
    for parts, words in ((("tables",), "3 rows stand in quarantine"), (("rows",), "while the index stands")):
        with pytest.raises(BadRequest, match=words):
            undo(place.request(), Quiet(), parts)
    assert place.summary() == (9, 0)


def test_a_repair_after_an_undo_begins_anew(place):
    place.outbox(9, 12)
    for _ in range(2):
        assert apply(place.request(), Quiet()).clean
        undo(place.request(), Quiet())
        assert place.summary() == (12, 3)


def test_null_is_equal_to_nothing(place):
    place.outbox(9, 12)
    place.rows("INSERT INTO event_outbox (aggregate_id) VALUES (NULL), (NULL)")
    plan = make_plan(place.request())
    assert plan.counts.nulls == 2
    assert any("2 rows have a NULL" in note for note in plan.notes)
    assert apply(place.request(), Quiet()).rows_after == 11
    place.rows("INSERT INTO event_outbox (aggregate_id) VALUES (NULL)")
    assert place.rows("SELECT count(*) FROM event_outbox WHERE aggregate_id IS NULL") == [(3,)]


@pytest.mark.parametrize(
    ("options", "stays"),
    [
        ({"types": ("done",)}, 21),
        ({"types": ("d*",)}, 21),
        ({"types": ("be?un",)}, 22),
        ({"where": "event_type = 'done' -- only these"}, 21),
        ({"where": "event_type LIKE 'd%' OR event_type = ':x'"}, 21),
    ],
)
def test_only_the_rows_that_the_key_concerns(place, options, stays):
    place.outbox(9, 12)
    place.rows(
        "INSERT INTO event_outbox (aggregate_id, event_type) SELECT 'b' || n % 10, 'begun' FROM generate_series(1, 12) n"
    )
    held: list[str] = []

    class Inserting(Quiet):
        def point(self, name: str) -> None:
            if name == "guard: done":
                for kind in ("done", "begun"):
                    query = f"INSERT INTO event_outbox (aggregate_id, event_type) VALUES ('{kind[0]}', '{kind}') RETURNING id"
                    held.extend(kind for _ in range(2) if not place.rows(query))

    result = apply(place.request(**options), Inserting())
    concerned = "begun" if options == {"types": ("be?un",)} else "done"
    assert result.clean
    assert held == [concerned]
    assert result.rows_after == stays + 3
    place.rows(
        f"INSERT INTO event_outbox (aggregate_id, event_type) VALUES ('b1', '{'done' if concerned == 'begun' else 'begun'}')"
    )


def test_names_that_need_quotes_are_quoted(place):
    place.rows(
        'CREATE SCHEMA "Odd ""one"; '
        'CREATE TABLE "Odd ""one"."Out%%box" ("Aggregate ID" text, "type" text, "n" int, "At" timestamptz)'
    )
    place.rows("""INSERT INTO "Odd ""one"."Out%%box" SELECT 'a', 'x', n, now() FROM generate_series(1, 3) n""")
    request = place.request(
        source=place.url + "&table=Odd+%22one.Out%25%25box", columns={"aggregate": "Aggregate ID", "time": "At"}
    )
    assert apply(request, Quiet()).quarantined == 2
    assert undo(request, Quiet(), EVERYTHING).restored == 2


@pytest.mark.parametrize(
    "named", ["", "&table=shop.v2.event.outbox", "&table=event.outbox", "&table=%22shop.v2%22.%22event.outbox%22"]
)
def test_names_with_a_dot_are_taken_apart_in_the_right_place(place, named):
    there = '"shop.v2"."event.outbox"'
    place.rows(
        f'CREATE SCHEMA "shop.v2"; CREATE TABLE {there} (aggregate_id text, event_type text, n int, created_at timestamptz)'
    )
    place.rows(f"INSERT INTO {there} SELECT 'a', 'x', n, now() FROM generate_series(1, 3) n")
    assert audit(place.url + named).totals["duplicates"] == 2
    seen = Watched(place.url + named, Chosen(), {}).new(datetime(2000, 1, 1, tzinfo=UTC))
    assert (seen.partial, sum(seen.repeated.values())) == (True, 3)
    assert apply(place.request(source=place.url + named), Quiet()).quarantined == 2
    assert audit(place.url + named).totals["duplicates"] == 0


def test_rights_for_names_with_a_dot(place):
    told = grants(place.url + '&table="shop.v2"."event.outbox"', "reader").reading
    assert told[-1] == 'GRANT SELECT ON TABLE "shop.v2"."event.outbox" TO "reader"'


def test_invalid_remains_of_an_earlier_build_do_not_pass_for_an_index(place: Theirs):
    place.outbox(9, 12)
    plan = make_plan(place.request())
    build = next(step for step in plan.steps if step.name == "build").statements[0]
    with pytest.raises(psycopg.errors.UniqueViolation):
        place.rows(build)
    again = make_plan(place.request())
    assert any("is dropped and built again" in one.sentence for one in again.obstacles)
    assert again.digest == plan.digest
    assert apply(place.request(), Quiet()).clean
    valid = "SELECT bool_and(indisvalid) FROM pg_index WHERE indrelid = 'event_outbox'::regclass"
    assert place.rows(valid) == [(True,)]


@pytest.mark.parametrize(
    "meanwhile", ["", "VACUUM event_outbox", "INSERT INTO event_outbox (aggregate_id) VALUES ('x'), ('y'), ('z')"]
)
def test_a_fact_keeps_its_last_row_although_the_work_list_is_old(place: Theirs, meanwhile: str):
    """The rows that were to stay are deleted by their owner between listing and moving, and others take their places."""
    place.outbox(9, 12)

    class Deleting(Quiet):
        def point(self, name: str) -> None:
            super().point(name)
            if name == "quarantine: listed" and self.points.count(name) == 1:
                place.rows("DELETE FROM event_outbox WHERE id IN (1, 2, 3)")
                if meanwhile:
                    place.rows("VACUUM event_outbox")
                    place.rows(meanwhile)

    places = place.rows("SELECT ctid::text FROM event_outbox WHERE id IN (1, 2, 3) ORDER BY id")
    result = apply(place.request(), Deleting())
    assert result.clean
    assert result.quarantined == 0
    assert place.rows("SELECT count(DISTINCT aggregate_id) FROM event_outbox WHERE aggregate_id LIKE 'a%'") == [(9,)]
    if "INSERT" in meanwhile:
        assert (
            place.rows("SELECT ctid::text FROM event_outbox WHERE aggregate_id IN ('x', 'y', 'z') ORDER BY 1") == places
        )


def test_rows_that_others_hold_are_taken_in_a_later_round(place: Theirs):
    place.outbox(9, 12)
    with psycopg.connect(place.url) as holding:
        holding.execute("SELECT FROM event_outbox WHERE id = 11 FOR UPDATE")

        class LettingGo(Quiet):
            def point(self, name: str) -> None:
                super().point(name)
                if name == "quarantine: listed" and self.points.count(name) == 3:
                    holding.rollback()

        quiet = LettingGo()
        assert apply(place.request(), quiet).quarantined == 3
    assert quiet.points.count("quarantine: listed") >= 4
