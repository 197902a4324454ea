"""Ways to bring a batch to each of its ends, one for each reason to stop; all may be gone in one database, one after the other."""

import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from pairmark.bootstrap import System
from pairmark.clock import ManualClock
from pairmark.domain.statuses import Status, StopReason
from pairmark.events.catalogue import Design, EssayRef
from pairmark.events.identity import job_id
from pairmark.judges.spec import parse_judge
from pairmark.services.lifecycle.front_desk import Request, Ticket
from pairmark.storage.connection import Database
from support.callbacks import answer, answers, deliver, lower_wins, open_comparisons, receive, settle
from support.contract import REQUESTED, envelope, essays_with_text, request
from support.faults import plant_raw
from support.system import JUDGE, books, submit

FOUR_HOURS = Design().deadline_seconds + 1


@dataclass
class World:
    """One system and the clock it runs by."""

    system: System
    database: Database
    clock: ManualClock

    def give(self, ticket: Ticket, bodies: list[str]) -> None:
        """Have answers come in and be recorded."""
        deliver(self.database, bodies, str(ticket.job_id))
        receive(self.system)

    def pass_deadline(self) -> None:
        """Let the deadline pass and everything happen that then may."""
        self.clock.advance(FOUR_HOURS)
        settle(self.system)


@pytest.fixture
def world(system: System, database: Database, clock: ManualClock) -> World:
    """The system, its database and its clock together."""
    return World(system, database, clock)


def by_target_reliability(world: World) -> Ticket:
    ticket = submit(world.system, 12, judge="simulated:sd=3,seed=3", target_reliability=0.6, stability_threshold=0.0)
    world.system.drain()
    return ticket


def by_stable_scores(world: World) -> Ticket:
    ticket = submit(world.system, 12, stability_threshold=10.0)
    world.system.drain()
    return ticket


def by_budget(world: World) -> Ticket:
    ticket = submit(world.system, 5, stability_threshold=0.0)
    world.system.drain()
    return ticket


def by_nothing_left_to_ask(world: World) -> Ticket:
    """One pair cannot be judged any more, so the budget cannot be spent."""
    ticket = submit(world.system, 4, stability_threshold=0.0, success_rate=0.1)
    settle(world.system)
    while waiting := open_comparisons(world.database, ticket):
        lost = {"error_code": "unavailable", "message": "no vote was recorded"}
        world.give(ticket, [
            answer(one, None, error_detail=lost) if {first, second} == {0, 1} else answer(one, lower_wins(first, second))
            for one, first, second in waiting
        ])  # fmt: skip
        settle(world.system)
    return ticket


def by_forced_recovery(world: World) -> Ticket:
    """Stragglers never answer; what there is connects all texts."""
    ticket = submit(world.system, 6)
    settle(world.system)
    world.give(ticket, answers(open_comparisons(world.database, ticket)))
    settle(world.system)
    world.give(ticket, answers(open_comparisons(world.database, ticket)[1:]))
    world.pass_deadline()
    assert books(world.database, ticket).status == Status.PERFORMING_COMPARISONS  # asked again first
    world.pass_deadline()
    return ticket


def by_one_essay(world: World) -> Ticket:
    ticket = submit(world.system, 1)
    world.system.drain()
    return ticket


def by_invalid_request(world: World) -> Ticket:
    """Another service's: ours makes none."""
    twice = request([*essays_with_text(2), *essays_with_text(1)], entity_id="an id twice")
    plant_raw(world.database, "assessment", REQUESTED, "an id twice", json.dumps(envelope(REQUESTED, twice)))
    world.system.drain()
    return Ticket("an id twice", job_id("an id twice"), 1, opened=True)


def by_refused_credits(world: World) -> Ticket:
    world.system.accounts.grant("user", "poor", 79, "grant-1", world.clock.now())
    ticket = submit(world.system, 8, user_id="poor")
    world.system.drain()
    return ticket


def by_success_rate(world: World) -> Ticket:
    ticket = submit(world.system, 12)
    settle(world.system)
    waiting = open_comparisons(world.database, ticket)
    refused = [answer(one, None, error_detail={"error_code": "refused"}) for one, _, _ in waiting[:4]]
    world.give(ticket, refused + answers(waiting[4:]))
    settle(world.system)
    return ticket


def by_deadline(world: World) -> Ticket:
    ticket = submit(world.system, 6, name="nobody answers")
    settle(world.system)
    world.pass_deadline()
    world.pass_deadline()
    return ticket


def by_scoring_that_fails(world: World) -> Ticket:
    """Two comparisons cannot connect four texts."""
    ticket = submit(world.system, 4, budget=2)
    world.system.drain()
    return ticket


def by_unusable_text(world: World) -> Ticket:
    bodies = ["A text.", " \n\t ", "Another text."]
    refs = [
        EssayRef(essay_id=f"e{number}", text_storage_id=key)
        for number, key in enumerate(world.system.texts.put(bodies))
    ]
    spec = parse_judge(JUDGE)
    design = Design(judge=spec.canonical, judge_digest=spec.digest)
    ticket = world.system.front_desk.submit(Request("unusable", refs, design, "local"))
    world.system.drain()
    return ticket


def by_cancel(world: World) -> Ticket:
    ticket = submit(world.system, 6, name="to be cancelled")
    settle(world.system)
    world.give(ticket, answers(open_comparisons(world.database, ticket)))
    world.system.finalization.cancel(ticket.job_id, "a teacher")
    world.system.drain()
    return ticket


ENDS: dict[StopReason, tuple[Callable[[World], Ticket], Status]] = {
    StopReason.RELIABILITY_REACHED: (by_target_reliability, Status.COMPLETE_STABLE),
    StopReason.SCORES_STABLE: (by_stable_scores, Status.COMPLETE_STABLE),
    StopReason.BUDGET_SPENT: (by_budget, Status.COMPLETE_MAX_COMPARISONS),
    StopReason.NOTHING_LEFT_TO_ASK: (by_nothing_left_to_ask, Status.COMPLETE_MAX_COMPARISONS),
    StopReason.FORCED_RECOVERY: (by_forced_recovery, Status.COMPLETE_FORCED_RECOVERY),
    StopReason.INSUFFICIENT_ESSAYS: (by_one_essay, Status.COMPLETE_INSUFFICIENT_ESSAYS),
    StopReason.INVALID_REQUEST: (by_invalid_request, Status.ERROR_PROCESSING),
    StopReason.CREDITS_REFUSED: (by_refused_credits, Status.ERROR_PROCESSING),
    StopReason.SUCCESS_RATE_BELOW_LIMIT: (by_success_rate, Status.ERROR_PROCESSING),
    StopReason.DEADLINE_PASSED: (by_deadline, Status.ERROR_PROCESSING),
    StopReason.SCORING_FAILED: (by_scoring_that_fails, Status.ERROR_PROCESSING),
    StopReason.TEXTS_UNUSABLE: (by_unusable_text, Status.ERROR_ESSAY_PROCESSING),
    StopReason.CANCELLED: (by_cancel, Status.CANCELLED),
}
