"""Moving an installation from one database to another, and what both sides hold and say afterwards."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pairmark.bootstrap import System
from pairmark.clock import ManualClock
from pairmark.config import Config
from pairmark.errors import PairmarkError
from pairmark.opening import open_database
from pairmark.storage import copied_tables, faults, installation, schema
from pairmark.storage.connection import Database, execute
from pairmark.storage.copying import Copied, Side, copy
from support.invariants import violations

UNKNOWN = "00000000-0000-4000-8000-000000000000"
"""A batch that nobody knows, of a message that waits."""


def move(source: str, goal: str) -> Copied:
    with closing(Database(source, direct_login=True)) as old, closing(Database(goal)) as new:
        return copy(Side(old, "the source"), Side(new, "the goal"), lambda *_: None)


def state(address: str) -> str | None:
    with Database(address).connect() as connection:
        here = installation.standing(connection)
    return here.state if here else None


def contents(address: str) -> dict[str, tuple[int, str]]:
    with Database(address).connect() as connection:
        tables = copied_tables.tables(connection, schema.SCHEMAS)
        return {str(table): copied_tables.digest(connection, table) for table in tables}


@contextmanager
def dying(point: str) -> Iterator[None]:
    """An error at a fault point, as a full disk or a lost network would raise."""

    def reach(name: str) -> None:
        if name == point:
            raise RuntimeError(point)

    faults.install(reach)
    try:
        yield
    finally:
        faults.install(None)


def finished(goal: str, clock: ManualClock) -> list[str]:
    """Take the batch in progress to its end at the goal, as any process would; returns what is wrong then."""
    with closing(Database(goal)) as database:
        system = System(database, clock=clock)
        system.drain()
        clock.advance(400)
        system.drain()
        batches = {batch.name: batch for batch in system.assessment.find("", limit=9)}
        assert batches["half way"].status.is_complete
        assert batches["not relayed yet"].status.is_complete
        for batch in batches.values():
            with database.connect() as connection:
                told = execute(
                    connection,
                    "SELECT event_type, count(*) FROM assessment.event_outbox WHERE aggregate_id = %s "
                    "AND event_type LIKE 'huleedu%%' GROUP BY 1",
                    [str(batch.id)],
                )
            assert all(number == 1 for _, number in told)
            assert len(told) == (3 if batch.status.is_complete else 1)
        system.close()
        return [
            sentence
            for sentence in violations(database)
            if not any(known in sentence for known in (" of k ", " of nobody ", UNKNOWN))
        ]


def opens(address: str, home: Path) -> bool:
    try:
        with open_database(Config(home, database_url=address), install=False):
            return True
    except PairmarkError:
        return False
