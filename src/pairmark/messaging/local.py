"""The transport of a single machine: a delivery row for each subscribed group, written durably before it is acknowledged.

A poisoned group holds up nobody else. Each group has one owner at a time, which keeps the order of every aggregate.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from pairmark.clock import Clock
from pairmark.errors import Busy
from pairmark.messaging.low_mark import LowMark, Sweeps
from pairmark.messaging.ownership import Lookout, OwnedConnection
from pairmark.messaging.transport import NO_LIMITS, Delivery, Sent, Stored, within
from pairmark.storage import faults
from pairmark.storage.connection import Database, execute, translated, values

SWEEP_SECONDS = 1.0
MOST_CHARACTERS = 32_000_000
"""A poll stops after so many bytes of bodies, which are all in memory at once; the first message always comes."""

READ = """
SELECT position, event_id, topic, event_key, body, headers FROM (
    SELECT position, event_id, topic, event_key, body, headers::text AS headers,
        sum(octet_length(body)) OVER (ORDER BY position) - octet_length(body) AS before
    FROM delivery WHERE group_name = %s AND position > %s AND topic <> ALL(%s) ORDER BY position LIMIT %s) AS first_ones
WHERE before < %s ORDER BY position
"""
FIRST = "SELECT position FROM delivery WHERE group_name = %s AND position > %s ORDER BY position LIMIT 1"
"""What is held back is read by nobody, but the mark must not pass it."""


class LocalTransport:
    """Publishes into `transport.delivery` and wakes the groups in this process."""

    delivery_timeout = 2.0
    late_sends_reorder = False
    """A late insert of rows that are there waits for them and does nothing; of rows already consumed, it is a redelivery."""

    def __init__(self, database: Database, groups: Mapping[str, Sequence[str]], wake: Callable[[str], None]) -> None:
        self._database = database
        self._wake = wake
        self._groups: dict[str, list[str]] = defaultdict(list)
        for group, topics in groups.items():
            for topic in topics:
                self._groups[topic].append(group)

    def publish(self, events: Sequence[Stored]) -> Sent:
        """One statement for the whole set: acknowledged when the delivery rows are committed.

        It is made for no rows, too: only the database knows whether events still go this way.
        """
        rows = [(group, event) for event in events for group in self._groups.get(event.topic, ())]
        with self._database.transaction("transport") as tx:
            execute(
                tx,
                "INSERT INTO delivery (group_name, event_id, topic, event_key, body, headers) "
                "SELECT g, i, t, k, b, h::jsonb FROM unnest(%b::text[], %b::uuid[], %b::text[], %b::text[], %b::text[], "
                "%b::text[]) AS e (g, i, t, k, b, h) ON CONFLICT (group_name, event_id) DO NOTHING",
                [
                    [group for group, _ in rows],
                    [event.id for _, event in rows],
                    [event.topic for _, event in rows],
                    [event.key for _, event in rows],
                    [event.body for _, event in rows],
                    [event.headers for _, event in rows],
                ],
            )
        for group in {group for group, _ in rows}:
            self._wake(group)
        return Sent({event.id for event in events})

    def close(self) -> None:
        """Nothing is held."""


class LocalSubscription:
    """Reads the delivery rows of one group, as its only owner: whoever it was before, it is so no more."""

    seat = UUID(int=0)
    joined = True
    wait_seconds = 0.0

    def __init__(self, database: Database, group: str, clock: Clock) -> None:
        self._group = group
        self._owned = OwnedConnection(database, "transport", waits_for_disk=False)
        self._lookout = Lookout(self._owned, clock)
        self._low = LowMark("delivery")
        self._sweeps = Sweeps(clock, SWEEP_SECONDS)
        self._lost = True
        self.term = 0

    def poll(self, limit: int, at_most: Mapping[str, int] = NO_LIMITS) -> list[Delivery]:
        """The oldest unacknowledged messages; empty while another process owns the group."""
        try:
            if not self._owned.try_own(f"group:{self._group}"):
                self._lost = True
                self._lookout.look(f"group:{self._group}")
                return []
            if self._lost:
                self._lost, self.term = False, self.term + 1
            with translated():
                return within(self._read(limit, [topic for topic, most in at_most.items() if most < 1]), at_most)
        except Busy as error:
            self._lost = True
            raise self._owned.lost(error) from error

    def left(self, seats: Sequence[UUID]) -> list[UUID]:
        """All of them: a group has one owner, and only the owner asks."""
        return list(seats)

    def _read(self, limit: int, without: Sequence[str]) -> list[Delivery]:
        connection = self._owned.connection()
        may_move = self._low.may_move(connection)
        with self._sweeps.due() as sweep:
            low = 0 if sweep else self._low.value
            rows = execute(connection, READ, [self._group, low, list(without), limit, MOST_CHARACTERS])
            first = values(execute(connection, FIRST, [self._group, low])) if without else [row[0] for row in rows[:1]]
        self._low.moved(connection, first[0] if first else None, may_move=may_move)
        return [Delivery(*row) for row in rows]

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Remove the delivery rows; a crash before this only repeats the messages."""
        faults.reach(f"{self._group}.before_acknowledge")
        try:
            with translated():
                execute(
                    self._owned.connection(),
                    "DELETE FROM delivery WHERE group_name = %s AND position = ANY(%b::bigint[])",
                    [self._group, [delivery.position for delivery in deliveries]],
                )
        except Busy as error:
            raise self._owned.lost(error) from error
        faults.reach(f"{self._group}.after_acknowledge")

    @property
    def owner(self) -> bool:
        """Whether this process owned the group at the last poll."""
        return bool(self._owned.held)

    def beat(self) -> None:
        """Show that this process is not stopped."""
        self._owned.beat()

    def close(self) -> None:
        """Leave the group to others."""
        self._owned.close()
