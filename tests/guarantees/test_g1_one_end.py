"""G1: a batch reaches one terminal status and never leaves it."""

from pairmark.audit.selfcheck import self_check
from support.system import books, submit

COMPLETE = {
    "huleedu.cj_assessment.completed.v1": 1,
    "huleedu.assessment.result.published.v1": 1,
    "huleedu.resource.consumption.v1": 1,
}


def test_g1_full_batch_is_announced_once(system, database):
    """The lifecycle test of the incident: there, one batch published `completed` four times."""
    ticket = submit(system, 8)
    system.drain()
    seen = books(database, ticket)
    assert seen.status == "COMPLETE_MAX_COMPARISONS"
    assert seen.terminal_events == COMPLETE
    assert (seen.captures, seen.charged) == (1, 80)
    assert self_check(database).findings == []
