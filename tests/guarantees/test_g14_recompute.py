"""G14: what is published can be recomputed: same judgements and version, same scores, here to the last bit."""

import random
from collections.abc import Callable

import pytest

import pairmark
from pairmark.bootstrap import System
from pairmark.clock import ManualClock
from pairmark.services.assessment.evidence import read_evidence
from pairmark.services.assessment.queries import StoredResult
from pairmark.services.assessment.scores import score
from pairmark.services.lifecycle.front_desk import Ticket
from pairmark.storage.connection import Database, execute
from support.callbacks import answers, deliver, open_comparisons, receive, settle
from support.postgres import Databases
from support.system import BEGIN, submit


def stored_result(system: System, ticket: Ticket) -> StoredResult:
    stored = system.assessment.result(ticket.job_id)
    assert stored is not None
    assert stored.scores
    return stored


def test_g14_the_stored_scores_follow_from_the_stored_judgements(system: System, database: Database):
    ticket = submit(system, 12, judge="simulated:sd=2,seed=5", stability_threshold=0.0)
    system.drain()
    stored = stored_result(system, ticket)
    with database.transaction("assessment") as tx:
        evidence = read_evidence(tx, ticket.job_id)
    anew = score(stored.batch, evidence)
    by_essay = {row[0]: row for row in stored.scores}
    assert len(by_essay) == 12
    for ordinal, essay in enumerate(anew.essay_ids):
        _, rank, theta, error, comparisons, normalized, wins, _ = by_essay[essay]
        assert (rank, theta, error) == (anew.rank[ordinal], anew.theta[ordinal], anew.standard_error[ordinal])
        assert (comparisons, normalized, wins) == (
            anew.comparisons[ordinal],
            anew.normalized[ordinal],
            anew.wins[ordinal],
        )
    assert (anew.reliability, anew.ssr, anew.input_digest) == (stored.reliability, stored.ssr, stored.input_digest)


def test_g14_what_listeners_were_told_is_what_is_stored_to_the_last_bit(system: System, database: Database):
    ticket = submit(system, 7, stability_threshold=0.0)
    system.drain()
    with database.connect() as connection:
        here = execute(
            connection,
            "SELECT essay_id, rank, theta, normalized_score FROM assessment.score JOIN assessment.essay USING (batch_id, ordinal) "
            "ORDER BY essay_id",
        )
        there = execute(
            connection, "SELECT essay_id, rank, bt_score, normalized_score FROM results.essay_result ORDER BY essay_id"
        )
    assert len(here) == 7
    assert here == there
    assert submit(system, 7, stability_threshold=0.0).job_id == ticket.job_id


def test_g14_the_result_says_from_what_it_was_computed(system: System, database: Database):
    ticket = submit(system, 5, seed=42, stability_threshold=0.0)
    system.drain()
    stored = stored_result(system, ticket)
    with database.connect() as connection:
        metadata = execute(connection, "SELECT metadata FROM assessment.result")[0][0]
        published = execute(connection, "SELECT metadata FROM results.outcome")[0][0]
    assert metadata["seed"] == published["seed"] == 42
    assert metadata["pairmark"] == pairmark.__version__
    assert metadata["input_digest"] == stored.input_digest
    assert len(metadata["input_digest"]) == 64


@pytest.fixture
def fresh(postgres: Databases, template: str, clone: Callable[[str], str]) -> Callable[[], System]:
    """`fresh()`: a system over a database of its own."""

    def make() -> System:
        system = System(Database(postgres.conninfo(clone(template)), direct_login=True), clock=ManualClock(BEGIN))
        system.accounts.ensure_default()
        return system

    return make


def assess_in_order(system: System, shuffle: random.Random | None) -> tuple[StoredResult, list[tuple[object, ...]]]:
    """Play every wave, its answers in one set or, shuffled, in several of random size."""
    ticket = submit(system, 9, comparisons_per_essay=8, stability_threshold=0.0)
    settle(system)
    while waiting := open_comparisons(system.database, ticket):
        bodies = answers(waiting)
        if shuffle:
            shuffle.shuffle(bodies)
        while bodies:
            number = shuffle.randint(1, 4) if shuffle else len(bodies)
            deliver(system.database, bodies[:number], str(ticket.job_id))
            receive(system)
            bodies = bodies[number:]
        settle(system)
    with system.database.connect() as connection:
        asked = execute(connection, "SELECT ordinal, wave, first, second FROM assessment.comparison ORDER BY ordinal")
    result = stored_result(system, ticket)
    system.database.close()
    return result, asked


@pytest.mark.parametrize("seed", range(3))
def test_g14_the_order_of_recording_changes_neither_waves_nor_scores(fresh: Callable[[], System], seed: int):
    straight, asked = assess_in_order(fresh(), None)
    shuffled, asked_then = assess_in_order(fresh(), random.Random(seed))
    assert asked_then == asked
    assert shuffled.scores == straight.scores
    assert shuffled.input_digest == straight.input_digest
    assert shuffled.waves == straight.waves


def test_g14_the_same_request_on_another_database_gives_the_same_result(fresh: Callable[[], System]):
    """Nothing of the machine or the moment enters: no id, no clock, no order of a hash."""
    results = []
    for _ in range(2):
        system = fresh()
        system.clock.advance(12345 * len(results))  # type: ignore[attr-defined]
        ticket = submit(system, 10, stability_threshold=0.0)
        system.drain()
        results.append(stored_result(system, ticket))
        system.database.close()
    assert results[0].scores == results[1].scores
    assert results[0].input_digest == results[1].input_digest
    assert results[0].reliability == results[1].reliability


def test_g14_another_verdict_gives_another_digest(system: System, database: Database):
    ticket = submit(system, 5, stability_threshold=0.0)
    system.drain()
    stored = stored_result(system, ticket)
    with database.connect() as connection:
        connection.execute("ALTER TABLE assessment.judgement DISABLE TRIGGER judgement_is_permanent")
        connection.execute(
            "UPDATE assessment.judgement SET winner = CASE winner WHEN 'first' THEN 'second' ELSE 'first' END "
            "WHERE seq = (SELECT min(seq) FROM assessment.judgement)"
        )
    with database.transaction("assessment") as tx:
        assert read_evidence(tx, ticket.job_id).digest != stored.input_digest


@pytest.mark.parametrize("table", ["result", "score", "judgement"])
@pytest.mark.parametrize("verb", ["UPDATE {} SET batch_id = batch_id", "DELETE FROM {}"])
def test_g14_what_a_result_rests_on_never_changes(system: System, database: Database, table: str, verb: str):
    import psycopg  # noqa: PLC0415

    submit(system, 3)
    system.drain()
    with database.connect() as connection, pytest.raises(psycopg.Error) as refused:
        connection.execute(verb.format(f"assessment.{table}"))  # type: ignore[arg-type]
    assert refused.value.sqlstate == "PM001"
