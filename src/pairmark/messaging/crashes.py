"""Messages that were started and never finished: which ones were in hand when the process died, and how often.

Failures leave an error behind; a message that kills its process leaves nothing, unless it was written down before.
"""

from collections.abc import Sequence
from uuid import UUID

from pairmark.messaging.transport import Delivery, Subscription
from pairmark.storage.connection import Database, execute, translated, values

COUNT_DEATHS = """
WITH left_behind AS (DELETE FROM in_hand WHERE seat = ANY(%b::uuid[]) RETURNING event_ids)
INSERT INTO crash_suspect AS s (event_id, crashes)
SELECT e, count(*) FROM left_behind, unnest(event_ids) AS e
WHERE event_ids <> %b::uuid[] AND NOT EXISTS (SELECT FROM inbox WHERE inbox.event_id = e) GROUP BY e
ON CONFLICT (event_id) DO UPDATE SET crashes = s.crashes + EXCLUDED.crashes, last_at = clock_timestamp()
"""
TAKE = """
INSERT INTO in_hand AS h (seat, event_ids)
SELECT %b::uuid, %b::uuid[] FROM (SELECT set_config('synchronous_commit', 'off', true)) AS without_waiting_for_the_disk
ON CONFLICT (seat) DO UPDATE SET event_ids = EXCLUDED.event_ids
"""
LEAVE = """
DELETE FROM in_hand USING (SELECT set_config('synchronous_commit', 'off', true)) AS without_waiting_for_the_disk
WHERE seat = %b::uuid AND event_ids = %b::uuid[]
"""
"""Only what this process wrote itself: on the local road whoever owns the group has the same seat."""
FORGET = """
DELETE FROM crash_suspect s
WHERE last_at < clock_timestamp() - interval '7 days' OR EXISTS (SELECT FROM inbox i WHERE i.event_id = s.event_id)
"""
"""What was received has had its effect since, and ends no process any more; what has not come for a week comes no more."""


class CrashLog:
    """Remembers in the service's schema what is in hand at each seat. Who takes over counts what the dead left on theirs."""

    def __init__(self, database: Database, schema: str, subscription: Subscription) -> None:
        self._database = database
        self._schema = schema
        self._subscription = subscription
        self._suspects: dict[UUID, int] | None = None
        self._in_hand: list[UUID] = []
        self._seat: UUID | None = None
        self._done = True

    def taken_over(self) -> None:
        """What others had may come here now: whoever had it may have died, so what the dead left is looked at once more."""
        self._suspects = None

    def suspects(self) -> dict[UUID, int]:
        """Messages that were in hand when a process died, with the number of times."""
        if self._suspects is None:
            with self._database.transaction(self._schema) as tx:
                seats = values(execute(tx, "SELECT seat FROM in_hand"))
            left = self._subscription.left(seats)
            with self._database.transaction(self._schema) as tx:
                execute(tx, COUNT_DEATHS, [left, self._in_hand])  # what this process had when cut off is no crash
                execute(tx, FORGET)
                self._suspects = dict(execute(tx, "SELECT event_id, crashes FROM crash_suspect"))
        return self._suspects

    def starting(self, deliveries: Sequence[Delivery]) -> None:
        """Write down what is taken in hand now. It need not survive the machine, only this process."""
        if self._seat not in {None, self._subscription.seat}:
            self._leave()  # the place it had before its connection was lost
        self._in_hand, self._done = [delivery.event_id for delivery in deliveries], not deliveries
        self._seat = self._subscription.seat
        self._database.at_once(self._schema, TAKE, [self._seat, self._in_hand])

    def finished(self, deliveries: Sequence[Delivery]) -> None:
        """These messages were dealt with, so they are suspect no more."""
        self._done = True
        cleared = [one.event_id for one in deliveries if self._suspects and one.event_id in self._suspects]
        if not cleared:
            return
        with self._database.transaction(self._schema) as tx:
            execute(tx, "DELETE FROM crash_suspect WHERE event_id = ANY(%s)", [cleared])
        for event_id in cleared:
            self.cleared(event_id)

    def idle(self) -> None:
        """There is nothing to do: take off the list what was finished, so that a process that ends now leaves nothing behind."""
        if self._done and self._seat is not None:
            self._leave()

    def close(self) -> None:
        """A clean stop is no crash: only what is still in hand stays on the list. A database that is gone is not waited for."""
        if self._done and self._seat is not None:
            with self._database.connect(self._schema) as connection, translated():
                execute(connection, LEAVE, [self._seat, self._in_hand])
            self._seat, self._in_hand = None, []

    def _leave(self) -> None:
        self._database.at_once(self._schema, LEAVE, [self._seat, self._in_hand])
        self._seat, self._in_hand = None, []

    def cleared(self, event_id: UUID) -> None:
        """This message is set aside and no longer suspect."""
        if self._suspects:
            self._suspects.pop(event_id, None)
