"""What a source may hold, and what is refused in one sentence."""

import json
import sqlite3
from pathlib import Path

import duckdb
import pytest

from pairmark.audit import audit
from pairmark.audit.sources.address import open_source
from pairmark.audit.sources.postgres import PostgresTable
from pairmark.errors import BadRequest, Busy, PairmarkError


def written(path: Path, text: str, encoding: str = "utf-8") -> str:
    path.write_text(text, encoding=encoding)
    return str(path)


def events(folder: Path, *rows: str, header: str = "aggregate_id,event_type,created_at,id") -> str:
    return written(folder / "events.csv", "\n".join([header, *rows]) + "\n")


MOMENTS = {
    "space": ("2025-11-15 18:59:43.5", "2025-11-15 18:59:44"),
    "zone": ("2025-11-15T19:59:43.5+01:00", "2025-11-15T18:59:44Z"),
    "seconds": ("1763233183.5", "1763233184"),
    "milliseconds": ("1763233183500", "1763233184000"),
    "microseconds": ("1763233183500000", "1763233184000000"),
    "nanoseconds": ("1763233183500000000", "1763233184000000000"),
    "mixed": ("2025-11-15T18:59:43.5", "1763233184"),
}


@pytest.mark.parametrize("way", MOMENTS)
def test_times_are_read_in_every_usual_way(tmp_path, way):
    first, last = MOMENTS[way]
    (found,) = audit(events(tmp_path, f"a,done,{first},1", f"a,done,{last},2")).findings
    assert (found.first, found.span_seconds) == ("2025-11-15T18:59:43.500000+00:00", 0.5)


def test_uuids_in_two_spellings_are_one_and_blanks_are_no_difference(tmp_path):
    upper, lower = "2F8DC826-D6C6-4D5B-B9D2-1ED94FB47A50", " 2f8dc826-d6c6-4d5b-b9d2-1ed94fb47a50 "
    report = audit(events(tmp_path, f"{upper},done,,1", f"{lower},done,,2", "x,Done,,3", "x,done,,4"))
    assert report.totals["affected"] == 1
    assert report.odd == {"without a readable time": 4, "types that differ by upper and lower case only": 1}


SPELLINGS = {
    "blank-before": (" order-1", "order-1"),
    "tab-before": ("\torder-1", "order-1"),
    "blank-after": ("order-1 ", "order-1"),
    "line-after": ("order-1\n", "order-1"),
    "return-after": ("order-1\r", "order-1"),
    "upper": ("2F8DC826-D6C6-4D5B-B9D2-1ED94FB47A50", "2f8dc826-d6c6-4d5b-b9d2-1ed94fb47a50"),
    "upper-without-hyphens": ("2F8DC826D6C64D5BB9D21ED94FB47A50", "2f8dc826d6c64d5bb9d21ed94fb47a50"),
    "mixed": ("2f8dc826-d6c6-4d5b-b9d2-1ed94fb47A50", "2f8dc826-d6c6-4d5b-b9d2-1ed94fb47a50"),
}


@pytest.mark.parametrize("way", SPELLINGS)
def test_one_odd_spelling_among_tidy_ones_is_seen(tmp_path, way):
    told = [*SPELLINGS[way], "order-2", "ORDER-2"]
    rows = [{"aggregate_id": name, "event_type": "done", "created_at": "2025-11-15T12:00:00Z"} for name in told]
    report = audit(written(tmp_path / "x.jsonl", "".join(json.dumps(row) + "\n" for row in rows)))
    assert (report.totals["affected"], report.totals["facts"], report.totals["aggregates"]) == (1, 3, 3)
    assert report.findings[0].key["aggregate"] == SPELLINGS[way][1]


def test_facts_with_one_hash_are_told_apart(tmp_path, monkeypatch):
    source = events(tmp_path, *(f"a{k % 7},done,2025-11-15,{k}" for k in range(12)))
    by_hash = audit(source)
    monkeypatch.setattr("pairmark.audit.store.HASH", "0 * length(concat({}))")
    assert audit(source).totals == by_hash.totals
    assert (by_hash.totals["facts"], by_hash.totals["affected"]) == (7, 5)
    assert by_hash.totals["events_per_fact_median"] == 2


def test_too_little_room_is_said_in_one_sentence(tmp_path, monkeypatch):
    source = str(tmp_path / "events.parquet")
    rows = "SELECT md5((k % 30000)::VARCHAR) AS aggregate_id, 'done' AS event_type, k AS id FROM range(60000) AS numbers(k)"
    duckdb.sql(rows).write_parquet(source)
    monkeypatch.setattr("pairmark.audit.store.LEAST_MEMORY", 2)
    monkeypatch.setattr("pairmark.audit.store.MOST_MEMORY", 2)
    with pytest.raises(PairmarkError, match="more room than there is"):
        audit(source)


def test_what_cannot_be_counted_is_counted_aloud(tmp_path):
    report = audit(
        events(tmp_path, ",done,2025-11-15,1", "a,done,yesterday,2", "a,done,2999-01-01,3", "a,done,2025-11-15,4")
    )
    assert report.totals["events"] == 3
    assert report.odd == {"without aggregate": 1, "without a readable time": 1, "more than a day in the future": 1}
    assert report.findings[0].events == 3


def test_nothing_to_look_at_is_never_clean(tmp_path):
    assert audit(events(tmp_path)).verdict == "undetermined"
    source = events(tmp_path, "a,done,2025-11-15,1")
    assert audit(source).verdict == "clean"
    nothing = audit(source, types=["other*"])
    assert nothing.verdict == "undetermined"
    assert "done (1)" in nothing.next_steps[0]


def test_only_the_types_and_times_that_are_asked_for(tmp_path):
    rows = [f"a,done,2025-11-15 10:0{minute}:00,{minute}" for minute in range(5)] + [
        "a,begun,2025-11-15 10:00:00,9"
    ] * 2
    source = events(tmp_path, *rows)
    assert audit(source, types=["d*"]).totals["events"] == 5
    asked = audit(source, types=["done"], since="2025-11-15T10:01:00", until="2025-11-15T12:03:00+02:00")
    assert asked.totals["events"] == 2
    assert asked.filters["until"] == "2025-11-15T12:03:00+02:00"


def test_the_same_fact_is_what_the_user_says_it_is(tmp_path):
    source = events(tmp_path, "a,done,2025-11-15,1", "a,done,2025-11-15,1", "a,done,2025-11-15,2")
    assert audit(source).totals["duplicates"] == 2
    assert audit(source, unique_on=["id"]).totals["duplicates"] == 1
    assert audit(source, unique_on=["aggregate", "type", "id"]).totals["duplicates"] == 1


def test_payloads_tell_a_repetition_from_a_new_fact(tmp_path):
    def line(aggregate: str, **data: object) -> str:
        return json.dumps(
            {"aggregate_id": aggregate, "event_type": "done", "created_at": "2025-11-15", "payload": data}
        )

    text = "\n".join(
        [line("same", score=1), line("same", score=1), line("changed", score=1, note=None), line("changed", score=2, note=None),
         line("new id", event_id="1", score=1), line("new id", event_id="2", score=1)]
    )  # fmt: skip
    found = {one.key["aggregate"]: one.payload for one in audit(written(tmp_path / "x.jsonl", text)).findings}
    assert found["same"] == {"verdict": "same", "compared": 2, "fields": []}
    assert found["changed"] == {"verdict": "different", "compared": 2, "fields": ["score"]}
    assert found["new id"] == {"verdict": "same but for technical fields", "compared": 2, "fields": ["event_id"]}


def sqlite_with(folder: Path, *statements: str) -> Path:
    path = folder / "their.db"
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return path


TWO = ("CREATE TABLE a (aggregate_id, event_type, created_at)", "CREATE TABLE b (aggregate_id, event_type, created_at)")


@pytest.mark.parametrize(
    ("make", "options", "words"),
    [
        (lambda f: str(f / "no.csv"), {}, ["is not there"]),
        (str, {}, ["is a folder"]),
        (lambda f: written(f / "x.xlsx", "x"), {}, ["cannot be read", ".csv"]),
        (lambda f: written(f / "x.csv", ""), {}, ["x.csv"]),
        (lambda f: written(f / "x.csv", "when,what\n1,2\n"), {}, ["no column for aggregate and type", "when, what"]),
        (events, {"columns": {"aggregate": "agregate_id"}}, ["'agregate_id'", "closest are aggregate_id"]),
        (events, {"unique_on": ["payload"]}, ["no column for payload", "--payload-column"]),
        (events, {"unique_on": ["colour"]}, ["cannot be told by colour", "aggregate"]),
        (events, {"since": "yesterday"}, ["'yesterday' is no time"]),
        (lambda f: written(f / "x.parquet", "PAR1 cut off"), {}, ["x.parquet cannot be read"]),
        (lambda f: written(f / "x.jsonl", '{"aggregate_id": '), {}, ["x.jsonl"]),
        (lambda f: f"sqlite:{f / 'no.db'}", {}, ["no.db is not there"]),
        (lambda f: "sqlite:" + written(f / "x.db", "no database" * 100), {}, ["cannot be read as a SQLite database"]),
        (lambda f: f"sqlite:{sqlite_with(f, *TWO)}", {}, ["2 tables", "a, b", "?table="]),
        (lambda f: f"sqlite:{sqlite_with(f, *TWO)}?table=aa", {}, ["no table aa", "closest are a"]),
        (lambda f: f"sqlite:{sqlite_with(f, 'CREATE TABLE t (x)')}", {}, ["No table", "looks like an outbox", "(t)"]),
        (lambda f: "mongodb://host/db", {}, ["mongodb:// is no source", "postgresql://"]),
        (lambda f: "postgresql://me:hush@127.0.0.1:1/db", {}, ["me:***@127.0.0.1:1", "cannot be reached"]),
    ],
)  # fmt: skip
def test_refused_in_one_sentence(tmp_path, make, options, words):
    with pytest.raises(PairmarkError) as refused:
        audit(make(tmp_path), **options)
    said = str(refused.value)
    assert "\n" not in said
    assert "hush" not in said
    for word in words:
        assert word in said, (word, said)


def test_a_file_whose_bytes_are_no_text_is_refused_or_read_but_never_a_traceback(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes("aggregate_id,event_type\nå,done\n".encode("latin-1"))
    with pytest.raises(BadRequest, match=r"x\.csv cannot be read"):
        audit(str(path))


@pytest.mark.parametrize("begin", [0.1, 0.4, 0.8])
def test_a_parquet_file_whose_middle_is_broken_is_refused_in_one_sentence(tmp_path, begin):
    """Its end, which tells the columns, is whole: that its rows are not shows only while they are read."""
    path = tmp_path / "x.parquet"
    rows = "SELECT 'batch-' || range AS aggregate_id, 'done' AS event_type, now()::TIMESTAMP AS created_at FROM range(200_000)"
    duckdb.sql(rows).write_parquet(str(path))
    whole = path.read_bytes()
    place = int(begin * len(whole))
    path.write_bytes(whole[:place] + b"\xff" * 2_000 + whole[place + 2_000 :])
    with pytest.raises(BadRequest, match=r"x\.parquet cannot be read: .* Is it whole") as refused:
        audit(str(path))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "address", ["postgresql://me:h%40sh@host/db?table=a.b", "postgresql://host/db?user=me&password=h%40sh"]
)
def test_a_password_is_never_shown(address):
    shown = open_source(address).shown
    assert isinstance(open_source(address), PostgresTable)
    assert "sh@" not in shown.replace("***@", "")
    assert "h%40sh" not in shown


@pytest.mark.parametrize("address", [
    "postgresql:me:hush@h/db", "postgresql:/me:hush@h/db", "postgres:me:hush@h/db", "postgresql://me:hu/hush@h/db",
    "postgresql://me:12/hush@h/db", "postgresql://me:12?hush@h/db", "postgresql://me:hu?hush@h/db", "postgresql://me:12#hush@h/db",
    "postgresql://me:hu@hush@h/db",
])  # fmt: skip
def test_an_address_of_a_postgresql_that_would_be_misread_is_refused_without_its_password(address):
    with pytest.raises(BadRequest, match=r"no // where|an @ or # in|no proper host and port") as refused:
        audit(address)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("address", [
    "postgresql://me:hush@127.0.0.1:1,[::1]:1/db?user=a@b", "postgresql://127.0.0.1:1/db?password=hush"
])  # fmt: skip
def test_a_password_of_a_postgresql_is_not_shown(address):
    with pytest.raises(Busy) as refused:
        audit(address)
    assert "hush" not in str(refused.value)
