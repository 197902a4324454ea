"""Assessments by the batch APIs of the fake providers: one priced model of each, and whatever is to be looked at afterwards."""

from __future__ import annotations

from pairmark.bootstrap import System
from pairmark.clock import ManualClock
from pairmark.judges.llm.config import LlmOptions
from pairmark.judges.spec import parse_judge
from pairmark.services.lifecycle.front_desk import Ticket
from pairmark.storage import faults
from pairmark.storage.connection import Database
from support.faults import rows
from support.invariants import violations
from support.over_http import CARD, differences
from support.providers import Card, FakeProviders
from support.system import books

MODELS = {
    "openai": CARD,
    "anthropic": Card("examiner-a", "anthropic", input=1.0, cached=0.1, cache_write=1.25, output=4.0),
    "google": Card("examiner-g", "google", input=1.0, cached=0.1, output=4.0),
}
ALL = list(MODELS)
ONCE = """
SELECT count(*) FROM assessment.comparison c WHERE 1 <> (
    SELECT count(*) FROM assessment.judgement j WHERE j.batch_id = c.batch_id AND j.ordinal = c.ordinal AND j.closing)
"""
STATES = "SELECT state, count(*) FROM judging.job GROUP BY 1 ORDER BY 1"
KINDS = "SELECT kind, count(*) FROM judging.model_call WHERE purpose = 'comparison' GROUP BY 1"
DAY = 86_400


class Crash(BaseException):
    """The process is no more."""


def crash_at(point: str, number: int = 1) -> None:
    """From now on the process dies where this point is reached for so many times."""
    reached: list[str] = []

    def act(name: str) -> None:
        if name == point:
            reached.append(name)
            if len(reached) == number:
                faults.install(None)
                raise Crash

    faults.install(act)


def judge_of(provider: str) -> str:
    """The canonical form of this provider's model, asked in jobs."""
    return parse_judge(f"{provider}:{MODELS[provider].name}", LlmOptions(batch=True)).canonical


def run_to_its_end(system: System, database: Database, clock: ManualClock, ticket: Ticket, step: float = 61.0) -> None:
    """Looks at jobs come minutes apart."""
    system.drain()
    for _ in range(60):
        if books(database, ticket).status != "PERFORMING_COMPARISONS":
            return
        clock.advance(step)
        system.drain()


def check(database: Database, fake: FakeProviders, ticket: Ticket) -> None:
    """Complete, every comparison counted once, and both books agree."""
    assert books(database, ticket).status.startswith("COMPLETE_")
    assert differences(database, fake.book.entries) == []
    assert rows(database, ONCE) == [(0,)]
    assert rows(database, "SELECT count(*) FROM judging.chunk WHERE in_jobs") == [(0,)]
    assert violations(database) == []


def another(system: System, database: Database, clock: ManualClock) -> System:
    """The process ends; another one begins over the same database."""
    system.close()
    return System(database, clock=clock)
