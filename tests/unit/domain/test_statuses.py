"""The table of statuses is complete and leads everywhere it should."""

from pairmark.domain.statuses import COMPLETE, FAILED, LEGAL_MOVES, STATUS_OF_STOP, TERMINAL, Status, StopReason


def test_every_status_is_open_or_complete_or_failed():
    open_ones = {Status.PENDING, Status.FETCHING_CONTENT, Status.PERFORMING_COMPARISONS, Status.SCORING}
    assert open_ones | COMPLETE | FAILED == set(Status)
    assert not COMPLETE & FAILED
    assert TERMINAL == COMPLETE | FAILED
    assert all(status.is_terminal == (status not in open_ones) for status in Status)
    assert all(status.is_complete == status.name.startswith("COMPLETE_") for status in Status)


def test_every_status_can_be_reached_and_nothing_leads_back():
    reached, frontier = {Status.PENDING}, [Status.PENDING]
    while frontier:
        following = LEGAL_MOVES[frontier.pop()]
        assert not following & {Status.PENDING}
        frontier += following - reached
        reached |= following
    assert reached == set(Status)
    order = [Status.PENDING, Status.FETCHING_CONTENT, Status.PERFORMING_COMPARISONS, Status.SCORING]
    for place, status in enumerate(order):
        assert not LEGAL_MOVES[status] & set(order[: place + 1])


def test_every_open_status_can_fail_and_be_cancelled():
    for status in set(Status) - TERMINAL:
        assert {Status.ERROR_PROCESSING, Status.CANCELLED} <= LEGAL_MOVES[status]


def test_every_reason_to_stop_has_a_status_and_every_end_a_reason():
    assert set(STATUS_OF_STOP) == set(StopReason)
    assert set(STATUS_OF_STOP.values()) == TERMINAL
