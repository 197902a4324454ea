"""Messages that could not be handled: held back, tried again at growing intervals, at last set aside.

Later messages of the same aggregate and topic wait behind the first one, so order holds (G9). Everything else goes on (G10): other
aggregates, and other topics of this one, which may bring just what the held message lacks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from pairmark.messaging.backoff import delay_seconds
from pairmark.messaging.transport import Delivery
from pairmark.storage.connection import Database, Tx, execute, values

MAX_ATTEMPTS = 5
LOCAL_POSITION = -1
"""Position of a delivery that comes from the held table and needs no acknowledgement."""


def hold(tx: Tx, deliveries: Sequence[Delivery], attempts: int, error: str, now: datetime) -> None:
    """Keep `deliveries` for a later try."""
    execute(
        tx,
        "INSERT INTO held_message (event_id, topic, event_key, body, headers, attempts, next_attempt_at, last_error) "
        "SELECT i, t, k, b, h::jsonb, %s, %s, %s FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[]) "
        "WITH ORDINALITY AS e (i, t, k, b, h, n) ORDER BY n ON CONFLICT (event_id) DO NOTHING",
        [
            attempts,
            now + timedelta(seconds=delay_seconds(max(attempts, 1))),
            error,
            [delivery.event_id for delivery in deliveries],
            [delivery.topic for delivery in deliveries],
            [delivery.key for delivery in deliveries],
            [delivery.body for delivery in deliveries],
            [delivery.headers for delivery in deliveries],
        ],
    )


def due(database: Database, schema: str, now: datetime, limit: int) -> list[tuple[Delivery, int]]:
    """The first held message of each topic and aggregate whose time has come, with its failed attempts so far."""
    rows = database.at_once(
        schema,
        "SELECT event_id, topic, event_key, body, headers::text, attempts FROM ("
        "SELECT DISTINCT ON (event_key, topic) * FROM held_message ORDER BY event_key, topic, position) f "
        "WHERE next_attempt_at <= %s ORDER BY position LIMIT %s",
        [now, limit],
    )
    return [(Delivery(LOCAL_POSITION, *row[:5]), row[5]) for row in rows]


def release(tx: Tx, event_id: UUID) -> bool:
    """Stop holding the message; False if somebody else did so first."""
    return bool(execute(tx, "DELETE FROM held_message WHERE event_id = %s RETURNING 1", [event_id]))


def receive(tx: Tx, delivery: Delivery) -> bool:
    """Count the message as received; False if it was before."""
    query = "INSERT INTO inbox (event_id, topic) VALUES (%s, %s) ON CONFLICT (event_id) DO NOTHING RETURNING 1"
    return bool(execute(tx, query, [delivery.event_id, delivery.topic]))


def failed_again(tx: Tx, delivery: Delivery, attempts: int, error: str, now: datetime) -> None:
    """Note another failure: a later try, or the dead-letter store after `MAX_ATTEMPTS`."""
    if attempts >= MAX_ATTEMPTS:
        bury(tx, delivery, attempts, error)
        return
    execute(
        tx,
        "UPDATE held_message SET attempts = %s, next_attempt_at = %s, last_error = %s WHERE event_id = %s AND attempts < %s",
        [attempts, now + timedelta(seconds=delay_seconds(attempts)), error, delivery.event_id, attempts],
    )


def bury(tx: Tx, delivery: Delivery, attempts: int, cause: str) -> None:
    """Move the message to the dead-letter store; it counts as received, so a redelivery does not bring it back.

    One that was received before has had its effect, or lies there already: then there is nothing to bury.
    """
    release(tx, delivery.event_id)
    execute(tx, "DELETE FROM crash_suspect WHERE event_id = %s", [delivery.event_id])
    if receive(tx, delivery):
        execute(
            tx,
            "INSERT INTO dead_letter (event_id, topic, event_key, body, headers, attempts, cause) "
            "VALUES (%s, %s, %s, %s, %s::jsonb, %s, %s) ON CONFLICT (event_id) DO NOTHING",
            [delivery.event_id, delivery.topic, delivery.key, delivery.body, delivery.headers, attempts, cause],
        )


def set_aside(database: Database, schema: str, keys: Sequence[str]) -> list[tuple[str, int, datetime | None, str]]:
    """Messages of these aggregates that a service could not handle: topic, attempts, next try (None: there is none), cause."""
    with database.transaction(schema) as tx:
        rows = execute(
            tx,
            "SELECT topic, attempts, next_attempt_at, last_error FROM held_message WHERE event_key = ANY(%(k)s) AND attempts > 0 "
            "UNION ALL SELECT topic, attempts, NULL, cause FROM dead_letter WHERE event_key = ANY(%(k)s) ORDER BY 3 NULLS FIRST",
            {"k": list(keys)},
        )
    return [(row[0], row[1], row[2], row[3]) for row in rows]


def unusable(database: Database, schema: str, keys: Sequence[str], but: str) -> list[tuple[str, str]]:
    """Messages of these aggregates that nobody can read, with the cause; none of the topic `but`."""
    query = "SELECT topic, cause FROM quarantine WHERE event_key = ANY(%s) AND topic <> %s ORDER BY first_seen_at"
    with database.transaction(schema) as tx:
        return [(row[0], row[1]) for row in execute(tx, query, [list(keys), but])]


def dead_letters(database: Database, schema: str) -> list[tuple[UUID, str, str, int, str]]:
    """What lies in the dead-letter store of a service: event id, topic, aggregate, attempts, cause."""
    with database.transaction(schema) as tx:
        rows = execute(tx, "SELECT event_id, topic, event_key, attempts, cause FROM dead_letter ORDER BY died_at")
    return [(row[0], row[1], row[2], row[3], row[4]) for row in rows]


@dataclass(frozen=True)
class DeadLetter:
    """A message that was set aside, in full."""

    service: str
    event_id: UUID
    topic: str
    aggregate_id: str
    attempts: int
    cause: str
    died_at: datetime
    headers: str
    body: str


def dead_letter(database: Database, schema: str, event_id: UUID) -> DeadLetter | None:
    """One dead letter of a service, if it has it."""
    with database.transaction(schema) as tx:
        rows = execute(
            tx,
            "SELECT event_id, topic, event_key, attempts, cause, died_at, headers::text, body FROM dead_letter WHERE event_id = %s",
            [event_id],
        )
    return DeadLetter(schema, *rows[0]) if rows else None


def replay(database: Database, schema: str, event_ids: Sequence[UUID], now: datetime) -> int:
    """Give dead letters another chance, from the first attempt; returns how many were found."""
    with database.transaction(schema) as tx:
        rows = execute(
            tx,
            "DELETE FROM dead_letter WHERE event_id = ANY(%s) RETURNING event_id, topic, event_key, body, headers::text",
            [list(event_ids)],
        )
        execute(tx, "DELETE FROM inbox WHERE event_id = ANY(%s)", [[row[0] for row in rows]])
        execute(tx, "DELETE FROM crash_suspect WHERE event_id = ANY(%s)", [[row[0] for row in rows]])
        hold(tx, [Delivery(LOCAL_POSITION, *row) for row in rows], 0, "replayed", now - timedelta(seconds=1))
    return len(rows)


def hurry(database: Database, schema: str, keys: Sequence[str], now: datetime) -> int:
    """Bring the next try of these aggregates forward, dead letters included; returns how many messages that were."""
    with database.transaction(schema) as tx:
        held_now = execute(
            tx, "UPDATE held_message SET next_attempt_at = %s WHERE event_key = ANY(%s) RETURNING 1", [now, list(keys)]
        )
        dead = values(execute(tx, "SELECT event_id FROM dead_letter WHERE event_key = ANY(%s)", [list(keys)]))
    return len(held_now) + replay(database, schema, dead, now)
