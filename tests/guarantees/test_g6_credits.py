"""G6: credits are charged once, for what was counted, never below zero; in whatever order and how often messages come."""

from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from random import Random
from threading import Barrier, Thread
from uuid import uuid4, uuid5

import psycopg
import pytest

from pairmark.audit.selfcheck import self_check
from pairmark.bootstrap import System
from pairmark.errors import BadRequest
from pairmark.events.catalogue import ReserveGranted, ReserveRefused
from pairmark.events.identity import EVENTS
from pairmark.messaging.messages import read
from pairmark.messaging.transport import Delivery
from pairmark.services.entitlements.saga import Saga
from pairmark.storage import faults
from pairmark.storage.waiting import until
from support.faults import consumed, failed, made, plant, reserve, rows
from support.sizes import size
from support.system import books, submit

LEDGER = "SELECT kind, amount, charged FROM entitlements.ledger WHERE batch_id = %s ORDER BY seq"
RESERVATION = "SELECT state, reserved, captured, released FROM entitlements.reservation WHERE batch_id = %s"
ANSWERS = "SELECT event_type FROM entitlements.event_outbox WHERE aggregate_id = %s"
GRANTED, REFUSED = "pairmark.credits.reserve.granted.v1", "pairmark.credits.reserve.refused.v1"


def batch(name: str) -> str:
    """A batch id for a test."""
    return str(uuid5(EVENTS, name))


def account(system: System, owner: str = "ann") -> int:
    """What is available to a user."""
    return next(one.available for one in system.accounts.everyone() if one.owner == owner)


def deliver(system: System, events: list, clock) -> None:
    """Each event in a poll of its own, then time enough for whatever has to wait for another."""
    for event in events:
        plant(system.database, "entitlements", event)
        system.consumers["entitlements"].step()
    for _ in range(3):
        clock.advance(3)
        system.drain()


def orders(messages: dict[str, int]) -> list[tuple[str, ...]]:
    """Every order of the messages, each as often as it is repeated."""
    return sorted(set(permutations([name for name, times in messages.items() for _ in range(times)])))


@pytest.mark.parametrize("order", orders({"reserve": 2, "consumed": 2}), ids="-".join)
def test_g6_reservation_and_consumption_in_every_order_charge_once(system, clock, order):
    system.accounts.grant("user", "ann", 10, "first", clock.now())
    one = batch("one")
    messages = {"reserve": reserve(one, 8), "consumed": consumed(one, 5)}
    deliver(system, [messages[name] for name in order], clock)
    assert rows(system.database, RESERVATION, one) == [("closed", 8, 5, 3)]
    assert rows(system.database, LEDGER, one) == [("reserve", -8, 0), ("capture", 0, 5), ("release", 3, 0)]
    assert rows(system.database, ANSWERS, one) == [(GRANTED,)]
    assert account(system) == 5


@pytest.mark.parametrize("order", orders({"reserve": 2, "failed": 2}), ids="-".join)
def test_g6_reservation_and_failure_in_every_order_leave_nothing_reserved_or_charged(system, clock, order):
    system.accounts.grant("user", "ann", 10, "first", clock.now())
    one = batch("one")
    messages = {"reserve": reserve(one, 8), "failed": failed(one)}
    deliver(system, [messages[name] for name in order], clock)
    first = order[0] == "reserve"
    assert rows(system.database, RESERVATION, one) == [("closed", 8, 0, 8) if first else ("tombstone", 0, 0, 0)]
    assert rows(system.database, ANSWERS, one) == [(GRANTED if first else REFUSED,)]
    assert rows(system.database, "SELECT count(*) FROM entitlements.dead_letter") == [(0,)]
    assert account(system) == 10


@pytest.mark.parametrize("order", orders({"reserve": 1, "failed": 1, "reserve again": 2}), ids="-".join)
def test_g6_answers_stay_the_same_after_the_inbox_was_pruned(system, clock, order):
    """The tombstone has answered once already; the second request must neither fail nor answer again."""
    one = batch("one")
    messages = {"reserve": reserve(one, 8), "failed": failed(one), "reserve again": reserve(one, 8)}
    for name in order:
        rows(system.database, "DELETE FROM entitlements.inbox RETURNING 1")
        plant(system.database, "entitlements", messages[name])
        system.drain()
    assert len(rows(system.database, ANSWERS, one)) == 1
    assert rows(system.database, "SELECT count(*) FROM entitlements.held_message") == [(0,)]
    assert rows(system.database, RESERVATION, one)[0][0] in {"closed", "tombstone"}


@pytest.mark.parametrize("order", orders({"granted": 2, "cancel": 1, "refused": 1}), ids="-".join)
def test_g6_late_grants_and_refusals_of_a_cancelled_batch_change_nothing_but_release(system, clock, order):
    """Assessment gets its answers in every order, among them the two that cannot both be true."""
    ticket = submit(system, 4)
    system.relays["lifecycle"].step()
    system.consumers["assessment"].step()
    acts = {
        "granted": lambda: answer_reservation(system, ticket, GRANTED),
        "refused": lambda: answer_reservation(system, ticket, REFUSED),
        "cancel": lambda: system.finalization.cancel(ticket.job_id, "a test"),
    }
    for name in order:
        acts[name]()
    system.drain()
    seen = books(system.database, ticket)
    assert seen.status == ("ERROR_PROCESSING" if order[0] == "refused" else "CANCELLED")
    assert seen.terminal_events == {"huleedu.cj_assessment.failed.v1": 1}
    assert (seen.captures, seen.charged) == (0, 0)
    assert self_check(system.database).findings == []


def answer_reservation(system: System, ticket, topic: str) -> None:
    """Tell assessment what entitlements is said to have decided."""
    job = str(ticket.job_id)
    event = (
        ReserveGranted(cj_assessment_job_id=job, quantity=1, account_id="x")
        if topic == GRANTED
        else ReserveRefused(cj_assessment_job_id=job, quantity=1, reason="No.")
    )
    plant(system.database, "assessment", made(event, job, str(uuid4())))
    system.consumers["assessment"].step()


def test_g6_too_few_credits_are_refused_with_a_reason_and_reserve_nothing(system, database, clock):
    system.accounts.grant("user", "ann", 11, "first", clock.now())
    ticket = submit(system, 4, comparisons_per_essay=6, user_id="ann")
    system.drain()
    seen = books(database, ticket)
    assert (seen.status, seen.charged) == ("ERROR_PROCESSING", 0)
    error = rows(database, "SELECT error FROM assessment.batch WHERE id = %s", ticket.job_id)[0][0]
    assert error == "12 credits are needed for up to 12 comparisons; 11 are available."
    assert account(system) == 11
    assert rows(database, LEDGER, str(ticket.job_id)) == []
    assert self_check(database).findings == []


def test_g6_without_any_account_the_refusal_names_who_has_none(database, clock):
    system = System(database, clock=clock)
    tickets = [submit(system, 4, user_id="ann"), submit(system, 5, user_id="ann", org_id="school")]
    system.drain()
    errors = rows(database, "SELECT error FROM assessment.batch ORDER BY essays")
    system.close()
    assert errors == [
        (
            "There is no credit account for user ann; `pairmark credits grant --user ann AMOUNT --operation ID` opens one.",
        ),
        (
            "There is no credit account for organisation school; `pairmark credits grant --organisation school AMOUNT "
            "--operation ID` opens one.",
        ),
    ]
    assert [books(database, ticket).status for ticket in tickets] == ["ERROR_PROCESSING"] * 2


def test_g6_organisation_pays_first_then_the_user_then_the_default_account(system, clock):
    system.accounts.grant("organisation", "school", 100, "a", clock.now())
    system.accounts.grant("user", "ann", 100, "b", clock.now())
    for name, user, organisation in [
        ("both", "ann", "school"),
        ("user", "ann", "no such school"),
        ("nobody", "bob", None),
    ]:
        plant(system.database, "entitlements", reserve(batch(name), 7, user=user, organisation=organisation))
    system.drain()
    paid = {one.owner: one.available for one in system.accounts.everyone()}
    assert paid == {"school": 93, "ann": 93, "this machine": -7}


def test_g6_account_is_fixed_by_the_reservation_and_never_resolved_again(system, clock):
    one = batch("one")
    system.accounts.grant("user", "ann", 10, "a", clock.now())
    plant(system.database, "entitlements", reserve(one, 8, organisation="school"))
    system.drain()
    system.accounts.grant("organisation", "school", 100, "b", clock.now())
    plant(system.database, "entitlements", consumed(one, 5))
    system.drain()
    assert {one.owner: one.available for one in system.accounts.everyone()}["school"] == 100
    assert account(system) == 5


def test_g6_price_comes_from_the_cost_table_and_is_fixed_when_reserved(system, database, clock):
    one = batch("one")
    rows(database, "UPDATE entitlements.cost SET credits_per_unit = 3 RETURNING 1")
    system.accounts.grant("user", "ann", 100, "a", clock.now())
    plant(database, "entitlements", reserve(one, 10))
    system.drain()
    rows(database, "UPDATE entitlements.cost SET credits_per_unit = 5 RETURNING 1")
    plant(database, "entitlements", consumed(one, 4))
    system.drain()
    assert rows(database, LEDGER, one) == [("reserve", -30, 0), ("capture", 0, 12), ("release", 18, 0)]
    assert account(system) == 88


def test_g6_charge_is_for_what_the_result_counts_and_the_rest_comes_back(system, database, clock):
    system.accounts.grant("user", "ann", 1000, "a", clock.now())
    ticket = submit(system, 6, judge="simulated:sd=1,seed=3,fail=0.2", user_id="ann", comparisons_per_essay=10)
    for _ in range(30):
        system.drain()
        clock.advance(40)
    counted, budget = rows(database, "SELECT counted, budget FROM assessment.batch WHERE id = %s", ticket.job_id)[0]
    seen = books(database, ticket)
    assert seen.status.startswith("COMPLETE_")
    assert 0 < counted <= budget
    assert (seen.captures, seen.charged) == (1, counted)
    assert account(system) == 1000 - counted


def test_g6_grant_with_the_same_operation_id_counts_once(system, clock):
    for _ in range(3):
        assert system.accounts.grant("user", "ann", 10, "gift", clock.now()).available == 10
    with pytest.raises(BadRequest, match="booked before, as something else"):
        system.accounts.grant("user", "ann", 11, "gift", clock.now())
    with pytest.raises(BadRequest, match="booked before, as something else"):
        system.accounts.grant("user", "bob", 10, "gift", clock.now())
    assert account(system) == 10


def test_g6_repeated_adjustment_is_harmless_even_when_it_would_no_longer_fit(system, clock):
    system.accounts.grant("user", "ann", 10, "gift", clock.now())
    for _ in range(3):
        assert system.accounts.adjust("user", "ann", -8, "mistake", clock.now(), "typed twice").available == 2
    with pytest.raises(BadRequest, match="would take it below zero"):
        system.accounts.adjust("user", "ann", -3, "another", clock.now(), "too much")
    assert account(system) == 2


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entitlements.ledger SET amount = 0",
        "DELETE FROM entitlements.ledger",
        "TRUNCATE entitlements.ledger",
        "UPDATE entitlements.account SET available = 1000000",
        "INSERT INTO entitlements.account (id, kind, owner, unlimited, available) SELECT gen_random_uuid(), 'user', 'x', false, 5",
        "UPDATE entitlements.reservation SET captured = 0, released = 0, state = 'open'",
        "DELETE FROM entitlements.reservation",
    ],
)
def test_g6_not_even_the_owner_of_the_database_can_rewrite_the_books(system, database, statement):
    plant(database, "entitlements", reserve(batch("one"), 8), consumed(batch("one"), 5))
    system.drain()
    with database.connect() as connection, pytest.raises(psycopg.ProgrammingError, match=r"is refused|settled once"):
        connection.execute(statement)


def test_g6_account_without_limit_keeps_its_ledger_all_the_same(system, database):
    ticket = submit(system, 4)
    system.drain()
    kinds = [row[0] for row in rows(database, LEDGER, str(ticket.job_id))]
    assert kinds == ["reserve", "capture", "release"]
    assert account(system, "this machine") == -books(database, ticket).charged


@pytest.mark.parametrize("end", ["cancel", "failure"])
def test_g6_cancelled_or_failed_batch_gives_everything_back(system, database, clock, end):
    system.accounts.grant("user", "ann", 100, "a", clock.now())
    ticket = submit(system, 4, judge="simulated:sd=1,seed=3,fail=0.95", user_id="ann")
    for name in ("lifecycle", "assessment", "entitlements"):
        system.relays[name].step()
        system.consumers["assessment"].step()
        system.consumers["entitlements"].step()
    assert account(system) < 100
    if end == "cancel":
        system.finalization.cancel(ticket.job_id, "a test")
    for _ in range(10):
        system.drain()
        clock.advance(60)
    assert books(database, ticket).status == ("CANCELLED" if end == "cancel" else "ERROR_PROCESSING")
    assert account(system) == 100
    assert self_check(database).findings == []


def test_g6_parallel_reservations_of_one_account_never_take_it_below_zero(system, database, clock):
    """Four consumers at once, as on a platform; the inbox is left out, so that nothing but the account decides."""
    system.accounts.grant("user", "ann", 100, "a", clock.now())
    number = size(60, 600)
    apply_at_once(system, [[reserve(batch(f"b{index}"), 7)] for index in range(number)], "reserve")
    states = dict(rows(database, "SELECT state, count(*) FROM entitlements.reservation GROUP BY 1"))
    assert states == {"open": 14, "refused": number - 14}
    assert account(system) == 2
    assert rows(database, "SELECT min(available) FROM entitlements.account WHERE NOT unlimited") == [(2,)]


def test_g6_four_consumers_over_shuffled_accounts_never_lock_each_other_out(system, database, clock):
    accounts, batches, draw = 8, size(160, 1600), Random(11)
    for owner in range(accounts):
        system.accounts.grant("user", f"user {owner}", 100_000, f"gift {owner}", clock.now())
    owners = {batch(f"b{number}"): f"user {draw.randrange(accounts)}" for number in range(batches)}
    names = list(owners)
    for kind, make in (
        ("reserve", lambda name: reserve(name, 10, user=owners[name])),
        ("consumed", lambda name: consumed(name, 4)),
    ):
        draw.shuffle(names)
        events = [make(name) for name in names]
        apply_at_once(system, [events[start : start + 10] for start in range(0, batches, 10)], kind)
    assert rows(database, "SELECT state, count(*), sum(captured) FROM entitlements.reservation GROUP BY 1") == [
        ("closed", batches, 4 * batches)
    ]
    assert self_check(database).charged_twice == 0
    assert sum(one.available for one in system.accounts.everyone()) == accounts * 100_000 - 4 * batches


def apply_at_once(system: System, sets: list[list], kind: str) -> None:
    """Four threads apply sets of messages, each set in one transaction; a deadlock would be raised as Busy."""
    handler = getattr(Saga(system.clock), kind)
    begin = Barrier(4)

    def work(mine: list[list]) -> None:
        begin.wait(10)
        for events in mine:
            messages = [
                read(Delivery(0, one.id, one.event_type, one.aggregate_id, one.body, one.headers)) for one in events
            ]
            with system.database.transaction("entitlements") as tx:
                handler(tx, messages)

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(work, sets[start::4]) for start in range(4)]:
            done.result()


def test_g6_default_account_is_not_opened_beside_a_grant_that_is_just_being_written(system_without_account, database):
    """It looks whether there is any account while the first grant waits for its commit."""
    system, late = system_without_account, []

    def meanwhile(point: str) -> None:
        if point == "entitlements.before_commit" and not late:
            late.append(Thread(target=system.accounts.ensure_default))
            late[0].start()
            waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            until(lambda: rows(database, waiting) or not late[0].is_alive(), 10)

    faults.install(meanwhile)
    try:
        system.accounts.grant("organisation", "school", 5, "a", system.clock.now())
    finally:
        faults.install(None)
    late[0].join(10)
    assert [one.owner for one in system.accounts.everyone()] == ["school"]


@pytest.fixture
def system_without_account(database, clock):
    system = System(database, clock=clock)
    yield system
    system.close()


def test_g6_platform_that_keeps_accounts_gets_no_free_one(database, clock):
    system = System(database, clock=clock)
    system.accounts.grant("organisation", "school", 5, "a", clock.now())
    system.accounts.ensure_default()
    assert [one.owner for one in system.accounts.everyone()] == ["school"]
    system.close()
