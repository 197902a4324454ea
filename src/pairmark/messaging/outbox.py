"""Writing events into a service's outbox, inside the transaction that makes the fact true.

The writer takes the caller's transaction and cannot open its own, so a state change and the events that tell of it commit
together or not at all (G3). Callers hold the aggregate's row lock, so `seq` follows commit order within an aggregate (G9).
"""

from collections.abc import Sequence

from pairmark.errors import BrokenData
from pairmark.events.envelope import Outgoing
from pairmark.storage.connection import Tx, execute

# %b sends arrays in binary: the driver escapes every quote of a JSON text with a regular expression otherwise.
INSERT = """
INSERT INTO event_outbox (id, aggregate_id, aggregate_type, event_type, event_data, event_key, topic, headers)
SELECT id, aggregate_id, aggregate_type, event_type, event_data::jsonb, aggregate_id, event_type, headers::jsonb
FROM unnest(%b::uuid[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[])
    AS e (id, aggregate_id, aggregate_type, event_type, event_data, headers)
ON CONFLICT (id) DO NOTHING
"""


def append(tx: Tx, events: Sequence[Outgoing]) -> None:
    """Add `events` in this order. An event that is already there is an error: the caller's guard should have told."""
    if not events:
        return
    cursor = tx.execute(
        INSERT,
        [
            [event.id for event in events],
            [event.aggregate_id for event in events],
            [event.aggregate_type for event in events],
            [event.event_type for event in events],
            [event.body for event in events],
            [event.headers for event in events],
        ],
    )
    if cursor.rowcount != len(events):
        raise BrokenData(
            f"{len(events) - cursor.rowcount} of {len(events)} events were announced before; nothing was changed."
        )


def published_counts(tx: Tx, aggregate_ids: Sequence[str]) -> dict[str, int]:
    """Published events of these aggregates, by type."""
    rows = execute(
        tx,
        "SELECT event_type, count(*) FROM event_outbox WHERE aggregate_id = ANY(%s) AND published_at IS NOT NULL "
        "GROUP BY event_type ORDER BY event_type",
        [list(aggregate_ids)],
    )
    return dict(rows)


def unpublished_count(tx: Tx, aggregate_ids: Sequence[str]) -> int:
    """Events of these aggregates that still wait for the relay."""
    rows = execute(
        tx,
        "SELECT count(*) FROM event_outbox WHERE aggregate_id = ANY(%s) AND published_at IS NULL",
        [list(aggregate_ids)],
    )
    return int(rows[0][0])
