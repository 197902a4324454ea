"""A large table of PostgreSQL is read in ranges of its blocks: the same rows as one by one, in one snapshot."""

from collections.abc import Iterator

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from pairmark.audit import audit
from pairmark.audit.columns import recognise
from pairmark.audit.grants import grants
from pairmark.audit.shapes import as_text, untidy
from pairmark.audit.sources import postgres as sources
from pairmark.audit.sources import postgres_ranges
from pairmark.audit.sources.postgres import PostgresTable
from pairmark.audit.sources.postgres_packed import is_tidy
from pairmark.audit.sources.statements import quoted
from pairmark.audit.store import Chosen, Store
from pairmark.cli.audit.asked import GENTLE
from support.postgres import Databases
from support.repairs import Theirs, theirs

KINDS = {
    "aggregate_id": "text",
    "event_type": "varchar(40)",
    "created_at": "timestamptz",
    "local_at": "timestamp",
    "number": "bigint",
    "small": "integer",
    "smaller": "smallint",
    "entity": "uuid",
    "payload": "jsonb",
    "sent": "boolean",
    "day": "date",
    "code": "char(5)",
    "price": "numeric",
    "tags": "text[]",
    "mood": "theirs",
    "dropped": "text",
    "'odd' \"name\"": "text",
}
FILL = """
INSERT INTO event_outbox SELECT
    CASE n % 7 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN E'two\\nlines\\tand \\\\' WHEN 3 THEN repeat('räksmörgås 🦐', n % 900)
        WHEN 4 THEN (SELECT string_agg(md5((n * k)::text), '') FROM generate_series(1, 300) AS k) ELSE 'a' || n END,
    CASE WHEN n % 5 > 0 THEN 'done ' || n % 3 END,
    CASE WHEN n % 11 > 0 THEN timestamptz '1999-12-31 23:00+02' + n * interval '1 microsecond' END,
    CASE WHEN n % 3 > 0 THEN timestamp '0044-03-15 12:00 BC' + n * interval '7 days' END,
    CASE WHEN n % 4 > 0 THEN n * 9223372036854775 * CASE WHEN n % 2 > 0 THEN -1 ELSE 1 END END,
    nullif(n, 8) - 500, CASE WHEN n % 2 > 0 THEN n END,
    CASE WHEN n % 6 > 0 THEN md5(n::text)::uuid END, CASE WHEN n % 2 > 0 THEN jsonb_build_object('n', n) END,
    CASE n % 3 WHEN 0 THEN true WHEN 1 THEN false END, CASE WHEN n % 3 > 0 THEN date '2025-11-15' + n END, 'c' || n % 10,
    CASE WHEN n % 3 > 0 THEN n / 7.0 END, ARRAY['x', NULL, n::text], CASE WHEN n % 2 > 0 THEN 'glad' END::theirs, NULL, n::text
FROM generate_series(1, {rows}) AS n
"""


@pytest.fixture
def place(postgres: Databases, monkeypatch) -> Iterator[Theirs]:
    """A database of somebody else; tables of a few blocks count as large, and ranges are small."""
    monkeypatch.setattr(sources, "LARGE", 1)
    monkeypatch.setattr(postgres_ranges, "FIRST", 1)
    monkeypatch.setattr(postgres_ranges, "BYTES", 20_000)
    with theirs(postgres, "ranges") as made:
        yield made


def filled(place: Theirs, rows: int = 900) -> None:
    place.rows("CREATE TYPE theirs AS ENUM ('glad', 'sad')")
    columns = ", ".join('"' + name.replace('"', '""') + f'" {kind}' for name, kind in KINDS.items())
    place.rows(f"CREATE TABLE event_outbox ({columns})")
    place.rows(FILL.format(rows=rows))


def loaded(url: str, names: list[str]) -> tuple[list[tuple], list[tuple]]:
    """The rows that arrive, sorted, and the types that their columns have here."""
    source = PostgresTable.at(url)
    try:
        with duckdb.connect() as store:
            source.load(store, names)
            listed = ", ".join(map(quoted, names))
            kinds = store.execute(f"DESCRIBE SELECT {listed} FROM raw").fetchall()
            return store.execute(
                f"SELECT COLUMNS(*)::VARCHAR FROM (SELECT {listed} FROM raw) ORDER BY ALL"
            ).fetchall(), kinds
    finally:
        source.close()


def in_both_ways(monkeypatch, url: str, names: list[str]) -> tuple:
    found = loaded(url, names)
    with monkeypatch.context() as patched:
        patched.setattr(sources, "LARGE", 10**9)
        row_by_row = loaded(url, names)
    assert found == row_by_row
    return found


def test_values_of_all_types_arrive_as_they_do_row_by_row(place, monkeypatch):
    filled(place)
    rows, _ = in_both_ways(monkeypatch, place.url, list(KINDS))
    assert len(rows) == 900
    place.rows("DELETE FROM event_outbox WHERE number % 3 = 0")
    place.rows("UPDATE event_outbox SET event_type = event_type || ' again' WHERE small % 4 = 0")
    rows, _ = in_both_ways(monkeypatch, place.url, list(KINDS))
    assert 0 < len(rows) < 900
    for name in KINDS:
        in_both_ways(monkeypatch, place.url, [name])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some.lists(some.tuples(*[some.none() | some.text(some.characters(codec="utf-8", exclude_characters="\0"))] * 2)))
def test_any_text_arrives_as_it_is(place, monkeypatch, rows):
    place.rows("DROP TABLE IF EXISTS event_outbox")
    place.rows("CREATE TABLE event_outbox (aggregate_id text, event_type text)")
    with place.connection.cursor() as cursor:
        cursor.executemany("INSERT INTO event_outbox VALUES (%s, %s)", rows)
    found, _ = in_both_ways(monkeypatch, place.url + "&table=event_outbox", ["aggregate_id", "event_type"])
    assert sorted(found, key=repr) == sorted(rows, key=repr)


class Interrupted(PostgresTable):
    """Somebody writes between the first question and the rows, and between these and the second look."""

    def load(self, *asked):
        self.write("first")
        super().load(*asked)

    def look_closer(self, *asked):
        self.write("second")
        super().look_closer(*asked)


@pytest.mark.parametrize("gently", [False, True])
def test_one_snapshot_for_all_sessions_while_rows_are_written(place, gently):
    place.outbox(800, 900)
    source = Interrupted.at(place.url)
    source.settings = GENTLE if gently else {}
    source.write = lambda when: write(place, when)
    store = Store(source, recognise(source.columns(), {}, source.shown), Chosen())
    try:
        rows = store.repeated(1000)
        totals = store.totals()
        assert (totals.events, totals.facts, totals.affected) == (900, 800, 100)
        assert {(row["n"], len(row["times"]), row["with_id"]) for row in rows} == {(2, 2, 2)}
    finally:
        store.close()
    assert audit(place.url).totals["events"] == 900 - 100 + 2 * 500


def write(place: Theirs, when: str) -> None:
    """Rows come, change and go, and what is left of those is cleared away where nobody sees it any more."""
    if when == "first":
        place.rows("DELETE FROM event_outbox WHERE id <= 100")
    place.rows("UPDATE event_outbox SET event_type = event_type || '!', payload = NULL")
    place.rows("INSERT INTO event_outbox (aggregate_id) SELECT 'a' || n FROM generate_series(1, 500) AS n")
    place.rows("VACUUM event_outbox")


def test_a_role_that_may_only_read_gets_the_same(place):
    place.outbox(800, 900)
    place.rows("CREATE ROLE ranges_reader LOGIN")
    try:
        for statement in grants(place.url, "ranges_reader").reading:
            place.rows(statement)
        expected = audit(place.url)
        assert audit(place.url_of("ranges_reader")).findings == expected.findings
        place.rows("ALTER ROLE ranges_reader CONNECTION LIMIT 1")
        assert audit(place.url_of("ranges_reader")).findings == expected.findings
    finally:
        place.rows("DROP OWNED BY ranges_reader")
        place.rows("DROP ROLE ranges_reader")


def sessions(place: Theirs) -> int:
    return place.rows("SELECT sessions FROM pg_stat_database WHERE datname = current_database()")[0][0]


def test_gently_there_is_one_session(place):
    place.outbox(800, 900)
    opened = []
    for asked in (GENTLE, {}):
        before = sessions(place)
        audit(place.url, server_settings=asked)
        place.rows("SELECT pg_stat_force_next_flush()")
        opened.append(sessions(place) - before)
    assert opened[1] - opened[0] == 1


RELATIONS = {
    "a view": "CREATE VIEW theirs.v AS SELECT * FROM event_outbox",
    "a materialised view": "CREATE MATERIALIZED VIEW theirs.v AS SELECT * FROM event_outbox",
    "partitions": "CREATE TABLE theirs.v (LIKE event_outbox) PARTITION BY HASH (aggregate_id); "
    "CREATE TABLE theirs.p1 PARTITION OF theirs.v FOR VALUES WITH (MODULUS 2, REMAINDER 0); "
    "CREATE TABLE theirs.p2 PARTITION OF theirs.v FOR VALUES WITH (MODULUS 2, REMAINDER 1); "
    "INSERT INTO theirs.v SELECT * FROM event_outbox",
    "a parent": "CREATE TABLE theirs.v (LIKE event_outbox); CREATE TABLE theirs.heir () INHERITS (theirs.v); "
    "INSERT INTO theirs.v SELECT * FROM event_outbox LIMIT 10; "
    "INSERT INTO theirs.heir SELECT * FROM event_outbox OFFSET 10",
}


@pytest.mark.parametrize("made", RELATIONS)
def test_whatever_kind_of_relation_it_is(place, made):
    place.outbox(800, 900)
    place.rows("CREATE SCHEMA theirs")
    for statement in RELATIONS[made].split("; "):
        place.rows(statement)
    expected, found = audit(place.url + "&table=public.event_outbox"), audit(place.url + "&table=theirs.v")
    assert (found.totals, found.snapshot["digest"]) == (expected.totals, expected.snapshot["digest"])


@settings(max_examples=60, deadline=None)
@given(
    some.lists(
        some.none()
        | some.text(some.sampled_from("aF0 \t\r\n-é\u2003G"), max_size=3)
        | some.text("aF0", min_size=31, max_size=37)
    )
)
def test_texts_are_tidy_only_if_no_shape_would_change_them(texts):
    with duckdb.connect() as store:
        store.register("given", pa.table({"text": pa.array(texts, pa.string())}))
        changed = f"{as_text('text', 'VARCHAR')} IS DISTINCT FROM text"
        (shaped, odd) = store.execute(f"SELECT bool_or({changed}), bool_or({untidy('text')}) FROM given").fetchall()[0]
    tidy = is_tidy(pa.array(texts, pa.string()))
    assert tidy in {not odd, False}
    assert not (tidy and shaped)
    if not any(one and len(one) > 31 for one in texts):
        assert tidy == (not odd)
