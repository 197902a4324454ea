"""Somebody's outbox with duplicates in a database of its own, writers that go on meanwhile, and what is looked at afterwards."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from pairmark.audit.repair.request import Request
from support.postgres import Databases

OUTBOX = """
CREATE TABLE event_outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, aggregate_id text, event_type text NOT NULL DEFAULT 'done',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(), payload jsonb, published_at timestamptz, writer text,
    size integer GENERATED ALWAYS AS (length(aggregate_id)) STORED)
"""
FILL = """
INSERT INTO event_outbox (aggregate_id, created_at, payload, published_at)
SELECT 'a' || n % %(facts)s, timestamptz '2025-11-15 12:00Z' + n * interval '1 second', jsonb_build_object('n', n),
    CASE WHEN n > %(facts)s AND n % 2 = 0 THEN now() END
FROM generate_series(1, %(rows)s) AS n
"""
SUMMARY = "SELECT count(*), count(*) - count(DISTINCT (aggregate_id, event_type)) FROM event_outbox WHERE aggregate_id IS NOT NULL"


class Quiet:
    """Hears a repair, and remembers the points that were reached."""

    def __init__(self) -> None:
        self.points: list[str] = []
        self.told: list[tuple[str, int, int | None]] = []

    def step(self, name: str, sentence: str) -> None:
        """A step begins."""

    def progress(self, what: str, done: int, total: int | None) -> None:
        """A long step goes on."""
        self.told.append((what, done, total))

    def point(self, name: str) -> None:
        """A place between two effects is reached."""
        self.points.append(name)


class Theirs:
    """A database of somebody else, with or without an outbox in it."""

    def __init__(self, databases: Databases, name: str) -> None:
        self.databases, self.name = databases, name
        self.connection = psycopg.connect(databases.conninfo(name), autocommit=True)

    @property
    def url(self) -> str:
        """The address as people write it."""
        return self.url_of("postgres")

    def url_of(self, role: str) -> str:
        """The address for another role."""
        known = psycopg.conninfo.conninfo_to_dict(self.databases.conninfo(self.name))
        return f"postgresql://{role}@/{self.name}?host={quote(str(known['host']), safe='')}&port={known['port']}"

    def request(self, **options: Any) -> Request:
        """A repair of it, without a pause in the probe."""
        return Request(**{"source": self.url, "probe": 0.0, "patience": 20.0, **options})

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """What a query finds."""
        cursor = self.connection.execute(query.encode(), values or None)
        return cursor.fetchall() if cursor.description else []

    def outbox(self, facts: int, rows: int) -> None:
        """An outbox in which `rows - facts` rows are in excess."""
        self.rows(OUTBOX)
        self.connection.execute(FILL.encode().replace(b"n % 2", b"n %% 2").replace(b"n % %(", b"n %% %("),
                                {"facts": facts, "rows": rows})  # fmt: skip

    def summary(self) -> tuple[int, int]:
        """Rows with a whole key, and rows in excess."""
        (found,) = self.rows(SUMMARY)
        return int(found[0]), int(found[1])

    def held(self) -> int:
        """Rows in the table and in every quarantine."""
        side = self.rows(
            "SELECT relname FROM pg_class WHERE relname LIKE 'pairmark\\_quarantine\\_%' AND relkind = 'r'"
        )
        tables = ["event_outbox", *[name for (name,) in side]]
        return sum(int(self.rows(f"SELECT count(*) FROM {table}")[0][0]) for table in tables)

    def left_over(self) -> list[str]:
        """Names of what a repair has put beside the table and not taken away."""
        query = """
            SELECT relname FROM pg_class
            WHERE relname LIKE '%%pairmark\\_%%' AND relkind IN ('r', 'i') AND relname NOT LIKE '%%\\_pkey'
            UNION ALL SELECT tgname FROM pg_trigger WHERE tgname LIKE '%%pairmark%%'
            UNION ALL SELECT proname FROM pg_proc WHERE proname LIKE '%%pairmark%%' ORDER BY 1"""
        return [re.sub(r"_[0-9a-f]{8}$", "", row[0]) for row in self.rows(query.replace("%%", "%"))]


@contextmanager
def theirs(databases: Databases, name: str) -> Iterator[Theirs]:
    """A database that is gone afterwards."""
    made = Theirs(databases, databases.create(name))
    try:
        yield made
    finally:
        made.connection.close()
        databases.drop(name)


class Writers:
    """Processes that insert, half of it facts that are there, until they are told to end."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def end(self) -> Counter[str]:
        """Tell them to stop; what all together were acknowledged."""
        out, _ = self._process.communicate("", timeout=60)
        return Counter(json.loads(out))


@contextmanager
def writers(url: str, number: int, known: int) -> Iterator[Writers]:
    """So many writers at once, all connected. They end with the block, if not before."""
    program = str(Path(__file__).with_name("repairs_writers.py"))
    command = [sys.executable, program, url, str(number), str(known)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Writers(process)
