"""G5: each consumer applies each fact once, whoever repeats it and whatever was pruned, and whichever process is in charge."""

from threading import Event, Thread

import pytest

from pairmark.audit.selfcheck import self_check
from pairmark.bootstrap import System
from pairmark.errors import Busy
from pairmark.messaging.loop import drain
from pairmark.outcome import settled as everywhere
from pairmark.storage import faults
from pairmark.storage.schema import SERVICES
from support.callbacks import answer_all_but, settle
from support.faults import cut_sessions, drain_past_cuts, rows
from support.system import books, submit
from support.told_again import EFFECTS, REPLAY, effects, work_of_all_kinds


@pytest.mark.parametrize("prune", [False, True], ids=["inbox_kept", "inbox_pruned"])
def test_g5_everything_delivered_a_second_time_has_no_second_effect(system, database, clock, prune):
    """Redelivery is stopped by the inbox; without any inbox row the natural keys of every service still stop it."""
    work_of_all_kinds(system, clock)
    before = effects(database)
    statuses = {row[1] for row in before["assessment"]}
    assert {"CANCELLED", "ERROR_PROCESSING", "COMPLETE_MAX_COMPARISONS"} <= statuses
    with database.connect() as connection:
        if prune:
            for schema in SERVICES:
                connection.execute(f"DELETE FROM {schema}.inbox")
        connection.execute("ALTER TABLE transport.delivery DISABLE TRIGGER keep_sent")
        assert connection.execute(REPLAY).rowcount > 30
    system.drain()
    clock.advance(60)
    system.drain()
    after = effects(database)
    for name in EFFECTS:
        assert after[name] == before[name], name
    assert self_check(database).findings == []


def test_g5_second_consumer_of_a_group_waits_and_takes_over_when_the_first_is_cut_off(database, clock):
    """The owner's sessions end after its commit, before its acknowledgement: the other gets everything again."""
    first, second = System(database, clock=clock), System(database, clock=clock)
    first.accounts.ensure_default()
    ticket = submit(first, 4)
    first.relays["lifecycle"].step()

    def cut(point: str) -> None:
        if point == "assessment.before_acknowledge":
            session = first.subscriptions["assessment"]._owned.connection().info.backend_pid
            assert rows(database, "SELECT pg_terminate_backend(%s, 5000)", session) == [(True,)]

    assert first.subscriptions["assessment"].poll(1)
    assert second.consumers["assessment"].step() == 0, "two owners of one group"
    faults.install(cut)
    try:
        with pytest.raises(Busy):
            first.consumers["assessment"].step()
    finally:
        faults.install(None)
    assert rows(database, "SELECT count(*) FROM assessment.batch") == [(1,)]
    assert second.consumers["assessment"].step() == 1, "received again"
    assert first.consumers["assessment"].step() == 0
    first.close()
    second.drain()
    second.close()
    assert books(database, ticket).charged == 24
    assert self_check(database).findings == []


@pytest.mark.parametrize("user", ["pairmark_%", "pairmark_relay"])
def test_g5_all_sessions_of_two_working_processes_are_ended_again_and_again(database, user):
    """Both run all loops over one database; what one holds when it is cut off, one of them takes up."""
    systems = [System(database) for _ in range(2)]
    systems[0].accounts.ensure_default()
    judge = "simulated:sd=1,seed=3,delay_ms=1"
    tickets = [submit(systems[0], 6, seed=seed, judge=judge, stability_threshold=0.0) for seed in range(3)]
    ended, loops = Event(), []

    def run(system: System) -> None:
        with system.running() as mine:
            loops.extend(mine)
            ended.wait(60)

    threads = [Thread(target=run, args=(system,)) for system in systems]
    for thread in threads:
        thread.start()
    cuts = 0
    while cuts < 5 or not all(settled(database, ticket) for ticket in tickets):
        if cuts < 5:
            cut_sessions(database, user=user)
            cuts += 1
        assert not [loop.failure for loop in loops if loop.failure]
    ended.set()
    for thread in threads:
        thread.join(30)
    for system in systems:
        drain_past_cuts(system)
        system.close()
    assert [books(database, ticket).charged for ticket in tickets] == [60, 60, 60]
    assert self_check(database).findings == []


def settled(database, ticket) -> bool:
    return rows(database, "SELECT state FROM entitlements.reservation WHERE batch_id = %s", str(ticket.job_id)) == [
        ("closed",)
    ]


@pytest.mark.parametrize("group", ["judging", "lifecycle", "results", "entitlements"])
def test_g5_batch_is_settled_only_when_every_group_has_heard_of_its_end(system, database, group):
    """Else the self-check that follows would call a message lost that is only on its way."""
    ticket = submit(system, 4)
    answer_all_but(system, [ticket], 0)
    drain({name: step for name, step in system.steps().items() if name not in {"asker", group}})
    batch = system.assessment.batch(ticket.job_id)
    assert batch is not None
    assert batch.status.is_complete
    assert not everywhere(system, batch)
    settle(system)
    assert everywhere(system, batch)
    assert self_check(database).findings == []
