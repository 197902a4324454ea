"""Messages that were started and never finished: which ones were in hand when the process died, and how often.

Failures leave an error behind; a message that kills its process leaves nothing, unless it was written down before.
"""

from collections.abc import Sequence
from uuid import UUID

from pairmark.messaging.transport import Delivery
from pairmark.storage.connection import Database, execute


class CrashLog:
    """Remembers in the service's schema what is in hand. The first look after a start counts what a dead owner left."""

    def __init__(self, database: Database, schema: str) -> None:
        self._database = database
        self._schema = schema
        self._suspects: dict[UUID, int] | None = None
        self._in_hand: list[UUID] = []

    def taken_over(self) -> None:
        """The group is ours (again): whoever had it meanwhile may have died, so what it left is looked at once more."""
        self._suspects = None

    def suspects(self) -> dict[UUID, int]:
        """Messages that were in hand when a process died, with the number of times."""
        if self._suspects is None:
            with self._database.transaction(self._schema) as tx:
                execute(
                    tx,
                    "INSERT INTO crash_suspect AS s (event_id, crashes) SELECT unnest(event_ids), 1 FROM handling "
                    "WHERE event_ids <> %s ON CONFLICT (event_id) DO UPDATE SET crashes = s.crashes + 1",
                    [self._in_hand],  # what this process had in hand itself when it was cut off is no crash
                )
                execute(tx, "UPDATE handling SET event_ids = '{}'")
                self._suspects = dict(execute(tx, "SELECT event_id, crashes FROM crash_suspect"))
        return self._suspects

    def starting(self, deliveries: Sequence[Delivery]) -> None:
        """Write down what is taken in hand now. It need not survive the machine, only this process."""
        self._in_hand = [delivery.event_id for delivery in deliveries]
        self._database.at_once(
            self._schema,
            "UPDATE handling SET event_ids = %b::uuid[] "
            "FROM (SELECT set_config('synchronous_commit', 'off', true)) AS without_waiting_for_the_disk",
            [self._in_hand],
        )

    def finished(self) -> None:
        """Everything in hand is dealt with."""
        if self._suspects:
            with self._database.transaction(self._schema) as tx:
                execute(tx, "DELETE FROM crash_suspect WHERE event_id = ANY(%s)", [list(self._suspects)])
            self._suspects = {}

    def cleared(self, delivery: Delivery) -> None:
        """This message is set aside and no longer suspect."""
        if self._suspects:
            self._suspects.pop(delivery.event_id, None)
