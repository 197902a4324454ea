"""The book of calls: a row before each call, one outcome after it, the purse that follows, and what the database refuses."""

from threading import Event, Thread

import psycopg
import pytest

from pairmark.errors import PairmarkError
from pairmark.judges.question import JudgeUnable
from pairmark.services.judging import calls
from support.callbacks import settle
from support.faults import rows
from support.guards_of_calls import GUARDED, JOBS, without
from support.invariants import violations
from support.metered import COST, MOST, Metered, answered, asker_of, is_canary, put
from support.system import books, submit

BOOK = "SELECT kind, count(*), sum(cost)::float8 FROM judging.model_call WHERE purpose = 'comparison' GROUP BY 1 ORDER BY 1"
TRIES = """
SELECT request_id, array_agg(try ORDER BY try) FROM judging.model_call WHERE purpose = 'comparison' GROUP BY 1
"""
PURSE = "SELECT reserved::float8, spent::float8, perhaps::float8 FROM judging.purse"


def test_every_call_is_in_the_book_before_it_is_made_and_the_purse_holds_what_they_cost(system, database):
    seen = []

    def look(question, number):
        with database.connect() as connection:
            seen.append(connection.execute("SELECT kind, judge, first_id FROM judging.model_call WHERE id = %s",
                                           [question.call_id]).fetchone())  # fmt: skip

    judge = Metered(look)
    put(system, judge)
    ticket = submit(system, 6, stability_threshold=0.0)
    system.drain()
    assert books(database, ticket).status == "COMPLETE_MAX_COMPARISONS"
    assert {(row[0], row[1]) for row in seen} == {(None, "metered:a")}
    asked = len(judge.comparisons)
    assert rows(database, BOOK) == [("verdict", asked, pytest.approx(asked * COST))]
    assert len(judge.asked) == asked + 8
    assert rows(database, PURSE) == [(0.0, pytest.approx(len(judge.asked) * COST), 0.0)]
    linked = (
        "SELECT count(*) FROM judging.verdict v JOIN judging.model_call c ON c.id = v.call_id AND c.winner = v.winner"
    )
    assert rows(database, linked) == [(asked,)]
    assert violations(database) == []


def test_callbacks_carry_the_call_and_what_the_judge_quoted_within_bounds(system, database):
    def wordy(question, number):
        if is_canary(question):
            return None
        from dataclasses import replace  # noqa: PLC0415

        given = answered(question, "metered:a", "verdict")
        return replace(given, evidence=("q" * 900, "nul \x00 and half \ud800"), instructions_found=True)

    put(system, Metered(wordy))
    submit(system, 4, stability_threshold=0.0)
    system.drain()
    told = rows(database, "SELECT event_data->'data'->'request_metadata' FROM judging.event_outbox")
    assert told
    for (metadata,) in told:
        assert metadata["instructions_found"] is True
        assert metadata["cached"] is False
        assert len(metadata["evidence_1"]) == calls.LONGEST_DETAIL
        assert metadata["evidence_2"] == "nul  and half ?"
    ids = {metadata["call_id"] for (metadata,) in told}
    assert ids == {
        str(row[0]) for row in rows(database, "SELECT id FROM judging.model_call WHERE purpose = 'comparison'")
    }


def test_g11_answers_that_are_none_cost_money_spend_a_try_and_become_no_verdict(system, database, clock):
    """The first call of each comparison is refused at an unknown cost; two further ones are allowed."""
    judge = Metered(
        lambda question, number: None if is_canary(question) else answered(question, "m", "timed_out", None)
    )
    put(system, judge)
    ticket = submit(system, 4, stability_threshold=0.0)
    for _ in range(8):
        system.drain()
        clock.advance(60)
    assert books(database, ticket).status == "ERROR_PROCESSING"
    tries = rows(database, TRIES)
    assert {tuple(row[1]) for row in tries} == {(1, 2, 3)}
    assert {question.attempt for question in judge.comparisons} == {1, 2, 3}
    most = float(rows(database, "SELECT sum(estimated_cost) FROM judging.model_call WHERE cost IS NULL")[0][0])
    assert rows(database, PURSE) == [(0.0, pytest.approx(8 * COST), pytest.approx(most))]
    error = rows(database, "SELECT error FROM assessment.batch")[0][0]
    assert "it was timed_out" in error


def test_a_judge_that_raises_is_a_failure_at_an_unknown_cost(system, database, clock):
    def broken(question, number):
        if not is_canary(question):
            raise RuntimeError("planted")

    put(system, Metered(broken))
    ticket = submit(system, 4, stability_threshold=0.0)
    for _ in range(8):
        system.drain()
        clock.advance(60)
    assert books(database, ticket).status == "ERROR_PROCESSING"
    assert rows(
        database, "SELECT DISTINCT kind, detail, cost FROM judging.model_call WHERE purpose = 'comparison'"
    ) == [("failed", "RuntimeError: planted", None)]


def test_calls_of_a_process_that_died_are_lost_and_asked_again(system, database, clock):
    """What was in flight then is counted apart, at the most it may have cost. A zombie that wakes changes nothing."""
    begun, gate = Event(), Event()

    def hang(question, number):
        if not is_canary(question):
            begun.set()
            assert gate.wait(60)

    zombie = asker_of(system, clock, Metered(hang))
    ticket = submit(system, 6, stability_threshold=0.0)
    settle(system)
    thread = Thread(target=zombie.step)
    thread.start()
    assert begun.wait(30)
    zombie._owned.close()  # as the end of its process would
    flying = rows(database, "SELECT count(*) FROM judging.model_call WHERE kind IS NULL")[0][0]
    assert flying > 0
    put(system, Metered())
    system.drain()
    assert books(database, ticket).status == "COMPLETE_MAX_COMPARISONS"
    lost = "SELECT count(*), sum(estimated_cost)::float8 FROM judging.model_call WHERE kind = 'lost'"
    assert rows(database, lost) == [(flying, pytest.approx(flying * MOST))]
    purse = rows(database, PURSE)
    assert purse[0][2] == pytest.approx(flying * MOST)
    gate.set()
    thread.join(30)
    assert rows(database, lost)[0][0] == flying
    assert rows(database, PURSE) == purse
    assert violations(database) == []
    zombie.close()


def test_the_database_refuses_what_must_never_happen_to_the_book(system, database):
    """And only because of the guard that is named: without it, the same statement goes through."""
    put(system, Metered())
    submit(system, 4, stability_threshold=0.0)
    system.drain()
    with database.connect() as connection:
        connection.execute(JOBS)
    before = (
        rows(database, "SELECT * FROM judging.model_call ORDER BY id"),
        rows(database, "SELECT * FROM judging.purse"),
    )
    for guard, table, statement, why in GUARDED:
        with database.connect() as connection, pytest.raises(psycopg.Error, match=why):
            connection.execute(statement)  # type: ignore[arg-type]
        with database.connect() as connection, connection.transaction(force_rollback=True):
            connection.execute(without(guard, table))  # type: ignore[arg-type]
            assert connection.execute(statement).rowcount != 0  # type: ignore[arg-type]
    assert before == (
        rows(database, "SELECT * FROM judging.model_call ORDER BY id"),
        rows(database, "SELECT * FROM judging.purse"),
    )


def test_the_purse_is_moved_by_the_calls_alone(system, database):
    """Without the movement the purse would tell another amount than the book, which is how it would be noticed."""
    with database.connect() as connection:
        connection.execute("DROP TRIGGER call_is_paid ON judging.model_call")
    put(system, Metered())
    submit(system, 3, stability_threshold=0.0)
    system.drain()
    assert rows(database, PURSE)[0][1] == 0.0
    assert rows(database, "SELECT sum(cost) > 0 FROM judging.model_call") == [(True,)]


def test_what_is_reserved_follows_from_the_calls(system, database):
    """Without that movement the first call that ends gives back what was never set aside."""
    with database.connect() as connection:
        connection.execute("DROP TRIGGER call_is_reserved ON judging.model_call")
    put(system, Metered())
    submit(system, 3, stability_threshold=0.0)
    with pytest.raises(PairmarkError, match="reserved_is_never_negative"):
        system.drain()


def test_a_call_in_flight_is_changed_by_its_outcome_alone(system, database, clock):
    changes = [
        "SET judge = 'x'",
        "SET estimated_cost = 0",
        "SET asker = gen_random_uuid()",
        "SET begun_at = now(), kind = 'lost', ended_at = now()",
    ]
    refused = []

    def attack(question, number):
        for change in changes:
            with database.connect() as connection:
                try:
                    connection.execute(f"UPDATE judging.model_call {change} WHERE id = %s", [question.call_id])  # type: ignore[arg-type]
                except psycopg.Error as error:
                    refused.append("as it was begun" in str(error))

    put(system, Metered(attack))
    submit(system, 3, stability_threshold=0.0)
    system.drain()
    assert refused
    assert all(refused)
    assert len(refused) % len(changes) == 0


def test_a_judge_that_is_unable_costs_nothing_and_spends_no_try(system, database, clock):
    able = []

    def unable(question, number):
        if not able and not is_canary(question):
            raise JudgeUnable("The key was revoked.", remedy="Set another one.", retry_after=7.0)

    judge = Metered(unable)
    put(system, judge)
    ticket = submit(system, 4, stability_threshold=0.0)
    system.drain()
    told = system.asker.trouble(str(ticket.job_id))
    assert str(told) == "The key was revoked. Set another one."
    assert rows(database, "SELECT DISTINCT kind, cost FROM judging.model_call WHERE purpose = 'comparison'") == [
        ("not_asked", 0)
    ]
    assert rows(database, "SELECT sum(tries), count(lease_token) FROM judging.chunk WHERE open") == [(0, 0)]
    asked = len(judge.asked)
    system.drain()
    assert len(judge.asked) == asked  # it is left alone
    able.append(True)
    clock.advance(7)
    system.drain()
    assert system.asker.trouble(str(ticket.job_id)) is None
    assert books(database, ticket).status == "COMPLETE_MAX_COMPARISONS"
    assert {question.attempt for question in judge.comparisons} == {1}
