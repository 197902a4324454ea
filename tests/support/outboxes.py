"""Events of invented aggregates in lifecycle's outbox, a relay for them, and what was delivered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import pytest

from pairmark.bootstrap import System
from pairmark.clock import Clock
from pairmark.events.catalogue import AssessmentFailed, SystemMetadata
from pairmark.events.envelope import Outgoing
from pairmark.messaging import outbox
from pairmark.messaging.relay import Relay
from pairmark.messaging.transport import Transport
from pairmark.storage.connection import Database
from support.faults import made
from support.system import BEGIN

POSITIONS = "SELECT event_key, event_id FROM transport.delivery WHERE group_name = %s ORDER BY position"
BY_SEQ = "SELECT aggregate_id, id FROM lifecycle.event_outbox ORDER BY seq"
UNPUBLISHED = "SELECT count(*) FROM lifecycle.event_outbox WHERE published_at IS NULL"


def tell(aggregate: str, number: object) -> Outgoing:
    """An event of lifecycle that assessment, judging and results hear of (they are the ones that listen to failures)."""
    event = AssessmentFailed(
        status="CANCELLED", system_metadata=SystemMetadata(), cj_assessment_job_id=aggregate, timestamp=BEGIN
    )
    return made(event, aggregate, str(number))


def produce(database: Database, aggregate: str, numbers: Iterable[object]) -> None:
    """Append events of one aggregate, each in a transaction of its own."""
    for number in numbers:
        with database.transaction("lifecycle") as tx:
            outbox.append(tx, [tell(aggregate, number)])


def by_aggregate(found: Iterable[tuple[Any, ...]]) -> dict[str, list[UUID]]:
    """Event ids in their order, for each aggregate."""
    order = defaultdict(list)
    for aggregate, identity in found:
        order[aggregate].append(identity)
    return order


def relay(system: System, transport: Transport | None = None, clock: Clock | None = None) -> Relay:
    """A relay of lifecycle's outbox."""
    return Relay(system.database, "lifecycle", transport or system.transport, clock or system.clock)


@pytest.fixture(autouse=True)
def lifecycle_tells_all(database: Database) -> None:
    """Lifecycle may tell of ends, as it never does otherwise: three groups listen to those. Import it to have it."""
    with database.connect() as connection:
        connection.execute("ALTER TABLE lifecycle.event_outbox DROP CONSTRAINT only_own_events")
