"""Processes that fetch texts of another service, and requests that name some."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pairmark.bootstrap import System
from support.contract import request

if TYPE_CHECKING:
    from pairmark.clock import ManualClock
    from pairmark.services.assessment.batches import Batch
    from pairmark.storage.connection import Database
    from support.content import FakeContent

Make = Callable[[], System]


@pytest.fixture
def make(database: Database, clock: ManualClock, content_service: FakeContent) -> Iterator[Make]:
    """Processes over one database that fetch from the service."""
    made: list[System] = []

    def one() -> System:
        made.append(System(database, clock=clock, content=content_service.access))
        made[-1].accounts.ensure_default()
        return made[-1]

    yield one
    for system in made:
        system.close()


def asking_for(*identities: str, **fields: Any) -> dict[str, Any]:
    """A request that names its texts by these ids."""
    essays = [{"essay_id": f"essay-{k}", "text_storage_id": one} for k, one in enumerate(identities)]
    return request(essays, design={"judge": "surface"}) | fields


def again(system: System, clock: ManualClock, batch: Batch, seconds: float = 100) -> Batch:
    """Let time pass and everything happen that then may."""
    clock.advance(seconds)
    system.drain()
    now = system.assessment.batch(batch.id)
    assert now is not None
    return now
