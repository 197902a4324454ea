"""The road that the events of a database take: its own delivery table on a single machine, or Kafka.

It is written down in the database, where a trigger refuses local deliveries once Kafka carries the events.
"""

from pairmark.clock import Clock
from pairmark.errors import Busy
from pairmark.messaging.transport import Stored, Transport
from pairmark.storage.connection import Database, Tx, execute, translated

LIMIT = 500
SWITCH = 7_216_250_902
"""The advisory lock that local deliveries share and a change of road holds alone."""
WAITING = """
SELECT event_id, event_key, topic, body, headers FROM (
    SELECT DISTINCT ON (event_id) event_id, event_key, topic, body, headers::text AS headers, position
    FROM transport.delivery ORDER BY event_id, position) AS each_once
ORDER BY position LIMIT %s
"""


def kind(database: Database) -> str:
    """'local' or 'kafka'."""
    with database.transaction("transport") as tx:
        return str(execute(tx, "SELECT kind FROM road")[0][0])


def take_kafka(database: Database, transport: Transport, clock: Clock) -> int:
    """From now on Kafka carries the events of this database; returns how many were still on the local road and went over.

    What some groups have applied already reaches them again, under the same id. Raises `Busy` when Kafka does not take them.
    """
    with database.connect() as connection, translated(), connection.transaction():
        execute(connection, "SELECT pg_advisory_xact_lock(%s)", [SWITCH])
        if execute(connection, "SELECT kind FROM transport.road FOR UPDATE")[0][0] == "kafka":
            return 0
        moved = 0
        while went := _move(connection, transport):
            moved += went
        execute(connection, "UPDATE transport.road SET kind = 'kafka', since = %s", [clock.now()])
    return moved


def _move(connection: Tx, transport: Transport) -> int:
    events = [Stored(*row) for row in execute(connection, WAITING, [LIMIT])]
    if not events:
        return 0
    sent = transport.publish(events)
    if failure := next(iter(sent.failures.values()), None):
        raise Busy(f"An event that is still under way cannot go to Kafka: {failure.reason}.")
    execute(connection, "DELETE FROM transport.delivery WHERE event_id = ANY(%s)", [list(sent.acknowledged)])
    return len(sent.acknowledged)
