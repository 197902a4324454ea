"""G2, G5: pruning takes away rows, never a key: told all again after the most radical pruning, no service does a thing twice."""

from datetime import timedelta

import pytest

from pairmark.audit.selfcheck import self_check
from pairmark.bootstrap import System
from pairmark.clock import ManualClock
from pairmark.storage import faults, pruning
from pairmark.storage.connection import Database, execute
from pairmark.storage.schema import SERVICES
from support.faults import failed, plant, plant_raw, reserve, rows
from support.system import submit
from support.told_again import REPLAY, effects, work_of_all_kinds

NOW = timedelta(0)
TOMBSTONE = "00000000-0000-4000-8000-000000000001"
EVENTS = " UNION ALL ".join(f"SELECT id FROM {schema}.event_outbox" for schema in SERVICES)


@pytest.fixture
def worked(system: System, database: Database, clock: ManualClock) -> System:
    """Batches of every end, a reservation that came too late, a message that nobody can read, and one that died."""
    work_of_all_kinds(system, clock)
    plant(database, "entitlements", failed(TOMBSTONE))
    system.drain()
    plant(database, "entitlements", reserve(TOMBSTONE, 1, user="poor"))
    plant_raw(database, "results", "huleedu.assessment.result.published.v1", "nobody", "no json")
    system.drain()
    return system


def test_g5_everything_pruned_and_told_again_has_no_second_effect(
    worked: System, database: Database, clock: ManualClock
):
    before = effects(database)
    events = before.pop("events")
    done = pruning.prune(database, NOW)
    assert {one.table.split(".")[1] for one in done if one.rows} == {"event_outbox", "inbox", "quarantine"}
    assert [row[0] for row in rows(database, f"SELECT event_type FROM ({EVENTS.replace('id', 'event_type')}) e")] == [
        pruning.LOOKED_UP
    ] * 2
    with database.connect() as connection:
        connection.execute("ALTER TABLE transport.delivery DISABLE TRIGGER keep_sent")
        assert connection.execute(REPLAY).rowcount > 30
    worked.drain()
    clock.advance(60)
    worked.drain()
    after = effects(database)
    for name, wanted in before.items():
        assert after[name] == wanted, name
    assert set(after["events"]) < set(events)
    assert [finding for finding in self_check(database).findings if "nobody" not in finding] == []


def test_g2_a_pruned_end_is_not_announced_again(worked: System, database: Database):
    pruning.prune(database, NOW)
    with database.connect() as connection:
        facts = execute(connection, "SELECT batch_id, event_type FROM assessment.emitted_fact")
        assert len(facts) > 5
        for batch, kind in facts:
            with pytest.raises(Exception, match="emitted_fact"):
                connection.execute(
                    "INSERT INTO assessment.event_outbox (id, aggregate_id, aggregate_type, event_type, event_data, event_key, "
                    "topic, headers) VALUES (gen_random_uuid(), %s, 'cj_batch', %s, '{}', %s, %s, '{}')",
                    [batch, kind, batch, kind],
                )


def test_what_is_young_waits_or_is_lost_stays(system: System, database: Database, clock: ManualClock):
    submit(system, 4)
    system.drain()
    submit(system, 5)  # its request waits for the relay
    with database.transaction("results") as tx:
        execute(tx, "INSERT INTO inbox (event_id, topic) VALUES ('00000000-0000-4000-8000-000000000002', 't')")
        execute(
            tx,
            "INSERT INTO dead_letter (event_id, topic, event_key, body, headers, attempts, cause) "
            "VALUES ('00000000-0000-4000-8000-000000000002', 't', 'k', 'b', '{}', 5, 'x')",
        )
    assert sum(one.rows for one in pruning.prune(database, timedelta(hours=1))) == 0
    counted = pruning.prune(database, NOW, dry_run=True)
    assert pruning.prune(database, NOW, dry_run=True) == counted
    assert pruning.prune(database, NOW) == counted
    assert len(rows(database, "SELECT FROM lifecycle.event_outbox")) == 1
    assert rows(database, "SELECT count(*) FROM results.dead_letter") == [(1,)]
    assert len(rows(database, "SELECT FROM results.inbox")) == 1
    system.drain()
    assert {batch.status.is_complete for batch in system.assessment.find("", limit=5)} == {True}


def test_interrupted_pruning_is_done_in_part_and_goes_on(worked: System, database: Database, monkeypatch):
    monkeypatch.setattr(pruning, "AT_ONCE", 3)
    wanted = {one.table: one.rows for one in pruning.prune(database, NOW, dry_run=True)}
    visits = []

    def stop(point: str) -> None:
        visits.append(point)
        if point == "prune.assessment.event_outbox" and len(visits) > 1:
            raise KeyboardInterrupt

    faults.install(stop)
    try:
        with pytest.raises(KeyboardInterrupt):
            pruning.prune(database, NOW)
    finally:
        faults.install(None)
    rest = {one.table: one.rows for one in pruning.prune(database, NOW)}
    assert rest == wanted | {"assessment.event_outbox": wanted["assessment.event_outbox"] - 6}
