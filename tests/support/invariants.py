"""What must hold in the tables whatever happened, beyond what the self-check asks: used to see whether a missing guard is noticed.

Call it when nothing is under way. Every sentence it returns is a broken promise.
"""

from pairmark.audit.selfcheck import self_check
from pairmark.events.identity import event_id
from pairmark.services.assessment import batches
from pairmark.services.assessment.evidence import read_evidence
from pairmark.services.assessment.scores import score
from pairmark.storage.connection import Database, execute

TERMINAL_TYPES = """('huleedu.cj_assessment.completed.v1', 'huleedu.assessment.result.published.v1',
    'huleedu.resource.consumption.v1', 'huleedu.cj_assessment.failed.v1')"""

BROKEN = {
    "G4: a message waits on the local road, which nobody reads": """
        SELECT d.event_id FROM transport.delivery d JOIN transport.road r ON r.kind = 'kafka'""",
    "G1: a batch left its end": """
        SELECT b.id FROM assessment.batch b WHERE b.deadline IS NOT NULL
            AND (b.status ~ '^(COMPLETE|ERROR|CANCELLED)' OR b.finished_at IS NOT NULL)""",
    "G2: an event was announced that no fact stands for": f"""
        SELECT o.id FROM assessment.event_outbox o WHERE o.event_type IN {TERMINAL_TYPES} AND NOT EXISTS (
            SELECT FROM assessment.emitted_fact f WHERE f.batch_id = o.aggregate_id AND f.event_type = o.event_type)""",
    "G2: an ended batch lost its facts": """
        SELECT b.id FROM assessment.batch b WHERE b.deadline IS NULL
            AND NOT EXISTS (SELECT FROM assessment.terminal_fact f WHERE f.batch_id = b.id::text
                AND f.kind = CASE WHEN b.status LIKE 'COMPLETE%' THEN 'completed' ELSE 'failed' END)""",
    "G4: an event is not the one that was written": """
        SELECT id FROM assessment.event_outbox WHERE event_data->>'event_id' <> id::text OR event_data->>'event_type' <> topic""",
    "G5: one event was applied twice": """
        SELECT event_id FROM assessment.judgement WHERE NOT reused GROUP BY event_id HAVING count(*) > 1
        UNION ALL SELECT event_id FROM assessment.inbox GROUP BY event_id HAVING count(*) > 1""",
    "G6: an account is below zero": "SELECT id FROM entitlements.account WHERE NOT unlimited AND available < 0",
    "G6: more was settled than reserved": """
        SELECT batch_id FROM entitlements.reservation WHERE captured + released > reserved""",
    "G6: the ledger tells another charge than the reservation": """
        SELECT r.batch_id FROM entitlements.reservation r WHERE r.captured <> (
            SELECT coalesce(sum(charged), 0) FROM entitlements.ledger l WHERE l.batch_id = r.batch_id)""",
    "G7: what is counted is not what was answered": """
        SELECT b.id FROM assessment.batch b WHERE (b.answered, b.counted, b.reused) <> (
            SELECT count(*) FILTER (WHERE NOT j.reused), count(*) FILTER (WHERE NOT j.reused AND j.kind = 'verdict'),
                count(*) FILTER (WHERE j.reused)
            FROM assessment.judgement j WHERE j.batch_id = b.id AND j.closing)""",
    "G7: a result counts other comparisons than were charged": """
        SELECT b.id FROM assessment.batch b JOIN assessment.score s ON s.batch_id = b.id
        WHERE NOT EXISTS (SELECT FROM assessment.review_queue r WHERE r.batch_id = b.id)
        GROUP BY b.id HAVING sum(s.comparisons) <> 2 * (b.counted + b.reused)""",
    "G11: a verdict is there that no judge gave": """
        SELECT v.request_id FROM judging.verdict v JOIN assessment.comparison c ON c.id = v.request_id AND c.attempt = v.attempt
        JOIN assessment.judgement j ON j.batch_id = c.batch_id AND j.ordinal = c.ordinal AND j.closing
        WHERE (j.kind, j.winner) IS DISTINCT FROM (v.kind, v.winner)""",
    "G11: a verdict is not what its call brought": """
        SELECT v.request_id FROM judging.verdict v JOIN judging.model_call c ON c.id = v.call_id
        WHERE (v.kind, v.winner) IS DISTINCT FROM (c.kind, c.winner) OR (v.request_id, v.attempt) <> (c.request_id, c.attempt)""",
    "a purse tells another amount than the book of calls": """
        SELECT p.batch_id FROM judging.purse p WHERE (p.reserved, p.spent, p.perhaps) <> (
            SELECT coalesce(sum(c.estimated_cost) FILTER (WHERE c.kind IS NULL), 0), coalesce(sum(c.cost), 0),
                coalesce(sum(c.estimated_cost) FILTER (WHERE c.kind IS NOT NULL AND c.cost IS NULL), 0)
            FROM judging.model_call c WHERE c.batch_id = p.batch_id)""",
    "a call in flight is nobody's": "SELECT id FROM judging.model_call WHERE kind IS NULL",
    "G14: a result has lost scores": """
        SELECT b.id FROM assessment.batch b LEFT JOIN assessment.result r ON r.batch_id = b.id
        WHERE b.status LIKE 'COMPLETE%' AND b.essays > 1
            AND (r.batch_id IS NULL OR (SELECT count(*) FROM assessment.essay e WHERE e.batch_id = b.id AND e.held IS NULL)
                <> (SELECT count(*) FROM assessment.score s WHERE s.batch_id = b.id))""",
    "a text held for review is not in the queue, or one in the queue is not held": """
        SELECT e.ordinal FROM assessment.essay e LEFT JOIN assessment.review_queue r USING (batch_id, ordinal)
        WHERE (e.held IS NOT NULL AND (r.source IS NULL OR e.held NOT IN ('scan', 'models')))
            OR (r.source = 'scan' AND e.held IS NULL)""",
    "a text held for review was asked about or ranked": """
        SELECT e.ordinal FROM assessment.essay e JOIN assessment.comparison c USING (batch_id)
        WHERE e.held = 'scan' AND c.wave > 0 AND e.ordinal IN (c.first, c.second)
        UNION ALL SELECT s.ordinal FROM assessment.score s JOIN assessment.essay e USING (batch_id, ordinal)
        WHERE e.held IS NOT NULL""",
    "a text was cleared by nobody, or before it was held": """
        SELECT ordinal FROM assessment.review_queue
        WHERE (cleared_at IS NULL) <> (cleared_by IS NULL) OR cleared_at < created_at""",
    "G15: more may be open than the latest wave holds": """
        SELECT b.id FROM assessment.batch b WHERE b.overlap NOT IN (
            SELECT 0 UNION ALL SELECT w.size FROM assessment.wave w WHERE w.batch_id = b.id AND w.wave = b.wave)""",
    "G15: more was sent than reserved": "SELECT id FROM assessment.batch WHERE sent > budget",
    "G15: waves and comparisons are not what was sent": """
        SELECT b.id FROM assessment.batch b WHERE b.sent <> (
            SELECT coalesce(sum(w.size), 0) FROM assessment.wave w WHERE w.batch_id = b.id AND w.wave > 0)
        OR b.sent <> (SELECT count(*) FROM assessment.comparison c WHERE c.batch_id = b.id AND c.wave > 0)
        OR b.wave <> (SELECT count(*) FROM assessment.wave w WHERE w.batch_id = b.id AND w.wave > 0)""",
    "G15: something was asked after the wave's successor was planned": """
        SELECT c.id FROM assessment.batch b JOIN assessment.comparison c ON c.batch_id = b.id
        WHERE c.wave > 0 AND c.wave < b.wave AND NOT EXISTS (
            SELECT FROM assessment.judgement j WHERE j.batch_id = c.batch_id AND j.ordinal = c.ordinal AND j.closing)""",
    "G1: an end has no time or no reason": """
        SELECT id FROM assessment.batch WHERE deadline IS NULL AND (finished_at IS NULL OR stop_reason IS NULL)""",
    "G8: a batch in scoring cannot be ended": """
        SELECT id FROM assessment.batch WHERE status = 'SCORING' AND stop_reason IS NULL""",
    "G6: a ledger row stands for nothing": """
        SELECT seq FROM entitlements.ledger WHERE (batch_id IS NULL) = (operation_id IS NULL)""",
    "G6: a reservation is nobody's or not settled": """
        SELECT batch_id FROM entitlements.reservation WHERE (state IN ('open', 'closed') AND account_id IS NULL)
            OR (state <> 'open' AND captured + released <> reserved)""",
    "a request is gone": """
        SELECT aggregate_id FROM lifecycle.event_outbox WHERE event_type = 'huleedu.els.cj_assessment.requested.v1'
            AND aggregate_id NOT IN (SELECT entity_id FROM lifecycle.batch)""",
    "a batch is gone": f"""
        SELECT batch_id FROM assessment.terminal_fact WHERE batch_id NOT IN (SELECT id::text FROM assessment.batch)
        UNION ALL SELECT aggregate_id FROM assessment.event_outbox o WHERE event_type IN {TERMINAL_TYPES}
            AND aggregate_id NOT IN (SELECT id::text FROM assessment.batch)""",
}


def violations(database: Database) -> list[str]:
    """Every broken promise, the self-check's findings among them."""
    found = list(self_check(database).findings)
    with database.connect() as connection:
        found += [sentence for sentence, query in BROKEN.items() if execute(connection, query)]  # type: ignore[arg-type]
        terminal = execute(
            connection,
            f"SELECT id, event_type, aggregate_id FROM assessment.event_outbox WHERE event_type IN {TERMINAL_TYPES}",  # type: ignore[arg-type]
        )
        found += [f"G2: {row[1]} has an id of its own" for row in terminal if row[0] != event_id(row[1], row[2])]
        complete = execute(connection, "SELECT id FROM assessment.batch WHERE status LIKE 'COMPLETE%' AND essays > 1")
    return found + [
        f"G14: batch {row[0]} does not follow from its judgements" for row in complete if _differs(database, row[0])
    ]


def _differs(database: Database, batch_id) -> bool:  # type: ignore[no-untyped-def]
    with database.transaction("assessment") as tx:
        batch = batches.read(tx, batch_id)
        assert batch is not None
        evidence = read_evidence(tx, batch_id, by_judge=batch.asks_models)
        rows = execute(tx, "SELECT theta, standard_error FROM score WHERE batch_id = %s ORDER BY ordinal", [batch_id])
        digests = execute(tx, "SELECT input_digest FROM result WHERE batch_id = %s", [batch_id])
    if digests != [(evidence.digest,)]:
        return True
    anew = score(batch, evidence)
    return rows != list(zip(anew.theta, anew.standard_error, strict=True))
