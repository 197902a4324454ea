"""A pass over new rows does not read the whole outbox: told by the blocks the server counted, not by time."""

from datetime import UTC, datetime, timedelta

import pytest

from pairmark.audit.looks import Watched
from pairmark.audit.store import Chosen
from pairmark.audit.watch import Watch
from pairmark.clock import ManualClock
from pairmark.storage.waiting import until
from support.command import Pairmark
from support.repairs import Theirs
from support.sizes import size

ROWS, WINDOW = size(300_000, 5_000_000), 300
BEGIN = datetime(2026, 1, 5, 12, tzinfo=UTC)
END = BEGIN + timedelta(seconds=ROWS)
FILL = """
INSERT INTO event_outbox SELECT n, md5((n % {facts})::text)::uuid, CASE WHEN n % 50 = 0 THEN 'begun' ELSE 'done' END,
    timestamptz '{begin}' + n * interval '1 second' FROM generate_series(1, {rows}) AS n
"""
AGAIN = """
INSERT INTO event_outbox SELECT 0, aggregate_id, event_type, timestamptz '{}' FROM event_outbox
WHERE aggregate_id = md5('{}')::uuid LIMIT 1
"""
OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
READ = "SELECT coalesce(heap_blks_read + heap_blks_hit, 0) FROM pg_statio_user_tables WHERE relname = 'event_outbox'"
INDICES = {
    "B-tree": ("CREATE INDEX ON event_outbox (created_at)", "timestamptz"),
    "BRIN": ("CREATE INDEX ON event_outbox USING brin (created_at) WITH (pages_per_range = 16)", "timestamptz"),
    "without a zone": ("CREATE INDEX ON event_outbox (created_at)", "timestamp"),
}


@pytest.fixture
def outbox(postgres, request):
    """A large outbox with an index on the time and one that begins with the aggregate."""
    index, kind = INDICES[request.param]
    made = Theirs(postgres, postgres.create(f"watched_{'_'.join(request.param.lower().split()).replace('-', '_')}"))
    made.rows("SET TimeZone = 'UTC'")
    made.rows(f"CREATE TABLE event_outbox (id bigint, aggregate_id uuid, event_type text, created_at {kind})")
    made.rows(FILL.format(facts=ROWS - 100, begin=BEGIN.isoformat(), rows=ROWS))
    made.rows(index)
    made.rows("CREATE INDEX ON event_outbox (aggregate_id, event_type)")
    made.rows("VACUUM ANALYZE event_outbox")
    yield made
    made.connection.close()
    postgres.drop(made.name)


def settled(outbox):
    """Blocks of the table that were read so far, once the session that read last has told of them."""
    assert until(lambda: outbox.rows(OTHERS)[0][0] == 0, 30, pause=0.02)
    return int(outbox.rows(READ)[0][0])


@pytest.mark.parametrize("outbox", INDICES, indirect=True)
def test_a_pass_reads_a_small_part_of_the_table_and_still_finds_an_old_fact(outbox):
    pages = outbox.rows("SELECT relpages FROM pg_class WHERE relname = 'event_outbox'")[0][0]
    for types in ((), ("d*", "begu?")):
        clock = ManualClock(END)
        watch = Watch(Watched(outbox.url, Chosen(types=types), {}), clock, look_back=timedelta(seconds=WINDOW))
        assert watch.once().events >= ROWS
        clock.advance(10)
        outbox.rows(AGAIN.format(clock.now().isoformat(), 1234 if types else 4321))
        before = settled(outbox)
        done = watch.once()
        read = settled(outbox) - before
        assert (done.full, done.verdict, sum(done.new.values())) == (False, "findings", 1)
        assert WINDOW <= done.events <= WINDOW + 3
        assert done.advice == ""
        assert read < min(4 * WINDOW, pages / 2), (types, read, pages)


@pytest.mark.parametrize("outbox", ["BRIN"], indirect=True)
def test_a_large_table_without_an_index_is_told(outbox, tmp_path):
    outbox.rows("DROP INDEX event_outbox_aggregate_id_event_type_idx")
    watch = Watch(Watched(outbox.url, Chosen(), {}), ManualClock(END), look_back=timedelta(seconds=WINDOW))
    assert watch.once().advice == ""
    assert 'No index of "public"."event_outbox" begins with aggregate_id, so each pass reads all' in watch.once().advice
    state = ("audit", "watch", outbox.url, "--once", "--state", tmp_path / "state.json")
    assert Pairmark(tmp_path).run(*state).code == 1
    assert "begins with aggregate_id" in Pairmark(tmp_path).run(*state).err
