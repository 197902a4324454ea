"""How much is waiting where: events to send, messages held back or set aside, questions nobody has asked. Changes nothing."""

from dataclasses import asdict, dataclass
from typing import Any, LiteralString

from psycopg import sql

from pairmark.storage.connection import Database, Tx, execute, translated
from pairmark.storage.schema import SERVICES

LATELY = 20_000
"""Newest events that are looked at for the rate: no index leads to what was sent lately, and none is worth its cost."""
DEPTH: LiteralString = """
SELECT (SELECT count(*) FROM {s}.event_outbox WHERE published_at IS NULL),
    (SELECT extract(epoch FROM clock_timestamp() - min(created_at))::float8 FROM {s}.event_outbox WHERE published_at IS NULL),
    (SELECT count(*) / 60.0 FROM (SELECT published_at FROM {s}.event_outbox ORDER BY seq DESC LIMIT {n}) AS newest
        WHERE published_at > clock_timestamp() - interval '1 minute')::float8,
    (SELECT count(*) FROM {s}.relay_hold WHERE NOT parked), (SELECT count(*) FROM {s}.relay_hold WHERE parked),
    (SELECT count(*) FROM {s}.held_message), (SELECT count(*) FROM {s}.dead_letter), (SELECT count(*) FROM {s}.quarantine)
"""
PARKED: LiteralString = (
    "SELECT aggregate_id, attempts, reason FROM {s}.relay_hold WHERE parked ORDER BY aggregate_id LIMIT 100"
)


@dataclass(frozen=True)
class Depth:
    """What waits in one service.

    `unpublished` events wait for the relay, the oldest for `oldest_seconds`; `per_second` were sent in the last minute. Aggregates
    are `delayed` until their next try or `parked` until somebody acts. Of the messages that came, some are `held` for another
    try, some are `dead` letters, some `unreadable`.
    """

    service: str
    unpublished: int
    oldest_seconds: float | None
    per_second: float
    delayed: int
    parked: int
    held: int
    dead: int
    unreadable: int

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


@dataclass(frozen=True)
class Parked:
    """An aggregate whose events are not sent any more until somebody acts."""

    service: str
    aggregate_id: str
    attempts: int
    reason: str


def depths(database: Database) -> list[Depth]:
    """One row for each service."""
    found = []
    for schema in SERVICES:
        with database.connect("selfcheck", schema) as connection:
            found.append(Depth(schema, *_ask(connection, DEPTH, schema)[0]))
    return found


def parked(database: Database) -> list[Parked]:
    """What stands still, with its reason."""
    found = []
    for schema in SERVICES:
        with database.connect("selfcheck", schema) as connection:
            found += [Parked(schema, *row) for row in _ask(connection, PARKED, schema)]
    return found


def local_deliveries(database: Database) -> dict[str, int]:
    """Messages on the local road, by group."""
    with database.transaction("transport") as tx:
        return dict(execute(tx, "SELECT group_name, count(*) FROM delivery GROUP BY 1 ORDER BY 1"))


def questions(database: Database) -> int:
    """Sets of questions to judges that are not answered yet."""
    with database.transaction("judging") as tx:
        return int(execute(tx, "SELECT count(*) FROM chunk WHERE open")[0][0])


def _ask(connection: Tx, query: LiteralString, schema: str) -> list[Any]:
    with translated():
        return connection.execute(sql.SQL(query).format(s=sql.Identifier(schema), n=sql.Literal(LATELY))).fetchall()
