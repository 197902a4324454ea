"""The whole system over a fresh database with a clock that stands still, and short ways to ask it for a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from pairmark.bootstrap import System
from pairmark.clock import ManualClock
from pairmark.events.catalogue import Design, EssayRef
from pairmark.judges.spec import asks_models, parse_judge
from pairmark.services.lifecycle.front_desk import Request, Ticket
from pairmark.storage.connection import Database, execute
from pairmark.storage.schema import upgrade

if TYPE_CHECKING:
    from support.postgres import Databases

BEGIN = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
JUDGE = "simulated:sd=1,seed=3"


@pytest.fixture(scope="session")
def template(postgres: Databases) -> str:
    """A database with every migration applied, to be cloned."""
    name = postgres.create("pairmark_template")
    database = Database(postgres.conninfo(name), direct_login=True)
    upgrade(database)
    database.close()
    return name


@pytest.fixture
def conninfo(postgres: Databases, template: str, clone: Callable[[str], str]) -> str:
    """Connection string of a fresh, migrated database."""
    return postgres.conninfo(clone(template))


@pytest.fixture
def database(conninfo: str) -> Iterator[Database]:
    """A fresh, migrated database."""
    database = Database(conninfo, direct_login=True)
    yield database
    database.close()


@pytest.fixture
def clock() -> ManualClock:
    """A clock that moves only when told to."""
    return ManualClock(BEGIN)


@pytest.fixture
def system(database: Database, clock: ManualClock) -> Iterator[System]:
    """Everything wired over the fresh database; nothing runs until `drain` or `running`."""
    system = System(database, clock=clock)
    system.accounts.ensure_default()
    yield system
    system.close()


def submit(system: System, essays: int = 8, *, judge: str = JUDGE, **design: Any) -> Ticket:
    """Store invented texts and hand a request in."""
    ids = [f"essay-{number:04d}" for number in range(essays)]
    storage = system.texts.put([f"Text of {identity}. " * 3 for identity in ids])
    refs = [EssayRef(essay_id=one, text_storage_id=key) for one, key in zip(ids, storage, strict=True)]
    canonical, digest = (judge, "") if asks_models(judge) else (parse_judge(judge).canonical, parse_judge(judge).digest)
    user = design.pop("user_id", "local")
    organisation = design.pop("org_id", None)
    wanted = Design(judge=canonical, judge_digest=digest, **design)
    digest = sha256(repr((ids, wanted, user, organisation)).encode()).hexdigest()
    return system.front_desk.submit(Request(digest, refs, wanted, user, organisation))


@dataclass(frozen=True)
class Books:
    """What the tables say about one batch."""

    status: str
    terminal_events: dict[str, int]
    captures: int
    charged: int


def books(database: Database, ticket: Ticket) -> Books:
    """Count terminal events and charges of a batch, straight from the tables."""
    with database.connect() as connection:
        status = execute(connection, "SELECT status FROM assessment.batch WHERE id = %s", [ticket.job_id])[0][0]
        terminal = execute(
            connection,
            "SELECT event_type, count(*) FROM assessment.event_outbox WHERE aggregate_id = %s AND event_type LIKE 'huleedu.%%' "
            "GROUP BY 1",
            [str(ticket.job_id)],
        )
        charges = execute(
            connection,
            "SELECT count(*), coalesce(sum(charged), 0) FROM entitlements.ledger WHERE batch_id = %s AND kind = 'capture'",
            [str(ticket.job_id)],
        )[0]
    return Books(status, dict(terminal), charges[0], int(charges[1]))
