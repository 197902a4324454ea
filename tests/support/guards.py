"""The list of mutants of the database: every guard, how it is taken out, and what it stands against."""

from dataclasses import dataclass

COMPLETE = "(SELECT id FROM assessment.batch WHERE status LIKE 'COMPLETE%')"
CANCELLED = "(SELECT id FROM assessment.batch WHERE status = 'CANCELLED')"
OPEN = "(SELECT id FROM assessment.batch WHERE status = 'PERFORMING_COMPARISONS')"
LIMITED = "(SELECT id FROM entitlements.account WHERE owner = 'limited')"
EVENT = """INSERT INTO assessment.event_outbox (id, aggregate_id, aggregate_type, event_type, event_data, event_key, topic, headers,
    published_at)
SELECT i, {batch}::text, 'cj_batch', t, jsonb_build_object('event_id', i, 'event_type', t), {batch}::text, t, '{{}}', now()
FROM gen_random_uuid() i, (VALUES ('{event_type}')) e (t)"""
COMPLETED, FAILED = "huleedu.cj_assessment.completed.v1", "huleedu.cj_assessment.failed.v1"
HOLD = f"UPDATE assessment.essay SET held = 'scan' WHERE batch_id = {OPEN} AND ordinal = 0; "
QUEUE = (
    "INSERT INTO assessment.review_queue (batch_id, ordinal, number, source, kind, span, excerpt, reason, created_at, cleared_at, "
    f"cleared_by) SELECT {OPEN}, 0, 0, 'scan', 'instruction', '[0,9)', 'x', 'y', now(), "
)


@dataclass(frozen=True)
class Guard:
    """A guard in the database: how it is removed, and what it stands against. `audited`: the self-check alone sees it too."""

    name: str
    remove: str
    attack: str
    audited: bool = True


def trigger(name: str, table: str, attack: str, *, audited: bool = True) -> Guard:
    return Guard(name, f"DROP TRIGGER {name} ON {table}", attack, audited)


def constraint(name: str, table: str, attack: str, *, audited: bool = True) -> Guard:
    return Guard(name, f"ALTER TABLE {table} DROP CONSTRAINT {name} CASCADE", attack, audited)


DATABASE_MUTANTS = [
    trigger(
        "only_on_the_local_road",
        "transport.delivery",
        "UPDATE transport.road SET kind = 'kafka'; INSERT INTO transport.delivery (group_name, event_id, topic, event_key, body, "
        "headers) VALUES ('results', gen_random_uuid(), 't', 'k', '{}', '{}')",
        audited=False,
    ),
    trigger(
        "batch_moves_are_legal",
        "assessment.batch",
        f"UPDATE assessment.batch SET status = 'SCORING', deadline = now(), version = version + 1 WHERE id = {COMPLETE}",
    ),
    Guard(
        "a row of legal_move",
        "INSERT INTO assessment.legal_move VALUES ('PERFORMING_COMPARISONS', 'COMPLETE_STABLE')",
        f"UPDATE assessment.batch SET status = 'COMPLETE_STABLE', version = version + 1, stop_reason = 'x', deadline = NULL, "
        f"finished_at = now() WHERE id = {OPEN}; "
        + "; ".join(
            EVENT.format(batch="(SELECT id FROM assessment.batch WHERE stop_reason = 'x')", event_type=one)
            for one in (COMPLETED, "huleedu.assessment.result.published.v1", "huleedu.resource.consumption.v1")
        ),
    ),
    Guard(
        "batch_stays of assessment",
        "DROP TRIGGER batch_stays ON assessment.batch",
        f"DELETE FROM assessment.comparison WHERE batch_id = {CANCELLED}; "
        f"DELETE FROM assessment.wave WHERE batch_id = {CANCELLED}; DELETE FROM assessment.essay WHERE batch_id = {CANCELLED}; "
        f"DELETE FROM assessment.batch WHERE id = {CANCELLED}",
        audited=False,
    ),
    Guard(
        "batch_stays of lifecycle",
        "DROP TRIGGER batch_stays ON lifecycle.batch",
        "DELETE FROM lifecycle.essay; DELETE FROM lifecycle.batch",
        audited=False,
    ),
    trigger(
        "batch_begins_pending",
        "assessment.batch",
        "INSERT INTO assessment.batch (id, entity_id, generation, name, user_id, correlation_id, design, essays, budget, status, "
        "deadline, created_at, stop_reason, finished_at) VALUES (gen_random_uuid(), 'x', 1, '', 'u', gen_random_uuid(), '{}', 2, "
        "4, 'CANCELLED', NULL, now(), 'cancelled', now())",
    ),
    Guard(
        "batches_stay",
        "DROP TRIGGER batches_stay ON assessment.batch; DROP TRIGGER reviews_stay ON assessment.review_queue",
        "TRUNCATE assessment.batch CASCADE",
        audited=False,
    ),
    constraint(
        "sent_within_reservation",
        "assessment.batch",
        f"UPDATE assessment.batch SET sent = budget + 1 WHERE id = {OPEN}",
        audited=False,
    ),
    constraint(
        "overlap_within_sent",
        "assessment.batch",
        f"UPDATE assessment.batch SET overlap = sent + 1 WHERE id = {OPEN}",
        audited=False,
    ),
    constraint(
        "answers_within_sent",
        "assessment.batch",
        f"UPDATE assessment.batch SET answered = sent + 1, counted = sent + 1 WHERE id = {OPEN}",
    ),
    constraint(
        "every_open_status_has_a_deadline",
        "assessment.batch",
        f"UPDATE assessment.batch SET deadline = NULL WHERE id = {OPEN}",
    ),
    constraint(
        "scoring_has_a_reason",
        "assessment.batch",
        f"UPDATE assessment.batch SET status = 'SCORING', version = version + 1 WHERE id = {OPEN}",
        audited=False,
    ),
    constraint(
        "ends_have_a_time_and_a_reason",
        "assessment.batch",
        f"UPDATE assessment.batch SET status = 'CANCELLED', version = version + 1, deadline = NULL, error = 'x' WHERE id = {OPEN}; "
        + EVENT.format(batch="(SELECT id FROM assessment.batch WHERE error = 'x')", event_type=FAILED),
        audited=False,
    ),
    trigger(
        "end_and_events_commit_together",
        "assessment.batch",
        f"UPDATE assessment.batch SET status = 'CANCELLED', version = version + 1, stop_reason = 'cancelled', deadline = NULL, "
        f"finished_at = now() WHERE id = {OPEN}",
    ),
    trigger("events_and_end_commit_together", "assessment.emitted_fact", EVENT.format(batch=OPEN, event_type=FAILED)),
    Guard(
        "event_outbox_one_terminal_event and terminal_facts_are_recorded",
        "DROP INDEX assessment.event_outbox_one_terminal_event; "
        "DROP TRIGGER terminal_facts_are_recorded ON assessment.event_outbox",
        EVENT.format(batch=COMPLETE, event_type=COMPLETED),
    ),
    trigger("terminal_facts_are_recorded", "assessment.event_outbox", EVENT.format(batch=COMPLETE, event_type=FAILED)),
    trigger(
        "emitted_fact_is_permanent",
        "assessment.emitted_fact",
        f"DELETE FROM assessment.emitted_fact WHERE batch_id = {COMPLETE}::text",
        audited=False,
    ),
    trigger(
        "emitted_facts_are_permanent", "assessment.emitted_fact", "TRUNCATE assessment.emitted_fact", audited=False
    ),
    trigger(
        "terminal_fact_is_permanent",
        "assessment.terminal_fact",
        f"UPDATE assessment.terminal_fact SET kind = 'failed' WHERE batch_id = {COMPLETE}::text",
        audited=False,
    ),
    Guard(
        "terminal_facts_are_permanent",
        "DROP TRIGGER terminal_facts_are_permanent ON assessment.terminal_fact; "
        "DROP TRIGGER emitted_facts_are_permanent ON assessment.emitted_fact",
        "TRUNCATE assessment.terminal_fact CASCADE",
        audited=False,
    ),
    trigger(
        "event_is_immutable",
        "assessment.event_outbox",
        f'UPDATE assessment.event_outbox SET event_data = event_data || \'{{"event_id": "other"}}\' WHERE aggregate_id = '
        f"{COMPLETE}::text AND event_type = '{COMPLETED}'",
        audited=False,
    ),
    trigger(
        "unpublished_event_stays",
        "assessment.event_outbox",
        "DELETE FROM assessment.event_outbox WHERE published_at IS NULL",
    ),
    trigger("events_are_not_truncated", "assessment.event_outbox", "TRUNCATE assessment.event_outbox"),
    Guard(
        "judgement_one_answer_closes",
        "DROP INDEX assessment.judgement_one_answer_closes",
        "INSERT INTO assessment.judgement (batch_id, ordinal, event_id, kind, winner, closing, judge, provider, model, "
        f"recorded_at) SELECT batch_id, ordinal, gen_random_uuid(), kind, winner, true, '', '', '', now() "
        f"FROM assessment.judgement WHERE batch_id = {COMPLETE} LIMIT 1",
    ),
    constraint(
        "only_a_verdict_has_a_winner",
        "assessment.judgement",
        "INSERT INTO assessment.judgement (batch_id, ordinal, event_id, kind, winner, closing, judge, provider, model, "
        f"recorded_at) SELECT batch_id, ordinal, gen_random_uuid(), 'failed', 'first', true, '', '', '', now() "
        f"FROM assessment.comparison c WHERE batch_id = {OPEN} AND NOT EXISTS "
        "(SELECT FROM assessment.judgement j WHERE j.batch_id = c.batch_id AND j.ordinal = c.ordinal) LIMIT 1",
        audited=False,
    ),
    trigger(
        "judgement_is_permanent",
        "assessment.judgement",
        f"UPDATE assessment.judgement SET winner = 'tie' WHERE batch_id = {COMPLETE}",
        audited=False,
    ),
    trigger(
        "score_is_permanent",
        "assessment.score",
        f"UPDATE assessment.score SET theta = theta + 1e-12 WHERE batch_id = {COMPLETE}",
        audited=False,
    ),
    trigger(
        "result_is_permanent",
        "assessment.result",
        f"UPDATE assessment.result SET input_digest = 'other' WHERE batch_id = {COMPLETE}",
        audited=False,
    ),
    constraint(
        "wave_pkey",
        "assessment.wave",
        f"INSERT INTO assessment.wave (batch_id, wave, size, planned_at) SELECT {OPEN}, 1, 6, now()",
        audited=False,
    ),
    trigger(
        "review_is_cleared_once",
        "assessment.review_queue",
        HOLD + QUEUE + "now(), 'somebody'; UPDATE assessment.review_queue SET created_at = now() + interval '1 day'",
        audited=False,
    ),
    trigger(
        "review_stays",
        "assessment.review_queue",
        HOLD + QUEUE + "NULL, NULL; DELETE FROM assessment.review_queue",
        audited=False,
    ),
    trigger(
        "reviews_stay",
        "assessment.review_queue",
        HOLD + QUEUE + "NULL, NULL; TRUNCATE assessment.review_queue",
        audited=False,
    ),
    constraint("cleared_by_somebody", "assessment.review_queue", HOLD + QUEUE + "now(), NULL", audited=False),
    constraint(
        "held_by_scan_or_models",
        "assessment.essay",
        f"UPDATE assessment.essay SET held = 'nobody' WHERE batch_id = {OPEN} AND ordinal = 0",
        audited=False,
    ),
    trigger(
        "held_essay_stays_held",
        "assessment.essay",
        HOLD + QUEUE + "NULL, NULL; UPDATE assessment.essay SET held = NULL WHERE held IS NOT NULL",
        audited=False,
    ),
    trigger(
        "held_essays_are_not_asked",
        "assessment.comparison",
        HOLD
        + QUEUE
        + "NULL, NULL; INSERT INTO assessment.comparison (batch_id, ordinal, id, wave, first, second, repeat) "
        f"SELECT {OPEN}, 20, gen_random_uuid(), 1, 0, 1, 0",
        audited=False,
    ),
    trigger(
        "held_essays_are_not_ranked",
        "assessment.score",
        HOLD + QUEUE + "NULL, NULL; INSERT INTO assessment.result (batch_id, input_digest, metadata) "
        f"SELECT {OPEN}, '', '{{}}'; INSERT INTO assessment.score (batch_id, ordinal, rank, theta, standard_error, "
        f"normalized_score, comparisons, wins) SELECT {OPEN}, 0, 1, 0, 1, 0.5, 1, 1",
        audited=False,
    ),
    trigger(
        "comparisons_stay_within_budget",
        "assessment.comparison",
        "INSERT INTO assessment.comparison (batch_id, ordinal, id, wave, first, second, repeat) SELECT batch_id, ordinal + 10000, "
        f"gen_random_uuid(), wave, first, second, repeat FROM assessment.comparison WHERE batch_id = {OPEN}",
        audited=False,
    ),
    Guard(
        "inbox_pkey",
        "ALTER TABLE assessment.inbox DROP CONSTRAINT inbox_pkey",
        "INSERT INTO assessment.inbox (event_id, topic) SELECT event_id, topic FROM assessment.inbox",
        audited=False,
    ),
    Guard(
        "ledger_once_per_batch_and_kind",
        "DROP INDEX entitlements.ledger_once_per_batch_and_kind",
        "INSERT INTO entitlements.ledger (account_id, kind, batch_id, amount, charged, at) "
        "SELECT account_id, kind, batch_id, amount, charged, at FROM entitlements.ledger WHERE kind = 'capture'",
    ),
    constraint(
        "available_is_never_negative",
        "entitlements.account",
        "INSERT INTO entitlements.ledger (account_id, kind, operation_id, amount, at) "
        f"SELECT {LIMITED}, 'adjustment', 'x', -1000000, now()",
    ),
    trigger(
        "available_follows_the_ledger",
        "entitlements.account",
        "UPDATE entitlements.account SET available = available + 1",
    ),
    trigger(
        "account_begins_empty",
        "entitlements.account",
        "INSERT INTO entitlements.account (id, kind, owner, unlimited, available) "
        "VALUES (gen_random_uuid(), 'user', 'x', false, 5)",
    ),
    constraint(
        "amount_has_its_sign",
        "entitlements.ledger",
        f"INSERT INTO entitlements.ledger (account_id, kind, batch_id, amount, at) SELECT {LIMITED}, 'capture', {CANCELLED}::text, "
        "-7, now()",
    ),
    constraint(
        "only_capture_charges",
        "entitlements.ledger",
        f"INSERT INTO entitlements.ledger (account_id, kind, batch_id, amount, charged, at) SELECT {LIMITED}, 'release', "
        f"{OPEN}::text, 0, 5, now()",
        audited=False,
    ),
    constraint(
        "a_batch_or_an_operation",
        "entitlements.ledger",
        f"INSERT INTO entitlements.ledger (account_id, kind, amount, at) SELECT {LIMITED}, 'grant', 5, now()",
        audited=False,
    ),
    constraint(
        "closed_is_settled",
        "entitlements.reservation",
        f"UPDATE entitlements.reservation SET state = 'closed' WHERE batch_id = {OPEN}::text",
        audited=False,
    ),
    constraint(
        "open_and_closed_have_an_account",
        "entitlements.reservation",
        "INSERT INTO entitlements.reservation (batch_id, quantity, credits_per_unit, reserved, state) "
        "VALUES ('x', 0, 1, 0, 'open')",
        audited=False,
    ),
    trigger("ledger_is_append_only", "entitlements.ledger", "DELETE FROM entitlements.ledger WHERE kind = 'capture'"),
    trigger("ledger_is_not_truncated", "entitlements.ledger", "TRUNCATE entitlements.ledger"),
    Guard(
        "captured_and_released_within_reserved",
        "ALTER TABLE entitlements.reservation DROP CONSTRAINT captured_and_released_within_reserved, "
        "DROP CONSTRAINT closed_is_settled",
        f"UPDATE entitlements.reservation SET captured = reserved + 1, released = 0, state = 'closed' "
        f"WHERE batch_id = {OPEN}::text",
        audited=False,
    ),
    trigger(
        "reservation_settles_once",
        "entitlements.reservation",
        "UPDATE entitlements.reservation SET captured = captured + released, released = 0 WHERE state = 'closed'",
    ),
    Guard(
        "reservation_stays",
        "DROP TRIGGER reservation_stays ON entitlements.reservation; "
        "ALTER TABLE entitlements.ledger DROP CONSTRAINT a_batch_has_a_reservation",
        "DELETE FROM entitlements.reservation WHERE state = 'closed'",
    ),
    constraint(
        "a_batch_has_a_reservation",
        "entitlements.ledger",
        f"INSERT INTO entitlements.ledger (account_id, kind, batch_id, amount, charged, at) SELECT {LIMITED}, 'capture', 'nobody', "
        "0, 99, now()",
    ),
    constraint(
        "topic_is_the_type",
        "assessment.event_outbox",
        EVENT.replace("{batch}::text, t, '{{", "{batch}::text, '" + COMPLETED + "', '{{").format(
            batch=COMPLETE, event_type="pairmark.judging.requested.v1"
        ),
    ),
    constraint(
        "only_own_events",
        "entitlements.event_outbox",
        EVENT.replace("assessment.event_outbox", "entitlements.event_outbox").format(
            batch=COMPLETE, event_type=COMPLETED
        ),
    ),
    trigger(
        "phase_moves_only_forward",
        "lifecycle.batch",
        "UPDATE lifecycle.batch SET phase = 'requested' WHERE phase = 'completed'",
    ),
    trigger(
        "outcome_is_permanent", "results.outcome", "UPDATE results.outcome SET kind = 'failed' WHERE kind = 'published'"
    ),
    trigger(
        "verdict_is_permanent",
        "judging.verdict",
        "UPDATE judging.verdict SET winner = CASE winner WHEN 'first' THEN 'second' ELSE 'first' END",
        audited=False,
    ),
]
"""`ledger_moves_the_account` is no guard but the movement itself; it is a mutant of its own below."""
