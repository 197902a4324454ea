"""G1, G2, G6: the four triggers of the incident, alone, in pairs, all at once, and after the end: one end each time.

The sizes are those of the incident's tests: 2, 3, 4 to 12 essays, and large batches.
"""

from collections.abc import Callable
from datetime import timedelta
from itertools import combinations
from threading import Barrier, Thread

import pytest

from pairmark.audit.selfcheck import self_check
from pairmark.bootstrap import System
from pairmark.clock import ManualClock
from pairmark.events.catalogue import TERMINAL_COMPLETE, Design
from pairmark.services.assessment import continuation
from pairmark.services.lifecycle.front_desk import Ticket
from pairmark.storage.connection import Database, execute
from support.callbacks import answer_all_but, answers, deliver, open_comparisons, receive, settle
from support.sizes import size
from support.system import books, submit

SIZES = size([2, 3, 4, 5, 8, 12, 60], [2, 3, *range(4, 13), 60, 200])
LEFT_OPEN = 1


class Waiting:
    """Batches one decision from their end: the budget is sent, all answers but one are recorded, the threshold is passed."""

    def __init__(self, system: System, clock: ManualClock) -> None:
        self.system, self.database, self.clock = system, system.database, clock
        design = {"completion_threshold": 0.6, "stability_threshold": 0.0, "comparisons_per_essay": 4}
        self.tickets = [submit(system, essays, **design) for essays in SIZES]
        self.last: dict[str, list[str]] = {}
        self.hold_back()

    def hold_back(self) -> None:
        """Answer until nothing but the decision is missing. Recording marks the batch as due; nobody decides yet."""
        answer_all_but(self.system, self.tickets, LEFT_OPEN)
        for ticket in self.tickets:
            self.last[str(ticket.job_id)] = answers(open_comparisons(self.database, ticket))

    def another_system(self, *, late: bool = False) -> System:
        """A process of its own, as far as the batch can tell; `late` ones live after every deadline."""
        past = timedelta(seconds=Design().deadline_seconds + 1 if late else 0)
        return System(self.database, clock=ManualClock(self.clock.current + past))


def by_callbacks(waiting: Waiting) -> Callable[[], object]:
    """The last answers come in; the recorded set calls for one decision."""
    system = waiting.system
    for key, bodies in waiting.last.items():
        deliver(waiting.database, bodies, key)
    return lambda: (receive(system), system.continuation.step())


def by_threshold(waiting: Waiting) -> Callable[[], object]:
    """Enough of the budget is answered; the stragglers are not waited for."""
    system = waiting.another_system()
    return lambda: [system.continuation.advance(ticket.job_id) for ticket in waiting.tickets]


def by_sweep(waiting: Waiting) -> Callable[[], object]:
    """The monitor's completion sweep."""
    return waiting.another_system().monitor.sweep


def by_recovery(waiting: Waiting) -> Callable[[], object]:
    """The monitor's recovery of stuck batches."""
    return waiting.another_system(late=True).monitor.recover


TRIGGERS: dict[str, Callable[[Waiting], Callable[[], object]]] = {
    "callbacks": by_callbacks,
    "threshold": by_threshold,
    "sweep": by_sweep,
    "recovery": by_recovery,
}
SETS = [set_ for length in (1, 2, 4) for set_ in combinations(TRIGGERS, length)]


@pytest.fixture
def waiting(system: System, clock: ManualClock) -> Waiting:
    return Waiting(system, clock)


def fire(waiting: Waiting, names: tuple[str, ...], times: int = 1) -> None:
    """Fire these triggers at the same moment, each on a thread of its own, and wait for all."""
    actions = [TRIGGERS[name](waiting) for name in names]
    failures: list[BaseException] = []
    together = Barrier(len(actions) * times)

    def run(action: Callable[[], object]) -> None:
        together.wait(20)
        try:
            action()
        except BaseException as error:
            failures.append(error)

    threads = [Thread(target=run, args=[action]) for action in actions * times]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert failures == []


def statuses(database: Database, tickets: list[Ticket]) -> list[str]:
    return [books(database, ticket).status for ticket in tickets]


def assert_ended_once(waiting: Waiting) -> None:
    """One event of each terminal type, one charge, of exactly what is counted in the result; nothing lost."""
    for ticket in waiting.tickets:
        seen = books(waiting.database, ticket)
        assert seen.status in {"COMPLETE_MAX_COMPARISONS", "COMPLETE_FORCED_RECOVERY"}
        assert seen.terminal_events == dict.fromkeys(TERMINAL_COMPLETE, 1)
        stored = waiting.system.assessment.result(ticket.job_id)
        assert stored is not None
        in_result = sum(row[4] for row in stored.scores) // 2
        assert (seen.captures, seen.charged) == (1, in_result)
    assert self_check(waiting.database).findings == []


@pytest.mark.parametrize("names", SETS, ids="+".join)
def test_g1_triggers_at_one_moment_end_every_batch_once(waiting: Waiting, names: tuple[str, ...]):
    before = statuses(waiting.database, waiting.tickets)
    assert set(before) == {"PERFORMING_COMPARISONS"}
    fire(waiting, names)
    after = statuses(waiting.database, waiting.tickets)
    assert all(status.startswith("COMPLETE_") for status in after)  # each of them alone suffices
    waiting.system.drain()
    assert_ended_once(waiting)


def test_g1_all_triggers_five_times_over_end_every_batch_once(waiting: Waiting):
    fire(waiting, tuple(TRIGGERS), times=5)
    waiting.system.drain()
    assert_ended_once(waiting)


def test_g1_triggers_after_the_end_change_nothing(waiting: Waiting):
    fire(waiting, tuple(TRIGGERS))
    waiting.system.drain()
    before = _everything(waiting.database)
    waiting.clock.advance(10 * Design().deadline_seconds)
    for name in TRIGGERS:
        fire(waiting, (name,), times=2)
    for ticket in waiting.tickets:
        assert waiting.system.continuation.advance(ticket.job_id) is False
        cancelled = waiting.system.finalization.cancel(ticket.job_id, "too late")
        assert cancelled is not None
        assert cancelled.status.is_complete
    waiting.system.drain()
    assert _everything(waiting.database) == before
    assert_ended_once(waiting)


def _everything(database: Database) -> list[tuple[object, ...]]:
    """Every row that the end of a batch consists of."""
    with database.connect() as connection:
        return [
            *execute(connection, "SELECT b::text FROM assessment.batch b ORDER BY 1"),
            *execute(connection, "SELECT id, event_type FROM assessment.event_outbox ORDER BY 1"),
            *execute(connection, "SELECT s::text FROM assessment.score s ORDER BY 1"),
            *execute(connection, "SELECT l::text FROM entitlements.ledger l ORDER BY 1"),
            *execute(connection, "SELECT b::text FROM lifecycle.batch b ORDER BY 1"),
            *execute(connection, "SELECT o::text FROM results.outcome o ORDER BY 1"),
        ]


def test_g1_every_trigger_reaches_the_end_with_a_result_of_its_own_and_one_is_kept(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch
):
    """All have scored before any may finalise: the race itself, not a chance of it."""
    contenders = 6
    scored = Barrier(contenders)
    original = continuation.score
    target = waiting.tickets[-1]
    wins: list[bool] = []

    def meet(batch, evidence):  # type: ignore[no-untyped-def]
        scores = original(batch, evidence)
        scored.wait(20)
        return scores

    systems = [waiting.another_system() for _ in range(contenders)]
    settle_scoring(waiting, target)
    monkeypatch.setattr(continuation, "score", meet)
    threads = [Thread(target=lambda one=one: wins.append(one.continuation.advance(target.job_id))) for one in systems]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(wins) == [False] * (contenders - 1) + [True]
    monkeypatch.undo()
    settle(waiting.system)
    seen = books(waiting.database, target)
    assert seen.terminal_events == dict.fromkeys(TERMINAL_COMPLETE, 1)
    assert seen.captures == 1


def settle_scoring(waiting: Waiting, ticket: Ticket) -> None:
    """Fix the cut-off and stop there: the batch stands in SCORING, to be resumed by anyone."""
    from pairmark.domain.statuses import StopReason  # noqa: PLC0415
    from pairmark.services.assessment import batches  # noqa: PLC0415

    with waiting.database.transaction("assessment") as tx:
        batch = batches.locked(tx, ticket.job_id)
        assert batch is not None
        assert waiting.system.continuation.begin_scoring(tx, batch, StopReason.BUDGET_SPENT)
