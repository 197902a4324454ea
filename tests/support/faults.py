"""Faults to order: messages planted on the way to a group, a transport that refuses, sessions that are cut off.

Everything stands on the real tables and the real parts; nothing here is asserted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4, uuid5

from pairmark.errors import Busy
from pairmark.events.catalogue import (
    AssessmentFailed,
    Event,
    ReserveRequested,
    ResourceConsumed,
    SystemMetadata,
)
from pairmark.events.envelope import Outgoing, outgoing
from pairmark.events.identity import EVENTS
from pairmark.messaging.transport import Failure, Sent, Stored, Transport
from pairmark.storage.connection import Database, execute

if TYPE_CHECKING:
    from pairmark.bootstrap import System

DELIVER = """
INSERT INTO transport.delivery (group_name, event_id, topic, event_key, body, headers) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT DO NOTHING
"""


def made(event: Event, aggregate: str, fact: str = "") -> Outgoing:
    """The event as its service would send it."""
    return outgoing(
        event, aggregate_id=aggregate, source="test", correlation_id=uuid5(EVENTS, aggregate), fact_key=fact
    )


def plant(database: Database, group: str, *events: Outgoing) -> None:
    """Deliver events to a group, in this order, in one transaction."""
    with database.connect() as connection, connection.transaction():
        for event in events:
            execute(
                connection,
                DELIVER,
                [group, event.id, event.event_type, event.aggregate_id, event.body, event.headers],
            )


def plant_raw(database: Database, group: str, topic: str, key: str, body: str) -> UUID:
    """Deliver any text as a message."""
    identity = uuid4()
    with database.connect() as connection:
        execute(connection, DELIVER, [group, identity, topic, key, body, "{}"])
    return identity


def reserve(batch: str, quantity: int, *, user: str = "ann", organisation: str | None = None) -> Outgoing:
    """Assessment wants credits for a batch."""
    return made(
        ReserveRequested(
            event_name=ReserveRequested.topic, entity_id=batch, cj_assessment_job_id=batch, user_id=user,
            org_id=organisation, quantity=quantity,
        ),
        batch,
    )  # fmt: skip


def consumed(batch: str, quantity: int, *, user: str = "ann") -> Outgoing:
    """Assessment says what a completed batch used."""
    return made(
        ResourceConsumed(
            event_name=ResourceConsumed.topic, entity_id=batch, user_id=user, quantity=quantity, processing_id=batch,
            consumed_at="2026-01-05T09:00:00Z",  # type: ignore[arg-type]  # encoded as it is
        ),
        batch,
    )  # fmt: skip


def failed(batch: str, status: str = "CANCELLED") -> Outgoing:
    """Assessment says that a batch ended without a result."""
    return made(
        AssessmentFailed(
            event_name=AssessmentFailed.topic, entity_id=batch, status=status, system_metadata=SystemMetadata(),
            cj_assessment_job_id=batch,
        ),
        batch,
    )  # fmt: skip


@dataclass
class Refusing:
    """A transport over the real one that refuses what it is told to, and notes every event it was given."""

    real: Transport
    refuse: Callable[[Stored], Failure | None] = lambda _: None
    given: list[Stored] = field(default_factory=list)
    sent: list[Stored] = field(default_factory=list)

    @property
    def delivery_timeout(self) -> float:
        """As long as the real one."""
        return self.real.delivery_timeout

    @property
    def late_sends_reorder(self) -> bool:
        """As the real one."""
        return self.real.late_sends_reorder

    def publish(self, events: Sequence[Stored]) -> Sent:
        """Send on what is not refused; after a refusal nothing more of that aggregate."""
        self.given += events
        failures: dict[UUID, Failure] = {}
        stopped: dict[str, Failure] = {}
        for event in events:
            failure = stopped.get(event.key) or self.refuse(event)
            if failure is not None:
                failures[event.id] = stopped[event.key] = failure
        going = [event for event in events if event.id not in failures]
        self.sent += going
        outcome = self.real.publish(going)
        return Sent(outcome.acknowledged, failures | outcome.failures)

    def close(self) -> None:
        """As the real one."""
        self.real.close()


def cut_sessions(database: Database, application: str = "%", user: str = "pairmark_%") -> int:
    """End the sessions of a database's roles as an administrator would; returns how many there were."""
    with database.connect() as connection:
        return len(
            execute(
                connection,
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid() AND usename LIKE %s AND application_name LIKE %s",
                [user, application],
            )
        )


def rows(database: Database, query: Any, *parameters: Any) -> list[tuple[Any, ...]]:
    """What a query over any schema finds."""
    with database.connect() as connection:
        return execute(connection, query, list(parameters) or None)


def drain_past_cuts(system: System) -> None:
    """Drain a system whose sessions were cut: each of its connections learns that only when it is used, and may say so once."""
    for _ in range(40):
        with suppress(Busy):
            system.drain()
            return
    raise AssertionError("The database stays busy.")
