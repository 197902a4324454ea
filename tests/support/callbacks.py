"""Playing the judge by hand: which comparisons wait for an answer, and answers of any kind put onto the transport.

The batch is driven by the system's own steps; only the asker is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from pairmark.events.catalogue import ComparisonResult
from pairmark.events.envelope import outgoing
from pairmark.messaging.loop import drain
from pairmark.storage.connection import Database, Tx, execute

if TYPE_CHECKING:
    from pairmark.bootstrap import System
    from pairmark.services.lifecycle.front_desk import Ticket

OPEN = """
SELECT c.id, c.first, c.second FROM assessment.comparison c WHERE c.batch_id = %s AND c.wave > 0 AND NOT EXISTS (
    SELECT FROM assessment.judgement j WHERE j.batch_id = c.batch_id AND j.ordinal = c.ordinal AND j.closing)
ORDER BY c.ordinal
"""
DELIVER = """
INSERT INTO transport.delivery (group_name, event_id, topic, event_key, body, headers)
VALUES ('assessment', %s, %s, %s, %s, '{}')
"""
_number = count(1)


def settle(system: System) -> int:
    """Do everything that can be done without asking a judge."""
    return drain({name: step for name, step in system.steps().items() if name != "asker"})


def open_comparisons(database: Database, ticket: Ticket) -> list[tuple[UUID, int, int]]:
    """Comparisons that want an answer: id, first and second essay by ordinal."""
    with database.connect() as connection:
        return [(row[0], row[1], row[2]) for row in execute(connection, OPEN, [ticket.job_id])]


def answer(request: UUID | str, winner: str | None = "Essay A", **fields: Any) -> str:
    """A callback as it travels: the envelope's JSON, under an event id of its own."""
    batch = fields.pop("batch", "somebody")
    event = ComparisonResult(event_name=ComparisonResult.topic, request_id=str(request), winner=winner, **fields)
    made = outgoing(
        event, aggregate_id=str(batch), source="judging", correlation_id=uuid4(), fact_key=f"by hand {next(_number)}"
    )
    return made.body


def lower_wins(first: int, second: int) -> str:
    """A judge who always prefers the essay of the lower ordinal."""
    return "Essay A" if first < second else "Essay B"


def answers(comparisons: Iterable[tuple[UUID, int, int]]) -> list[str]:
    """A verdict for each comparison."""
    return [answer(identity, lower_wins(first, second)) for identity, first, second in comparisons]


def deliver(database: Database, bodies: Sequence[str], key: str, topic: str = ComparisonResult.topic) -> None:
    """Put messages onto the transport for assessment, each as a delivery of its own."""
    with database.connect() as connection, connection.transaction():
        for body in bodies:
            put(connection, body, key, topic)


def put(tx: Tx, body: str, key: str, topic: str = ComparisonResult.topic) -> None:
    """Put one message onto the transport, in the caller's transaction."""
    execute(tx, DELIVER, [uuid4(), topic, key, body])


def receive(system: System) -> int:
    """Have assessment consume what lies on the transport."""
    return drain({"assessment": system.consumers["assessment"].step})


def answer_until_last_wave(system: System, tickets: Sequence[Ticket]) -> None:
    """Answer wave after wave until the whole budget of every batch is sent; the last wave waits for its answers."""
    open_now = list(tickets)
    while open_now:
        settle(system)
        with system.database.connect() as connection:
            query = "SELECT sent < budget FROM assessment.batch WHERE id = %s"
            open_now = [ticket for ticket in open_now if execute(connection, query, [ticket.job_id])[0][0]]
        for ticket in open_now:
            deliver(system.database, answers(open_comparisons(system.database, ticket)), str(ticket.job_id))


def answer_all_but(system: System, tickets: Sequence[Ticket], left: int) -> None:
    """Leave nothing missing but a decision and `left` answers of each batch, in the last wave of its budget."""
    answer_until_last_wave(system, tickets)
    for ticket in tickets:
        waiting = open_comparisons(system.database, ticket)
        deliver(system.database, answers(waiting[: len(waiting) - left]), str(ticket.job_id))
    receive(system)
