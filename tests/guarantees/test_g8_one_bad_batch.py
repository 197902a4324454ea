"""G8: one batch that cannot be moved holds up no other, neither in continuation nor in recovery."""

from contextlib import suppress

from pairmark.errors import Busy
from support.system import books, submit

REFUSE = """
CREATE FUNCTION assessment.refuse_one() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'planted'; END $$;
CREATE TRIGGER planted BEFORE UPDATE ON assessment.essay FOR EACH ROW WHEN (OLD.batch_id = '{bad}')
    EXECUTE FUNCTION assessment.refuse_one();
"""


def rounds(system, number=60):
    """Every part takes its turn, as on loops of their own, although one of them complains each time."""
    for _ in range(number):
        for step in system.steps().values():
            with suppress(Busy):
                step()


def test_g8_a_batch_that_is_refused_by_the_database_leaves_the_others_alone(system, database, clock):
    tickets = sorted((submit(system, 4, seed=seed) for seed in range(3)), key=lambda ticket: ticket.job_id)
    bad, others = tickets[0], tickets[1:]
    with database.connect() as connection:
        connection.execute(REFUSE.format(bad=bad.job_id))
    rounds(system)
    assert {books(database, ticket).status for ticket in others} == {"COMPLETE_MAX_COMPARISONS"}
    assert books(database, bad).status == "FETCHING_CONTENT"
    clock.advance(100_000)
    system.monitor.recover()
    assert books(database, bad).status == "ERROR_PROCESSING"


REFUSE_ALL = """
CREATE FUNCTION assessment.refuse_many() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'planted'; END $$;
CREATE TRIGGER planted BEFORE UPDATE ON assessment.essay FOR EACH ROW WHEN (OLD.batch_id <> '{good}')
    EXECUTE FUNCTION assessment.refuse_many();
"""


def test_g8_many_batches_that_cannot_move_keep_no_place_before_the_others(system, database):
    """More of them than continuation takes at a time, and all with lower ids."""
    tickets = sorted((submit(system, 3, seed=seed) for seed in range(56)), key=lambda ticket: ticket.job_id)
    with database.connect() as connection:
        connection.execute(REFUSE_ALL.format(good=tickets[-1].job_id))
    rounds(system, 30)
    assert books(database, tickets[-1]).status == "COMPLETE_MAX_COMPARISONS"
    assert {books(database, ticket).status for ticket in tickets[:3]} == {"FETCHING_CONTENT"}
