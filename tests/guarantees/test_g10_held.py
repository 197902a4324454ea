"""G10: a message that cannot be handled is tried again, set aside at last, and blocks nobody but its own aggregate."""

import json
import random
import string
from contextlib import suppress

import pytest

from pairmark.audit.selfcheck import self_check
from pairmark.clock import ManualClock
from pairmark.errors import Busy
from pairmark.events.catalogue import AssessmentRequested, Design, EssayRef, ReserveRequested, ResourceConsumed
from pairmark.messaging import held
from pairmark.messaging.backoff import delay_seconds
from pairmark.messaging.consumer import Consumer
from pairmark.messaging.crashes import CrashLog
from pairmark.messaging.local import LocalSubscription
from pairmark.messaging.transport import Delivery
from pairmark.storage import faults
from pairmark.storage.connection import execute
from support.faults import consumed, cut_sessions, drain_past_cuts, failed, made, plant, plant_raw, reserve, rows
from support.system import BEGIN, books, submit

BATCH = "6a5c7c52-2b1c-4c57-9a0e-0d6f5a3c1bad"
HELD = "SELECT event_key, topic, attempts FROM entitlements.held_message ORDER BY position"
RESERVATIONS = "SELECT batch_id, state, captured FROM entitlements.reservation ORDER BY batch_id"


@pytest.fixture
def entitlements(system):
    """The step of one consumer."""
    return system.consumers["entitlements"].step


def test_g10_bad_message_is_held_and_others_of_the_same_poll_go_on(system, database, entitlements):
    plant(database, "entitlements", reserve("a", 5), consumed("bad", 3), reserve("b", 5), consumed("a", 5), failed("b"))
    entitlements()
    assert rows(database, HELD) == [("bad", "huleedu.resource.consumption.v1", 1)]
    assert rows(database, RESERVATIONS) == [("a", "closed", 5), ("b", "closed", 0)]
    assert rows(database, "SELECT count(*) FROM transport.delivery") == [(0,)]


def test_g10_later_messages_of_the_aggregate_and_topic_wait_in_their_order(system, database, entitlements):
    later = [made(usage(number), "bad", f"later {number}") for number in range(3)]
    plant(database, "entitlements", consumed("bad", 3), *later[:2])
    entitlements()
    plant(database, "entitlements", later[2], reserve("other", 1))
    entitlements()
    waiting = rows(database, "SELECT event_id FROM entitlements.held_message ORDER BY position")
    assert [row[0] for row in waiting[1:]] == [event.id for event in later]
    assert rows(database, RESERVATIONS) == [("other", "open", 0)]


def usage(quantity):
    """Another message of the aggregate that cannot be applied."""
    return ResourceConsumed(processing_id="bad", user_id="ann", quantity=quantity, consumed_at=BEGIN)


def test_g10_tries_are_spaced_by_the_clock_and_bounded_then_the_message_is_dead_and_the_rest_flows(
    system, database, clock, entitlements
):
    follower = made(
        ResourceConsumed(processing_id="other", quantity=1, user_id="ann", consumed_at=clock.now()), "bad", "next"
    )
    plant(database, "entitlements", reserve("other", 1), consumed("bad", 3), follower)
    system.drain()
    for attempt in range(1, held.MAX_ATTEMPTS):
        assert rows(database, HELD)[0][2] == attempt
        clock.advance(delay_seconds(attempt) - 0.51)
        system.drain()
        assert rows(database, HELD)[0][2] == attempt, "tried before its time"
        assert rows(database, RESERVATIONS) == [("other", "open", 0)], "went past the one before it"
        clock.advance(0.52)
        system.drain()
    (dead,) = held.dead_letters(database, "entitlements")
    assert dead[1:4] == ("huleedu.resource.consumption.v1", "bad", held.MAX_ATTEMPTS)
    assert "no reservation yet" in dead[4]
    assert rows(database, HELD) == []
    assert rows(database, RESERVATIONS) == [("other", "closed", 1)]


def test_g10_other_topic_of_the_aggregate_may_bring_what_the_held_message_lacks(system, database, clock):
    """Topics keep no order among each other (G9), so a held message must not hold up the one it waits for."""
    plant(database, "entitlements", consumed("late", 3), reserve("late", 4))
    system.drain()
    clock.advance(1.1)
    system.drain()
    assert rows(database, HELD) == []
    assert rows(database, RESERVATIONS) == [("late", "closed", 3)]


def test_g10_dead_letter_stays_dead_when_it_comes_again_and_lives_when_replayed(system, database, clock, entitlements):
    plant(database, "entitlements", consumed(BATCH, 3))
    system.drain()
    for attempt in range(1, held.MAX_ATTEMPTS):
        clock.advance(delay_seconds(attempt) + 0.1)
        system.drain()
    (dead,) = held.dead_letters(database, "entitlements")
    plant(database, "entitlements", consumed(BATCH, 3), reserve(BATCH, 4))
    system.drain()
    assert [row[0] for row in held.dead_letters(database, "entitlements")] == [dead[0]]
    assert self_check(database, [BATCH]).lost == 1
    assert held.replay(database, "entitlements", [dead[0]], clock.now()) == 1
    clock.advance(1)
    system.drain()
    assert rows(database, RESERVATIONS) == [(BATCH, "closed", 3)]
    assert held.dead_letters(database, "entitlements") == []
    assert held.replay(database, "entitlements", [dead[0]], clock.now()) == 0


def test_g10_data_that_breaks_a_constraint_is_held_not_retried_at_once(system, database, clock):
    """A reservation of a negative quantity, refused by the ledger's own check."""
    plant(database, "entitlements", reserve("bad", -5), reserve("good", 5))
    system.drain()
    assert [row[0] for row in rows(database, HELD)] == ["bad"]
    assert rows(database, RESERVATIONS) == [("good", "open", 0)]


def test_g10_value_too_long_for_an_index_is_broken_data_not_a_busy_database(system, database, clock):
    """PostgreSQL calls it an operational error; waiting for it to pass would stop the whole group for ever."""
    draw = random.Random(5)
    name = "".join(draw.choice(string.ascii_letters) for _ in range(9_000))
    request = ReserveRequested(cj_assessment_job_id=name, user_id="local", quantity=1)
    plant(database, "entitlements", made(request, "poison"))
    ticket = submit(system, 3)
    system.drain()
    assert books(database, ticket).status.startswith("COMPLETE_")
    assert rows(database, "SELECT event_key FROM entitlements.held_message") == [("poison",)]


@pytest.mark.parametrize("long", ["entity", "essay"])
def test_g10_ids_that_no_index_holds_are_refused_before(system, database, long):
    name = "x" * 9_000
    essays = [EssayRef(essay_id=name if long == "essay" else "e", text_storage_id="x")]
    entity = name if long == "entity" else "request"
    request = AssessmentRequested(
        entity_id=entity, essays_for_cj=essays, user_id="local", design=Design(judge="surface")
    )
    plant(database, "assessment", made(request, "poison"))
    system.drain()
    kept = "SELECT event_key FROM assessment.held_message UNION ALL SELECT event_key FROM assessment.quarantine"
    assert rows(database, kept) == [("poison",)]
    assert rows(database, "SELECT count(*) FROM assessment.batch WHERE status NOT LIKE 'ERROR%'") == [(0,)]


def test_g10_reason_that_postgresql_cannot_hold_does_not_stop_the_consumer(system, database):
    """The envelope may carry a zero character as an escape; the reason quotes it."""
    request = made(AssessmentRequested(entity_id="a\x00b", essays_for_cj=[], user_id="local"), "poison")
    plant_raw(database, "assessment", request.event_type, "poison", request.body)
    ticket = submit(system, 3)
    system.drain()
    assert books(database, ticket).status.startswith("COMPLETE_")
    assert rows(database, "SELECT last_error FROM assessment.held_message")[0][0].startswith("BrokenData: Request ab")


HOSTILE = {
    "nothing": "",
    "no JSON": "{",
    "an array": "[1, 2]",
    "deep": "[" * 100_000,
    "wrong types": json.dumps({"event_id": 1}),
    "lone surrogate": '{"event_id": "\\ud800"}',
    "huge number": '{"schema_version": ' + "9" * 5_000 + "}",
    "too large": '"' + "x" * 4_000_001 + '"',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_g10_what_is_no_message_is_quarantined_once_and_counted(system, database, name):
    for _ in range(2):
        plant_raw(database, "assessment", AssessmentRequested.topic, "poison", HOSTILE[name])
        system.drain()
    assert rows(database, "SELECT event_key, seen FROM assessment.quarantine") == [("poison", 2)]
    ticket = submit(system, 3)
    system.drain()
    assert books(database, ticket).status.startswith("COMPLETE_")


def crash(database, group, event, times):
    """What processes leave behind that died while they had `event` in hand."""
    for _ in range(times):
        log = CrashLog(database, group, LocalSubscription(database, group, ManualClock(BEGIN)))
        log.suspects()
        log.starting([delivery(event)])


def delivery(event):
    return Delivery(1, event.id, event.event_type, event.aggregate_id, event.body, event.headers)


@pytest.mark.parametrize(
    ("deaths", "state"), [(4, [("killer", "open", 0), ("other", "open", 0)]), (5, [("other", "open", 0)])]
)
def test_g10_message_that_kills_its_process_is_set_aside_after_five_deaths(system, database, deaths, state):
    killer = reserve("killer", 1)
    crash(database, "entitlements", killer, deaths)
    plant(database, "entitlements", killer, reserve("other", 1))
    system.drain()
    assert rows(database, RESERVATIONS) == state
    causes = [row[4] for row in held.dead_letters(database, "entitlements")]
    assert causes == ([] if deaths < 5 else ["the process ended 5 times while handling it"])


def test_g10_deaths_are_counted_for_held_and_replayed_messages_too(system, database, clock):
    """Else a message replayed from the dead-letter store could end every process that comes up."""
    killer = consumed("killer", 1)
    plant(database, "entitlements", killer, reserve("other", 1))
    system.drain()
    crash(database, "entitlements", killer, 5)
    clock.advance(2)
    consumer_of_next_process = type(system)(database, clock=clock)
    try:
        system.consumers["entitlements"].close()
        consumer_of_next_process.consumers["entitlements"].step()
    finally:
        consumer_of_next_process.close()
    assert [row[4] for row in held.dead_letters(database, "entitlements")] == [
        "the process ended 5 times while handling it"
    ]


def test_g10_message_that_had_its_effect_is_never_called_dead(system, database, clock):
    """Processes may die after the commit, before the acknowledgement; then nothing is lost and nothing is buried."""
    event = reserve("a", 1)
    plant(database, "entitlements", event)
    system.drain()
    system.close()
    crash(database, "entitlements", event, 5)
    plant(database, "entitlements", event)
    later = type(system)(database, clock=clock)
    later.drain()
    later.close()
    assert held.dead_letters(database, "entitlements") == []
    assert rows(database, RESERVATIONS) == [("a", "open", 0)]


def test_g10_deaths_of_whoever_had_the_group_meanwhile_are_counted(system, database):
    """A process that loses the group and gets it back looks again at what is left in hand; its own work is no crash."""
    killer, consumer = reserve("killer", 1), system.consumers["entitlements"]
    plant(database, "entitlements", reserve("first", 1))
    system.drain()
    cut_sessions(database, user="pairmark_transport")
    with suppress(Busy):
        consumer.step()
    crash(database, "entitlements", killer, 5)
    plant(database, "entitlements", killer, reserve("other", 1))
    drain_past_cuts(system)
    assert rows(database, RESERVATIONS) == [("first", "open", 0), ("other", "open", 0)]
    assert [row[4] for row in held.dead_letters(database, "entitlements")] == [
        "the process ended 5 times while handling it"
    ]


def test_g10_a_process_that_is_cut_off_again_and_again_has_not_died(system, database):
    """What it had in hand then is its own, and no suspect."""
    event, consumer = reserve("cut off", 1), system.consumers["entitlements"]
    plant(database, "entitlements", event)
    faults.install(lambda point: cut_at(database, point))
    try:
        for _ in range(8):
            with suppress(Busy):
                consumer.step()
    finally:
        faults.install(None)
    assert rows(database, "SELECT event_id FROM entitlements.crash_suspect") == []
    drain_past_cuts(system)
    assert rows(database, RESERVATIONS) == [("cut off", "open", 0)]


LEFT = "SELECT event_id FROM entitlements.in_hand, unnest(event_ids) AS u (event_id)"
SUSPECTS = "SELECT event_id, crashes FROM entitlements.crash_suspect"


@pytest.mark.parametrize("end", ["stopped at once", "stopped when idle", "killed when idle"])
def test_g10_a_process_that_ends_with_nothing_in_hand_leaves_nothing_behind(system, database, clock, end):
    """Else each restart would make suspects of what it had last, and every take-over would read all of them."""
    plant(database, "entitlements", *(reserve(f"batch {number}", 1) for number in range(5)))
    entitlements = system.consumers["entitlements"]
    entitlements.step()
    if end != "stopped at once":
        assert entitlements.step() == 0
    if end != "killed when idle":
        system.close()
    assert rows(database, LEFT) == []


def test_g10_a_stop_with_a_message_in_hand_is_written_down(database):
    """A stop that a handler held up is no clean one."""
    event, subscription = reserve("slow", 1), LocalSubscription(database, "entitlements", ManualClock(BEGIN))
    log = CrashLog(database, "entitlements", subscription)
    log.starting([delivery(event)])
    log.close()
    assert rows(database, LEFT) == [(event.id,)]


def test_g10_whoever_loses_the_group_takes_nothing_off_the_list_of_its_next_owner(database):
    """On the local road both have the same seat."""
    mine, theirs = reserve("mine", 1), reserve("theirs", 1)
    one, other = (
        CrashLog(database, "entitlements", LocalSubscription(database, "entitlements", ManualClock(BEGIN)))
        for _ in range(2)
    )
    one.starting([delivery(mine)])
    one.finished([delivery(mine)])
    other.starting([delivery(theirs)])
    one.idle()
    one.close()
    assert rows(database, LEFT) == [(theirs.id,)]


def test_g10_what_was_received_is_no_suspect_whoever_died_with_it_in_hand(system, database, clock):
    """Its effect is there: a process that comes after it has nothing left to die of."""
    done, undone = reserve("done", 1), reserve("undone", 1)
    plant(database, "entitlements", done)
    system.drain()
    with database.transaction("entitlements") as tx:
        execute(
            tx, "INSERT INTO crash_suspect VALUES (%s, 1, now()), (%s, 9, now() - interval '8 days')", [done.id, BATCH]
        )
    crash(database, "entitlements", done, 1)
    crash(database, "entitlements", undone, 2)
    log = CrashLog(database, "entitlements", LocalSubscription(database, "entitlements", clock))
    assert log.suspects() == {undone.id: 2}
    assert rows(database, SUSPECTS) == [(undone.id, 2)]


def cut_at(database, point):
    if point == "entitlements.inside_inbox":
        cut_sessions(database, user="pairmark_entitlements")
        cut_sessions(database, user="pairmark_transport")


def test_g10_what_waits_behind_a_held_message_is_not_lost_when_that_is_dealt_with_meanwhile(system, database, clock):
    """Another process of the group commits the held message's retry between any two statements of this one."""
    first = reserve("k", 5)
    second = made(ReserveRequested(cj_assessment_job_id="other", user_id="ann", quantity=4), "k", "second")
    with database.transaction("entitlements") as tx:
        held.hold(tx, [delivery(first)], 1, "an error", clock.now())
    plant(database, "entitlements", second)

    class Elsewhere(Consumer):
        """The other process is quick: it is done as soon as this one has looked."""

        @staticmethod
        def _write_inbox(tx, messages):
            told = Consumer._write_inbox(tx, messages)
            rows(database, f"DELETE FROM entitlements.held_message WHERE event_id = '{first.id}' RETURNING 1")
            return told

    handlers = system.consumers["entitlements"]._handlers
    consumer = Elsewhere(database, "entitlements", system.subscriptions["entitlements"], handlers, clock)
    for _ in range(4):
        consumer.step()
        clock.advance(2)
    assert rows(database, RESERVATIONS) == [("other", "open", 0)]
