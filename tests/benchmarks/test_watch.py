"""A pass of the watch over five minutes of new rows in a large outbox, beside reading the columns of the key once.

The bare statement over five minutes of rows with a BRIN index took .02 s on a table of 10 million. A pass opens two sessions,
reads the catalogue and looks up 3,000 facts in an index as well, and a watch that passes each minute should take no more than a
six-hundredth of it: hence the limit.
"""

import os
import time
from datetime import UTC, datetime, timedelta
from statistics import median

import pytest

from pairmark.audit.looks import Watched
from pairmark.audit.store import Chosen
from support.repairs import Theirs

pytestmark = pytest.mark.benchmark

ROWS = int(os.environ.get("PAIRMARK_WATCH_ROWS", "2000000"))
LIMIT = 0.1
END = datetime(2026, 1, 5, 12, tzinfo=UTC)
FILL = f"""
INSERT INTO event_outbox SELECT n, md5(n::text)::uuid, 'done', timestamptz '{END.isoformat()}' - ({ROWS} - n) * interval '100 ms',
    repeat('-', 160) FROM generate_series(1, {ROWS}) AS n
"""
TIMES = {"a B-tree": "btree (created_at)", "BRIN": "brin (created_at)"}


def timed(work) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def test_a_pass_over_five_minutes_of_rows(record, postgres):
    theirs = Theirs(postgres, postgres.create("pairmark_watch_bench"))
    theirs.rows(
        "CREATE TABLE event_outbox (id bigint, aggregate_id uuid, event_type text, created_at timestamptz, body text)"
    )
    theirs.rows(FILL)
    theirs.rows("CREATE INDEX ON event_outbox (aggregate_id, event_type)")
    watched = Watched(theirs.url, Chosen(), {})
    for name, index in TIMES.items():
        theirs.rows(f"CREATE INDEX by_time ON event_outbox USING {index}")
        theirs.rows("VACUUM ANALYZE event_outbox")
        scan = min(
            timed(lambda: theirs.rows("SELECT count(aggregate_id), count(event_type) FROM event_outbox"))
            for _ in range(3)
        )
        looked = watched.new(END - timedelta(minutes=5))
        assert (looked.partial, looked.events, looked.advice) == (True, 3_001, "")
        seconds = median(timed(lambda: watched.new(END - timedelta(minutes=5))) for _ in range(5))
        record(f"watch: a pass over 5 minutes of {ROWS:,} rows, {name} on the time", seconds, "s", at_most=LIMIT,
               peer=scan, against="a sequential scan that touches the columns of the key")  # fmt: skip
        theirs.rows("DROP INDEX by_time")
    theirs.connection.close()
    postgres.drop("pairmark_watch_bench")
