"""A wave is planned while models are asked the one before, on verdicts alone, never on which of them came first."""

import random
from threading import Event, Thread

import pytest

from pairmark.domain.statuses import StopReason
from pairmark.services.judging import asker, flight
from pairmark.services.judging.queue import lease
from support.callbacks import answer as answer_to
from support.callbacks import answers, deliver, open_comparisons, settle
from support.faults import rows
from support.invariants import violations
from support.metered import Metered, is_canary, put
from support.over_http import JUDGE
from support.system import JUDGE as SIMULATED
from support.system import books, submit

ESSAYS, WAVE = 8, 16
LONG = {"judge": JUDGE, "budget": 20 * WAVE, "pair_limit": 12, "stability_threshold": 0.0}
STANDS = "SELECT wave, sent, answered, overlap FROM assessment.batch WHERE id = %s"
PAIRS = "SELECT first, second FROM assessment.comparison WHERE batch_id = %s ORDER BY ordinal"
WAVES = "SELECT wave, reliability, largest_change, theta FROM assessment.wave WHERE batch_id = %s ORDER BY wave"


def stands(database, ticket) -> tuple[int, int, int, int]:
    return rows(database, STANDS, ticket.job_id)[0]


def answer(system, ticket, comparisons) -> None:
    """Put answers to these on their way, and do what follows from them."""
    deliver(system.database, answers(comparisons), str(ticket.job_id))
    settle(system)


def test_two_waves_are_out_and_the_third_waits_for_the_first(system, database):
    ticket = submit(system, ESSAYS, **LONG)
    settle(system)
    assert stands(database, ticket) == (2, 2 * WAVE, 0, WAVE)
    waiting = open_comparisons(database, ticket)
    first, second = waiting[:WAVE], waiting[WAVE:]
    answer(system, ticket, first[1:] + second[:4])
    assert stands(database, ticket) == (2, 2 * WAVE, WAVE + 3, WAVE)
    answer(system, ticket, first[:1])
    assert stands(database, ticket) == (3, 3 * WAVE, WAVE + 4, WAVE)


def test_a_wave_that_nothing_waits_for_is_planned_at_once(system, database):
    """Both waves are answered in one set: the third and the fourth follow without another answer."""
    ticket = submit(system, ESSAYS, **LONG)
    settle(system)
    answer(system, ticket, open_comparisons(database, ticket))
    assert stands(database, ticket) == (4, 4 * WAVE, 2 * WAVE, WAVE)


def answers_but(lost, comparisons) -> list[str]:
    """Verdicts, but for these pairs: their texts are gone."""
    gone = {"error_code": "unavailable", "message": "the text store no longer has both texts"}
    return [answer_to(one[0], None, error_detail=gone) if one[1:] in lost else answers([one])[0] for one in comparisons]


def run_in(system, database, name, order, lost=()) -> tuple[list, list]:
    """A whole batch whose answers come in this order, a few at a time: the pairs asked, and how the scale stood after waves."""
    ticket = submit(system, ESSAYS, name=name, **LONG)
    settle(system)
    while waiting := open_comparisons(database, ticket):
        deliver(database, answers_but(lost, order(waiting)), str(ticket.job_id))
        settle(system)
    assert books(database, ticket).status.startswith("COMPLETE_")
    return rows(database, PAIRS, ticket.job_id), rows(database, WAVES, ticket.job_id)


@pytest.mark.parametrize(
    "lost", [(), ((0, 1), (2, 5), (7, 3), (4, 6))], ids=["all answered", "pairs that nobody can judge"]
)
def test_what_is_planned_hangs_on_verdicts_and_not_on_their_order(system, database, lost):
    chance = random.Random(4)
    orders = {
        "all at once": lambda waiting: waiting,
        "wave by wave": lambda waiting: waiting[:WAVE],
        "the latest first": lambda waiting: waiting[-9:],
        "as it comes": lambda waiting: chance.sample(waiting, min(11, len(waiting))),
    }
    pairs, scales = zip(*(run_in(system, database, name, order, lost) for name, order in orders.items()), strict=True)
    assert [one == pairs[0] for one in pairs] == [True] * len(orders)
    assert [one == scales[0] for one in scales] == [True] * len(orders)
    assert all(move is not None for _, _, move, _ in scales[0][3:]), "and each wave is told, the last but one, too"
    assert violations(database) == []


@pytest.mark.parametrize("at_once", [6, 2 * WAVE])
def test_no_call_is_made_beyond_the_end(system, database, at_once):
    """Where the target may be reached by answers that are still open, nothing else is asked before they are there."""
    ticket, overlapped = submit(system, ESSAYS, **LONG | {"target_reliability": 0.93}), False
    settle(system)
    while waiting := open_comparisons(database, ticket):
        answer(system, ticket, waiting[:at_once])
        overlapped = overlapped or stands(database, ticket)[3] > 0
    _, sent, answered, _ = stands(database, ticket)
    assert overlapped
    assert sent == answered < LONG["budget"]
    found = rows(database, "SELECT stop_reason FROM assessment.batch WHERE id = %s", ticket.job_id)
    assert found == [(StopReason.RELIABILITY_REACHED,)]


def test_judges_that_are_no_models_are_asked_wave_by_wave(system, database):
    ticket = submit(system, ESSAYS, **LONG | {"judge": SIMULATED})
    settle(system)
    assert stands(database, ticket)[::3] == (1, 0)


def slow_judge(system) -> tuple[Event, Event, Event]:
    """Its calls last until the third event; the first says that one was begun, the second one about a second batch."""
    begun, both, gate = Event(), Event(), Event()
    second_batch = {f"essay-{number:04d}" for number in range(4, 9)}

    def slow(question, number):
        if not is_canary(question):
            begun.set()
            if question.first_id in second_batch:
                both.set()
            assert gate.wait(50)

    put(system, Metered(slow, concurrency=64))
    return begun, both, gate


def test_an_asker_that_waits_for_slow_answers_begins_what_comes_meanwhile(system, monkeypatch):
    """It would wait a minute for something to land; nothing does before the second batch is asked."""
    monkeypatch.setattr(flight, "LAND_SECONDS", 60.0)
    begun, both, gate = slow_judge(system)
    with system.running():
        submit(system, 4)
        assert begun.wait(20)
        submit(system, 9)
        asked_meanwhile = both.wait(20)
        gate.set()
    assert asked_meanwhile


def test_work_that_comes_while_an_asker_looks_for_it_is_begun(system, database, monkeypatch):
    """The look does not see it any more, and nothing lands for a minute: the nudge alone tells of it."""
    monkeypatch.setattr(flight, "LAND_SECONDS", 60.0)
    begun, both, gate = slow_judge(system)
    tickets = []

    def look(*given):
        chunks = lease(*given)
        if begun.is_set() and not tickets:
            tickets.append(submit(system, 9))
            settle(system)
            system.asker.nudge()
        return chunks

    submit(system, 4)
    settle(system)
    monkeypatch.setattr(asker, "lease", look)
    asking = Thread(target=system.asker.step, daemon=True)
    asking.start()
    assert begun.wait(20)
    system.asker.nudge()
    asked_meanwhile = both.wait(10)
    gate.set()
    asking.join(30)
    assert asked_meanwhile


def test_nudges_while_nothing_flies_are_one(system, monkeypatch):
    """A process that asks no model for long is nudged by every set of messages; the first call does not wait for all of them."""
    nudges, turns, keep = 5_000, [], system.asker.keep_leases
    monkeypatch.setattr(system.asker, "keep_leases", lambda: turns.append(keep()))
    put(system, Metered())
    submit(system, 4)
    settle(system)
    for _ in range(nudges):
        system.asker.nudge()
    system.asker.step()
    assert 0 < len(turns) < nudges / 10
