"""Batches of every end, with all their messages kept, so that everything can be told once more; and what was done about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pairmark.storage.connection import Database
from pairmark.storage.schema import SERVICES
from support.faults import rows
from support.system import submit

if TYPE_CHECKING:
    from pairmark.bootstrap import System
    from pairmark.clock import ManualClock

REPLAY = """
INSERT INTO transport.delivery (group_name, event_id, topic, event_key, body, headers)
SELECT group_name, id, topic, event_key, body, headers FROM everything_sent ORDER BY number
"""
KEEP = """
CREATE TABLE everything_sent (number bigint GENERATED ALWAYS AS IDENTITY, group_name text, id uuid, topic text, event_key text,
    body text, headers jsonb);
CREATE FUNCTION keep_sent() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO public.everything_sent (group_name, id, topic, event_key, body, headers)
    VALUES (NEW.group_name, NEW.event_id, NEW.topic, NEW.event_key, NEW.body, NEW.headers);
    RETURN NULL;
END $$;
CREATE TRIGGER keep_sent AFTER INSERT ON transport.delivery FOR EACH ROW EXECUTE FUNCTION keep_sent();
"""
EFFECTS = {
    "assessment": "SELECT id, status, version, sent, answered, counted FROM assessment.batch ORDER BY id",
    "answers that count": "SELECT batch_id, ordinal, event_id FROM assessment.judgement WHERE closing ORDER BY 1, 2",
    "answers kept": "SELECT batch_id, event_id, count(*) FROM assessment.judgement GROUP BY 1, 2 ORDER BY 1, 2",
    "comparisons": "SELECT batch_id, ordinal, id, attempt FROM assessment.comparison ORDER BY 1, 2",
    "judging": "SELECT batch_id, closed FROM judging.batch ORDER BY 1",
    "chunks": "SELECT id, open, tries FROM judging.chunk ORDER BY 1",
    "verdicts": "SELECT request_id, attempt FROM judging.verdict ORDER BY 1, 2",
    "lifecycle": "SELECT entity_id, phase, status FROM lifecycle.batch ORDER BY 1",
    "essays": "SELECT entity_id, essay_id, status FROM lifecycle.essay ORDER BY 1, 2",
    "results": "SELECT job_id, kind, event_id, at FROM results.outcome ORDER BY 1",
    "scores": "SELECT job_id, essay_id, rank, bt_score FROM results.essay_result ORDER BY 1, 2",
    "ledger": "SELECT * FROM entitlements.ledger ORDER BY seq",
    "accounts": "SELECT * FROM entitlements.account ORDER BY id",
    "reservations": "SELECT * FROM entitlements.reservation ORDER BY 1",
    "events": " UNION ALL ".join(f"SELECT id FROM {schema}.event_outbox" for schema in SERVICES) + " ORDER BY 1",
}


def effects(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """What every service has done."""
    return {name: rows(database, query) for name, query in EFFECTS.items()}


def work_of_all_kinds(system: System, clock: ManualClock) -> None:
    """A batch that completes, one that is refused, one that fails, one that is cancelled; all messages are kept."""
    with system.database.connect() as connection:
        connection.execute(KEEP)
    system.accounts.grant("user", "poor", 3, "gift", clock.now())
    submit(system, 5)
    submit(system, 6, user_id="poor")
    cancelled = submit(system, 7)
    system.relays["lifecycle"].step()
    system.consumers["assessment"].step()
    system.finalization.cancel(cancelled.job_id, "a test")
    submit(system, 4, judge="simulated:sd=1,seed=3,fail=0.95", comparisons_per_essay=8)
    for _ in range(8):
        system.drain()
        clock.advance(60)
    system.drain()
