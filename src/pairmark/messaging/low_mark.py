"""How far a reader of a busy table may skip what lies behind it: numbers are given before the commit, so rows appear out of order.

Dead index entries before the first open row make each read slower while any old transaction keeps them from being cleaned
away (0.5 ms became 21.8). The mark passes a number only when every transaction that was writing to the table has ended since:
then no row can still appear below it, and none is overtaken by a newer one of its aggregate (G9).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString

from pairmark.clock import Clock
from pairmark.storage.connection import Tx, execute, values

STRIDE = 5_000
"""The mark moves in steps of at least so many numbers: looking for writers costs as much as a small read."""

REST = 50
"""A look from the beginning is followed by so many times as long without one: where dead rows pile up it takes long."""

WRITERS = """
SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND relation = %s::regclass AND pid IS DISTINCT FROM pg_backend_pid()
"""


class LowMark:
    """Numbers up to `value` hold nothing that a read still has to find."""

    def __init__(self, table: LiteralString) -> None:
        """`table` as the reading connection finds it on its search path."""
        self._table = table
        self.value = 0
        self._next: int | None = None
        self._writers: frozenset[str] = frozenset()

    def reset(self) -> None:
        """Read from the beginning again: what this reader is to find has changed."""
        self.value, self._next, self._writers = 0, None, frozenset()

    def may_move(self, connection: Tx) -> bool:
        """Whether everyone who wrote when the next mark was noted has ended; ask before the read that is then to move it."""
        return self._next is not None and not (self._writers & self._writing(connection))

    def moved(self, connection: Tx, first: int | None, *, may_move: bool) -> None:
        """Note that a read from the mark, or from further below, found `first` as its lowest number (None: it found nothing)."""
        if may_move and self._next is not None:
            self.value, self._next = self._next, None
        if first is not None:
            self.value = min(self.value, first - 1)
            if self._next is None and first - self.value > STRIDE:
                self._next, self._writers = first - 1, self._writing(connection)

    def _writing(self, connection: Tx) -> frozenset[str]:
        return frozenset(values(execute(connection, WRITERS, [self._table])))


class Sweeps:
    """When a reader looks from the beginning again, in case a mark was ever wrong."""

    def __init__(self, clock: Clock, every: float) -> None:
        """`every`: seconds between two looks, where they are short."""
        self._clock = clock
        self._every = every
        self._again_at = float("-inf")

    @contextmanager
    def due(self, *, possible: bool = True) -> Iterator[bool]:
        """Whether the read in this block is to be such a look."""
        begun = self._clock.monotonic()
        due = possible and begun >= self._again_at
        yield due
        if due:
            now = self._clock.monotonic()
            self._again_at = now + max(self._every, REST * (now - begun))
