"""A large table of PostgreSQL arrives in ranges of its blocks, each as one row in which a column is one large value.

Row by row a server spends as much on sending as on reading, and so does its driver on receiving. Several sessions read at a time,
all in the snapshot of the first.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import adbc_driver_manager
import numpy as np
import pyarrow as pa

from pairmark.audit.sources.postgres_packed import is_tidy, packing
from pairmark.audit.sources.postgres_sessions import asked
from pairmark.audit.sources.statements import quoted

PLACE = "#place"
"""A column beside those that were asked for: the block with which the range of a row begins."""
FIRST, GROWTH, MOST = 64, 4, 8_192
"""Blocks of the first range, by how much the next may be larger, and of the largest."""
BYTES = 8_000_000
"""What a range should bring."""
SIZE = """
SELECT pg_relation_size(c.oid) / current_setting('block_size')::bigint FROM pg_class c JOIN pg_am a ON a.oid = c.relam
WHERE c.oid = to_regclass($1) AND c.relkind IN ('r', 'm') AND a.amname = 'heap' AND NOT c.relhassubclass
    AND current_setting('server_version_num')::int >= 140000 AND current_setting('server_encoding') = 'UTF8'
"""
"""Blocks of a table that can be read in ranges of them; a view has none, and a parent has those of its children beside."""


def blocks_of(session: Any, table: str) -> int:
    """How many blocks a table has that can be read in ranges of them; 0 of everything else."""
    found = asked(session, SIZE, (table,))
    return int(found[0]) if found else 0


@dataclass(frozen=True)
class Range:
    """Blocks from `begin` on, before `end`."""

    begin: int
    end: int

    @property
    def condition(self) -> str:
        """Of the rows in it."""
        return f"ctid >= '({self.begin},0)'::tid AND ctid < '({self.end},0)'::tid"


class Ranges:
    """Columns of one table, by sessions that share a snapshot."""

    def __init__(self, sessions: Sequence[Any], table: str, kinds: Mapping[str, str], blocks: int) -> None:
        self._sessions, self.blocks = sessions, blocks
        self._packings = [packing(kind) for kind in kinds.values()]
        sent = [one.format(quoted(name)) for name, way in zip(kinds, self._packings, strict=True) for one in way.asked]
        self._query = f"SELECT {', '.join(sent)} FROM {table} WHERE "
        self.stopped_by: adbc_driver_manager.Error | None = None
        named = [(name, way.kind) for name, way in zip(kinds, self._packings, strict=True)]
        self.schema = pa.schema([*named, (PLACE, pa.int32())])
        self._ends: dict[int, int] = {}
        self.tidy = {name for name, kind in named if kind == pa.string()}
        """Columns of text in which so far every value is in shape as it is."""

    def batches(self) -> Iterator[Any]:
        """All rows, as many sessions at work as there are."""
        free: SimpleQueue[Any] = SimpleQueue()
        for session in self._sessions:
            free.put(session)
        waiting: deque[tuple[Range, Future[Any]]] = deque()
        begin, step = 0, FIRST
        with ThreadPoolExecutor(len(self._sessions)) as pool:
            while begin < self.blocks or waiting:
                while begin < self.blocks and len(waiting) <= len(self._sessions):
                    one = Range(begin, min(begin + step, self.blocks))
                    waiting.append((one, pool.submit(self._read, free, one)))
                    begin = one.end
                one, reading = waiting.popleft()
                self._ends[one.begin] = one.end
                try:
                    found = reading.result()
                except adbc_driver_manager.Error as error:
                    self.stopped_by = error
                    raise
                step = self._next(one, found.nbytes)
                yield found

    def _next(self, one: Range, size: int) -> int:
        """How many blocks should bring `BYTES`, after a range that brought `size`."""
        blocks = one.end - one.begin
        return max(1, min(blocks * BYTES // max(size, 1), blocks * GROWTH, MOST))

    def _read(self, free: SimpleQueue[Any], one: Range) -> Any:
        session = free.get()
        try:
            with session.cursor() as cursor:
                cursor.execute(self._query + one.condition)
                (values,) = cursor.fetch_arrow_table().to_batches()
        finally:
            free.put(session)
        return self._unpacked(values, one.begin)

    def _unpacked(self, values: Any, place: int) -> Any:
        sent = iter(column[0].as_buffer() or pa.py_buffer(b"") for column in values.columns)
        arrays = [way.unpacked(*(next(sent) for _ in way.asked)) for way in self._packings]
        names = self.schema.names
        self.tidy -= {
            name for name, array in zip(names, arrays, strict=False) if name in self.tidy and not is_tidy(array)
        }
        places = pa.py_buffer(np.full(len(arrays[0]), place, np.int32))
        return pa.record_batch(
            [*arrays, pa.Array.from_buffers(pa.int32(), len(arrays[0]), [None, places])], schema=self.schema
        )

    def around(self, places: Sequence[int]) -> list[Range]:
        """The ranges of rows with these places, neighbours as one."""
        found: list[Range] = []
        for begin in sorted(places):
            before = found.pop() if found and found[-1].end == begin else None
            found.append(Range(before.begin if before else begin, self._ends[begin]))
        return found
