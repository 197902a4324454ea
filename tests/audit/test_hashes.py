"""Which hashes occur more than once: the same answer by grouping and by sorting, in one turn and in many."""

from collections import Counter
from random import Random

import duckdb
import pyarrow as pa
import pytest

from pairmark.audit import audit, hashes
from pairmark.audit.store import Store
from pairmark.errors import Busy

DRAW = Random(5)
NUMBERS = {
    "none": [],
    "one": [7],
    "all different": list(range(999)),
    "all the same": [2**64 - 1] * 500,
    "a pair at both ends": [0, 0, *range(1, 50), 2**64 - 1, 2**64 - 1],
    "runs of all lengths": [DRAW.randrange(200) ** 8 for _ in range(700)],
}


@pytest.mark.parametrize("at_once", [30, 10_000])
@pytest.mark.parametrize("numbers", NUMBERS.values(), ids=NUMBERS.keys())
def test_sorting_finds_what_grouping_finds(monkeypatch, numbers, at_once):
    expected = {one: times for one, times in Counter(numbers).items() if times > 1}
    monkeypatch.setattr(hashes, "AT_ONCE", at_once)
    with duckdb.connect() as store:
        store.register("given", pa.table({"h": pa.array(numbers, pa.uint64())}))
        for many in (hashes.MANY, 0):
            monkeypatch.setattr(hashes, "MANY", many)
            rows = hashes.find_repeated(store, "SELECT h FROM given", len(numbers))
            found = [h for (h,) in store.execute("SELECT h FROM hit").fetchall()]
            assert (sorted(found), rows) == (sorted(expected), sum(expected.values()))


@pytest.fixture
def events(tmp_path):
    """Facts told once, twice and a hundred times, of 100,000 types, some without an aggregate, beside the plain counts."""
    path = tmp_path / "events.parquet"
    with duckdb.connect() as store:
        store.execute(f"""COPY (SELECT CASE WHEN k % 50 <> 0 THEN 'a' || (k // 3)::VARCHAR END AS aggregate_id,
            'type ' || (CASE WHEN k % 10 = 9 THEN k - 1 WHEN k < 100 THEN 1 ELSE k END % 100000)::VARCHAR AS event_type,
            TIMESTAMP '2025-11-15' + to_seconds(k) AS created_at FROM range(150000) AS numbers(k)) TO '{path}'""")
        key = f"SELECT count(*) AS n FROM '{path}' WHERE aggregate_id IS NOT NULL GROUP BY aggregate_id, event_type"
        counts = store.execute(f"SELECT sum(n)::INT, count(*), count(*) FILTER (WHERE n > 1) FROM ({key})").fetchall()
    return str(path), counts[0]


@pytest.mark.parametrize(("hashed", "many", "few"), [
    ("hash({})", 0, 1), ("hash({}) % 1000", 0, 0), ("hash({}) % 50000", hashes.MANY, 1), ("0 * length(concat({}))", 0, 1),
])  # fmt: skip
def test_whatever_the_hash_and_the_way_the_counts_are_those_of_plain_sql(monkeypatch, events, hashed, many, few):
    path, counts = events
    usual = audit(path)
    monkeypatch.setattr("pairmark.audit.store.HASH", hashed)
    monkeypatch.setattr("pairmark.audit.store.FEW", few)
    monkeypatch.setattr(hashes, "MANY", many)
    report = audit(path)
    assert tuple(report.totals[name] for name in ("events", "facts", "affected")) == counts
    assert (report.totals, report.findings, report.odd) == (usual.totals, usual.findings, usual.odd)
    assert report.snapshot["digest"] == usual.snapshot["digest"]


@pytest.mark.parametrize("many", [0, hashes.MANY], ids=["sorted", "grouped"])
@pytest.mark.parametrize("rows", [100_000, 150_001, 400_000])
def test_a_file_that_changes_meanwhile_is_told(monkeypatch, events, many, rows):
    path, _ = events
    monkeypatch.setattr(hashes, "MANY", many)
    monkeypatch.setattr(hashes, "AT_ONCE", 60_000)
    look = Store.repeated

    def change_and_look(store, most):
        with duckdb.connect() as other:
            other.execute(f"""COPY (SELECT k::VARCHAR AS aggregate_id, 'x' AS event_type, TIMESTAMP '2025-11-15' AS created_at
                FROM range({rows}) AS numbers(k)) TO '{path}'""")
        return look(store, most)

    monkeypatch.setattr(Store, "repeated", change_and_look)
    with pytest.raises(Busy, match="changed while it was read"):
        audit(path)


def test_memory_that_is_not_there_is_told(monkeypatch, events):
    path, _ = events

    def no_room(*asked):
        raise MemoryError("Unable to allocate 745. GiB for an array")

    monkeypatch.setattr(hashes, "MANY", 0)
    monkeypatch.setattr("numpy.empty", no_room)
    with pytest.raises(Busy, match=r"needs more room than there is: Unable to allocate 745"):
        audit(path)
