"""A spend limit stops cleanly, is never passed however many askers there are, and lets the batch go on when it is raised."""

from dataclasses import replace
from threading import Barrier, Thread

import pytest

from pairmark import watch
from pairmark.errors import BadRequest, BrokenData
from pairmark.events.catalogue import Design
from pairmark.judges.question import JudgeUnable
from pairmark.services.assessment import waves
from pairmark.services.judging import asker as asker_module
from pairmark.services.judging import calls
from pairmark.services.judging.routing import LOOK_AGAIN_SECONDS, SpendLimitReached
from support.callbacks import settle
from support.faults import rows
from support.invariants import violations
from support.metered import COST, MOST, Metered, answered, asker_of, put
from support.system import books, submit

CANARIES = 8
SPENT = "SELECT (reserved + spent + perhaps)::float8 FROM judging.purse"
MADE = "SELECT count(*) FROM judging.model_call WHERE kind = 'verdict'"


def test_at_the_limit_nothing_more_is_begun_and_a_higher_one_lets_the_batch_go_on(system, database, clock):
    limit = 30 * COST + MOST
    judge = Metered()
    put(system, judge)
    ticket = submit(system, 6, stability_threshold=0.0, spend_limit=limit)
    system.drain()
    made = rows(database, MADE)[0][0]
    assert made == len(judge.asked) == 31  # the next one might have cost more than is left
    assert rows(database, SPENT) == [(pytest.approx(31 * COST),)]
    told = system.asker.trouble(str(ticket.job_id))
    assert isinstance(told, SpendLimitReached)
    assert str(told) == (
        "The spend limit of $0.034 is reached: $0.031 were spent; what comes next may cost $0.004. "
        "Run the same command with a higher --spend-limit; the batch goes on where it was."
    )
    assert rows(database, "SELECT sum(tries), count(lease_token) FROM judging.chunk WHERE open") == [(0, 0)]
    clock.advance(LOOK_AGAIN_SECONDS)
    system.drain()
    assert len(judge.asked) == made
    system.asker.allow(str(ticket.job_id), 1.0)
    system.drain()
    assert books(database, ticket).status == "COMPLETE_MAX_COMPARISONS"
    assert violations(database) == []


def test_a_lower_limit_stops_new_calls_and_takes_nothing_back(system, database):
    lowered = []

    def lower(question, number):
        if number == CANARIES + 5 and not lowered:
            lowered.append(number)
            system.asker.allow(str(ticket.job_id), COST)

    judge = Metered(lower, concurrency=1)
    put(system, judge)
    ticket = submit(system, 6, stability_threshold=0.0)
    system.drain()
    assert len(judge.asked) == CANARIES + 5
    assert rows(database, "SELECT count(*) FROM judging.model_call WHERE kind = 'verdict'") == [(CANARIES + 5,)]
    assert rows(database, "SELECT spent::float8, spend_limit::float8 FROM judging.purse") == [
        (pytest.approx((CANARIES + 5) * COST), COST)
    ]


class Dear(Metered):
    """Each call costs the most it may."""

    def _ask(self, question):
        told = super()._ask(question)
        return replace(told, call=replace(told.call, cost=MOST))


def test_two_askers_never_overdraw_the_purse(system, database, clock, monkeypatch):
    """Each call turns out as dear as it may be, so a race for the last cent would show."""
    limit = 30.5 * MOST
    monkeypatch.setattr(waves, "CHUNK", 3)
    monkeypatch.setattr(asker_module, "CHUNKS_PER_STEP", 2)
    ticket = submit(system, 30, stability_threshold=0.0, spend_limit=limit)
    settle(system)
    judges = [Dear(concurrency=16) for _ in range(2)]
    askers = [asker_of(system, clock, judge) for judge in judges]
    together, most = Barrier(2), []

    def work(asker):
        together.wait(20)
        for _ in range(30):
            asker.step()
            asker.goes_on(str(ticket.job_id))
            most.append(rows(database, SPENT)[0][0])

    threads = [Thread(target=work, args=[asker]) for asker in askers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    asked = [len(judge.asked) for judge in judges]
    assert sum(asked) == 30
    assert min(asked) > 0
    assert max(most) <= limit
    assert rows(database, SPENT) == [(pytest.approx(30 * MOST),)]
    for asker in askers:
        asker.close()


def test_a_call_beyond_the_limit_is_refused_by_the_database_too(system, database, monkeypatch):
    """The statement that begins calls looks into the purse; should it forget to, nothing is begun all the same."""
    monkeypatch.setattr(calls, "BEGIN", calls.BEGIN.replace("WHERE room IS NULL OR", "WHERE true OR"))
    put(system, Metered())
    submit(system, 6, stability_threshold=0.0, spend_limit=(CANARIES + 1) * MOST)
    with pytest.raises(BrokenData, match="would pass its spend limit"):
        system.drain()
    assert rows(database, SPENT)[0][0] <= (CANARIES + 1) * MOST
    with database.connect() as connection:
        connection.execute("DROP TRIGGER nothing_begins_beyond_the_limit ON judging.purse")
    system.drain()
    assert rows(database, SPENT)[0][0] > (CANARIES + 1) * MOST


def test_an_unknown_price_and_a_limit_do_not_go_together(system, database):
    judge = Metered(most=None)
    put(system, judge)
    ticket = submit(system, 4, stability_threshold=0.0, spend_limit=5.0)
    system.drain()
    assert judge.asked == []
    told = str(system.asker.trouble(str(ticket.job_id)))
    assert "The price of metered:a is not known, so the spend limit of $5.00 cannot be kept." in told


def test_an_unknown_price_without_a_limit_runs_with_costs_unknown(system, database):
    put(system, Metered(lambda question, number: None, most=None))
    ticket = submit(system, 4, stability_threshold=0.0)
    system.drain()
    assert books(database, ticket).status == "COMPLETE_MAX_COMPARISONS"
    assert rows(database, "SELECT count(estimated_cost) FROM judging.model_call") == [(0,)]


def test_calls_in_flight_that_turn_out_cheap_leave_room_for_others(system, database):
    """What they may cost at most fills the purse at once; what they do cost does not."""
    put(system, Metered(concurrency=8))
    ticket = submit(system, 6, stability_threshold=0.0, spend_limit=(CANARIES + 2) * MOST)
    system.drain()
    assert books(database, ticket).status == "PERFORMING_COMPARISONS"
    assert rows(database, MADE)[0][0] == (CANARIES + 2) * MOST // COST - MOST // COST + 1


def test_a_judge_that_becomes_unable_while_the_purse_is_full_leaves_no_call_open(system, database, clock):
    able = []

    def unable(question, number):
        if number > CANARIES and not able:
            raise JudgeUnable("Nobody answers.", retry_after=4.0)

    put(system, Metered(unable, concurrency=8))
    ticket = submit(system, 6, stability_threshold=0.0, spend_limit=CANARIES * MOST)
    system.drain()
    assert "Nobody answers." in str(system.asker.trouble(str(ticket.job_id)))
    assert rows(database, "SELECT reserved FROM judging.purse") == [(0,)]
    able.append(True)
    clock.advance(4)
    system.drain()
    assert isinstance(system.asker.trouble(str(ticket.job_id)), SpendLimitReached)


def test_the_person_at_the_command_line_hears_of_the_limit_at_once(system, database, monkeypatch):
    monkeypatch.setattr(watch, "LIMIT_PATIENCE", 0.2)
    put(system, Metered())
    ticket = submit(system, 6, stability_threshold=0.0, spend_limit=36 * COST)
    with pytest.raises(watch.Busy, match=r"spend limit of \$0\.036 is reached"):
        watch.run(system, ticket)
    assert rows(database, "SELECT count(*) FROM judging.model_call WHERE kind IS NULL") == [(0,)]
    system.asker.allow(str(ticket.job_id), 1.0)
    watch.run(system, ticket)
    assert books(database, ticket).status == "COMPLETE_MAX_COMPARISONS"


def test_answers_at_an_unknown_cost_count_at_their_most(system, database, clock):
    put(
        system,
        Metered(lambda question, number: answered(question, "m", "timed_out", None) if number > CANARIES else None),
    )
    ticket = submit(system, 4, stability_threshold=0.0, spend_limit=CANARIES * MOST + MOST)
    for _ in range(6):
        system.drain()
        clock.advance(40)
    spent, perhaps = rows(database, "SELECT spent::float8, perhaps::float8 FROM judging.purse")[0]
    assert spent + perhaps <= (CANARIES + 1) * MOST
    assert perhaps > 0
    assert "and perhaps $" in str(system.asker.trouble(str(ticket.job_id)))


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan"), float("inf")])
def test_a_limit_that_is_none_is_refused_before_anything_is_read(tmp_path, limit):
    from pairmark.assessing import prepare  # noqa: PLC0415

    for name in ("a.txt", "b.txt", "c.txt"):
        (tmp_path / name).write_text(f"A text of {name}.")
    with pytest.raises(BadRequest, match="--spend-limit a number above 0"):
        prepare(tmp_path, "simulated:sd=1,seed=1", {"spend_limit": limit})


def test_the_limit_is_no_part_of_what_makes_a_batch_the_same(system, tmp_path):
    from pairmark.assessing import prepare  # noqa: PLC0415
    from pairmark.assessing import submit as hand_in  # noqa: PLC0415

    for name in ("a.txt", "b.txt", "c.txt"):
        (tmp_path / name).write_text(f"A text of {name}.")
    tickets = [
        hand_in(system, prepare(tmp_path, "simulated:sd=1,seed=1", {"spend_limit": limit}))
        for limit in (1.0, 2.0, None)
    ]
    assert len({ticket.job_id for ticket in tickets}) == 1
    assert rows(system.database, "SELECT spend_limit::float8 FROM judging.purse") == [(2.0,)]
    assert Design().spend_limit is None


def test_what_costs_nothing_is_asked_even_when_more_than_the_limit_is_spent(system, database):
    """As a model on the same machine does, beside one that costs money."""

    def free_from_then_on(question, number):
        if number == CANARIES + 5:
            system.asker.allow(str(ticket.job_id), COST)
            judge.most = 0.0
        return None if number <= CANARIES + 5 else answered(question, "metered:a", "verdict", cost=0.0)

    judge = Metered(free_from_then_on, concurrency=1)
    put(system, judge)
    ticket = submit(system, 6, stability_threshold=0.0)
    system.drain()
    spent = [(pytest.approx((CANARIES + 5) * COST), COST)]
    assert rows(database, "SELECT spent::float8, spend_limit::float8 FROM judging.purse") == spent
    assert books(database, ticket).status == "COMPLETE_MAX_COMPARISONS"
    assert violations(database) == []
