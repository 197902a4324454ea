"""Guards of the program are taken out in turn, and the harness must notice (G12): one that cannot fail proves nothing.

A mutant is one statement or function replaced; the same scene is clean with the original. `CODE_MUTANTS` is the list.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from uuid import UUID, uuid4

import pytest

from pairmark.bootstrap import System
from pairmark.clock import ManualClock
from pairmark.errors import Busy, PairmarkError
from pairmark.events import envelope
from pairmark.events.catalogue import AssessmentFailed, SystemMetadata
from pairmark.messaging import consumer
from pairmark.messaging import relay as relay_module
from pairmark.messaging.local import LocalSubscription, LocalTransport
from pairmark.messaging.relay import Relay
from pairmark.services.assessment import batches, callbacks, finalization, waves
from pairmark.services.assessment.finalization import Finalization
from pairmark.services.entitlements import saga
from pairmark.storage import faults
from pairmark.storage.connection import Database, execute
from support.callbacks import answer, answers, deliver, open_comparisons, receive, settle
from support.invariants import violations
from support.races import cut_off_holds, end_together, plan_together
from support.system import submit

Scenario = Callable[["World"], list[str]]
"""Plays a scene with the program as it is at that moment and returns what the harness complains of."""


@dataclass
class World:
    """One system over a fresh database."""

    system: System
    database: Database
    clock: ManualClock
    patched: pytest.MonkeyPatch


@pytest.fixture
def world(system: System, database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(system, database, clock, monkeypatch)


def four_end_it_at_once(world: World) -> list[str]:
    came_to = end_together(world.system, world.clock, world.patched)
    complaints = [str(one) for one in came_to if isinstance(one, Exception)]
    if sum(one is True for one in came_to) != 1:
        complaints.append(f"{came_to} of four finalisers")
    settle(world.system)
    return complaints + violations(world.database)


def an_answer_comes_as_scoring_begins(world: World) -> list[str]:
    held = cut_off_holds(world.system, world.database, world.clock, world.patched)
    return [*([] if held else ["charged is not what was scored"]), *violations(world.database)]


def six_plan_the_same_wave(world: World) -> list[str]:
    ticket = submit(world.system, 6, stability_threshold=0.0)
    settle(world.system)
    deliver(world.database, answers(open_comparisons(world.database, ticket)), str(ticket.job_id))
    receive(world.system)
    moved = plan_together(world.database, world.clock, ticket, world.patched)
    complaints = [str(one) for one in moved if isinstance(one, Exception)]
    complaints += [] if (moved.count(True), moved.count(False)) == (1, 5) else [f"{moved} of six planners"]
    settle(world.system)
    return complaints + violations(world.database)


def everything_comes_twice(world: World) -> list[str]:
    """Every delivery to assessment is repeated after it was handled; no handler may see a message again."""
    handled: list[UUID] = []
    handlers = world.system.consumers["assessment"]._handlers
    watched = {topic: partial(_note_and_handle, handled, handler) for topic, handler in handlers.items()}
    world.patched.setattr(world.system.consumers["assessment"], "_handlers", watched)
    submit(world.system, 4, stability_threshold=0.0)
    world.system.drain()
    with world.database.connect() as connection:
        connection.execute(
            "INSERT INTO transport.delivery (group_name, event_id, topic, event_key, body, headers) "
            "SELECT 'assessment', id, topic, event_key, event_data::text, headers FROM judging.event_outbox"
        )
    world.system.drain()
    again = len(handled) - len(set(handled))
    return [f"{again} messages were handled again"] * bool(again) + violations(world.database)


def _note_and_handle(handled, handler, tx, messages):  # type: ignore[no-untyped-def]
    handled.extend(message.event_id for message in messages)
    handler(tx, messages)


def each_place_is_in_trouble_once(world: World) -> list[str]:
    """Every consumer's inbox transaction and every publication fails at its first try."""
    points = {f"{group}.inside_inbox" for group in world.system.consumers} | {"transport.before_commit"}

    def trouble(point: str) -> None:
        if point in points:
            points.discard(point)
            raise Busy(f"trouble at {point}")

    submit(world.system, 4, stability_threshold=0.0)
    world.patched.setattr(faults, "_action", trouble)
    for _ in range(len(points) + 1):
        with suppress(Busy):
            world.system.drain()
        world.clock.advance(10)
    world.system.drain()
    with world.database.connect() as connection:
        open_now = execute(connection, "SELECT entity_id FROM lifecycle.batch WHERE phase = 'requested'")
    complaints = [f"{len(open_now)} requests have no end"] if open_now else []
    complaints += [f"{point} was never reached" for point in sorted(points)]
    return complaints + violations(world.database)


def a_relay_loses_its_lease_while_it_sends(world: World) -> list[str]:
    class TakenOver(LocalTransport):
        def publish(self, events):  # type: ignore[no-untyped-def]
            with world.database.connect() as connection:
                connection.execute("UPDATE lifecycle.relay_lease SET token = gen_random_uuid()")
            return super().publish(events)

    submit(world.system, 4)
    relay = Relay(world.database, "lifecycle", TakenOver(world.database, {}, lambda group: None), world.clock)
    relay.step()
    with world.database.connect() as connection:
        marked = execute(connection, "SELECT id FROM lifecycle.event_outbox WHERE published_at IS NOT NULL")
    return [f"{len(marked)} events were marked without the lease"] if marked else []


def judges_refuse_to_answer(world: World) -> list[str]:
    ticket = submit(world.system, 6, success_rate=0.0, stability_threshold=0.0, budget=6)
    settle(world.system)
    refused = [answer(one, None, error_detail={"error_code": "refused"}) for one, _, _ in
               open_comparisons(world.database, ticket)]  # fmt: skip
    deliver(world.database, refused, str(ticket.job_id))
    settle(world.system)
    batch = world.system.assessment.batch(ticket.job_id)
    assert batch is not None
    return [f"{batch.counted} refusals were counted as verdicts"] if batch.counted else []


def an_assessment_from_end_to_end(world: World) -> list[str]:
    submit(world.system, 4, stability_threshold=0.0)
    try:
        world.system.drain()
    except PairmarkError as error:
        return [str(error)]
    return violations(world.database)


def poll_and_acknowledge(self, *words):  # type: ignore[no-untyped-def]
    rows = ORIGINAL_POLL(self, *words)
    if rows:
        self.acknowledge(rows)
    return rows


def claim_and_mark(self):  # type: ignore[no-untyped-def]
    rows = ORIGINAL_CLAIM(self)
    self._mark([event for _, event in rows])
    return rows


ORIGINAL_POLL, ORIGINAL_CLAIM = LocalSubscription.poll, Relay._claim
CODE_MUTANTS: dict[str, tuple[object, str, object, Scenario]] = {
    "compare-and-set without version and status": (
        batches,
        "MOVE",
        batches.MOVE.replace("AND status = %(seen_status)s AND version = %(seen_version)s", ""),
        four_end_it_at_once,
    ),
    "no row lock before counting": (
        callbacks,
        "COUNT",
        callbacks.COUNT.replace("FOR NO KEY UPDATE", ""),
        an_answer_comes_as_scoring_begins,
    ),
    "a wave without the version it was planned for": (
        waves,
        "NEW_WAVE",
        waves.NEW_WAVE.replace(
            "AND status = %(seen_status)s AND version = %(seen_version)s AND wave = %(seen_wave)s", ""
        ),
        six_plan_the_same_wave,
    ),
    "an inbox that lets everything through": (
        consumer,
        "INBOX",
        "WITH e AS (SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS t (event_id, topic, event_key)), "
        "i AS (INSERT INTO inbox (event_id, topic) SELECT event_id, topic FROM e ON CONFLICT DO NOTHING) SELECT event_id FROM e",
        everything_comes_twice,
    ),
    "acknowledged before the commit": (
        LocalSubscription,
        "poll",
        poll_and_acknowledge,
        each_place_is_in_trouble_once,
    ),
    "marked before it is sent": (Relay, "_claim", claim_and_mark, each_place_is_in_trouble_once),
    "marked without the lease": (
        relay_module,
        "MARK",
        relay_module.MARK.replace("WHERE token = %s", "WHERE %s IS NOT NULL"),
        a_relay_loses_its_lease_while_it_sends,
    ),
    "everything is a win for the first text": (
        callbacks,
        "_verdict",
        lambda event: ("verdict", "first"),
        judges_refuse_to_answer,
    ),
    "an end that is not announced": (
        Finalization,
        "_append",
        lambda self, tx, seen, events: None,
        an_assessment_from_end_to_end,
    ),
    "an end that forgets one event": (
        finalization,
        "_consumed",
        lambda seen, counted, now: failure_for_the_bill(seen, now),
        an_assessment_from_end_to_end,
    ),
    "a new id for every event": (envelope, "event_id", lambda *fact: uuid4(), an_assessment_from_end_to_end),
    "a charge of everything that was sent": (
        saga,
        "SETTLE",
        saga.SETTLE.replace("captured = %s, released = %s", "captured = %s + 1, released = %s - 1"),
        an_assessment_from_end_to_end,
    ),
}


def failure_for_the_bill(seen, now):  # type: ignore[no-untyped-def]
    """The failure event in the place of the bill."""
    return AssessmentFailed(
        entity_id=seen.entity_id,
        status="CANCELLED",
        timestamp=now,
        system_metadata=SystemMetadata(),
        cj_assessment_job_id=str(seen.id),
    )


@pytest.mark.parametrize("scenario", sorted({row[3].__name__ for row in CODE_MUTANTS.values()}))
def test_mutant_scenarios_are_clean_with_the_program_as_it_is(world: World, scenario: str):
    play = next(row[3] for row in CODE_MUTANTS.values() if row[3].__name__ == scenario)
    assert play(world) == []


@pytest.mark.parametrize("mutant", CODE_MUTANTS)
def test_mutant_of_the_program_is_noticed(world: World, mutant: str):
    place, name, replacement, play = CODE_MUTANTS[mutant]
    assert replacement != getattr(place, name)
    world.patched.setattr(place, name, replacement)
    assert play(world)
