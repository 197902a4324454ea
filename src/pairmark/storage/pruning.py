"""Taking away old rows that nothing needs any more: published events, received messages, unusable messages.

A key that forbids a repetition is never taken away: facts that were announced, natural keys of effects, the ledger. An event that
its service looks up later stays as well, and so does whatever is a loss until somebody has dealt with it: dead letters, held and
unpublished messages.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg import sql

from pairmark.storage import faults
from pairmark.storage.connection import Database, Tx, execute, translated
from pairmark.storage.schema import SERVICES

AT_ONCE = 5_000
"""Rows of one transaction."""
LOOKED_UP = "pairmark.credits.reserve.refused.v1"
"""Entitlements asks its outbox whether it has refused a batch before."""


@dataclass(frozen=True)
class Kind:
    """Rows of one table that may go: its key, and which rows those are when `before` is the youngest moment to go."""

    table: str
    key: str
    may_go: str


KINDS = (
    Kind("event_outbox", "id", f"published_at < %(before)s AND event_type <> '{LOOKED_UP}'"),
    Kind(
        "inbox",
        "event_id",
        "received_at < %(before)s AND NOT EXISTS (SELECT FROM {schema}.dead_letter d WHERE d.event_id = r.event_id)",
    ),
    Kind("quarantine", "id", "first_seen_at < %(before)s"),
)


@dataclass(frozen=True)
class Pruned:
    """How many rows of a table went, or would go."""

    table: str
    rows: int


def prune(
    database: Database, older_than: timedelta, *, dry_run: bool = False, told: Callable[[Pruned], None] = lambda _: None
) -> list[Pruned]:
    """Take away what is older than that by the clock of each database; returns what went from where.

    Each set of rows is a transaction of its own: stopped in the middle, what is gone is gone, and the same call goes on.
    """
    done = []
    for schema in SERVICES:
        with database.connect(schema=schema) as connection, translated():
            before = execute(connection, "SELECT clock_timestamp() - %s", [older_than])[0][0]
            for kind in KINDS:
                went = 0
                for number in _sets(connection, schema, kind, before, dry_run=dry_run):
                    went += number
                    told(Pruned(f"{schema}.{kind.table}", went))
                done.append(Pruned(f"{schema}.{kind.table}", went))
    return done


def _sets(connection: Tx, schema: str, kind: Kind, before: datetime, *, dry_run: bool) -> Iterator[int]:
    """The table is read once; what is to go is kept by the server and taken set by set."""
    table, key = sql.Identifier(schema, kind.table), sql.Identifier(kind.key)
    chosen = sql.SQL("FROM {table} r WHERE " + kind.may_go.replace("{schema}", schema)).format(table=table)
    if dry_run:
        row = connection.execute(sql.SQL("SELECT count(*) ") + chosen, {"before": before}).fetchone()
        yield int(row[0]) if row else 0
        return
    taking = sql.SQL("DELETE FROM {} WHERE {} = ANY(%s)").format(table, key)
    with connection.cursor("pruned", withhold=True) as cursor:
        cursor.execute(sql.SQL("SELECT {} ").format(key) + chosen, {"before": before})
        while rows := cursor.fetchmany(AT_ONCE):
            yield connection.execute(taking, [[row[0] for row in rows]]).rowcount
            faults.reach(f"prune.{schema}.{kind.table}")
