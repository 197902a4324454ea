"""Guards of the book of calls and of jobs: each with a statement that it refuses, and that goes through without it."""

CALL = "judging.model_call"
COPY = """
INSERT INTO judging.model_call SELECT gen_random_uuid(), batch_id, purpose, request_id, attempt, try, judge, judge_digest,
    prompt_hash, repeat, first_id, second_id, estimated_cost, asker, begun_at, NULL, kind, ended_at, winner
FROM judging.model_call WHERE kind = 'verdict' LIMIT 1
"""
TWICE = """
INSERT INTO judging.verdict SELECT gen_random_uuid(), attempt, chunk_id, kind, winner, swapped, judge, provider, model, try,
    cost, response_time_ms, answered_at, call_id FROM judging.verdict LIMIT 1
"""
OPEN = f"""
INSERT INTO {CALL} SELECT gen_random_uuid(), batch_id, purpose, request_id, attempt, try, judge, judge_digest, prompt_hash, repeat,
    first_id, second_id, 0, asker, begun_at FROM {CALL} LIMIT 1;
UPDATE {CALL} SET ended_at = now(), kind =
"""
JOBS = """
INSERT INTO judging.job (id, batch_id, judge, judge_digest, begun_at, asker, state, next_look_at, ended_at)
SELECT gen_random_uuid(), batch_id, judge, judge_digest, begun_at, asker, 'ended', now(), now() FROM judging.model_call LIMIT 2;
INSERT INTO judging.job_call (call_id, job_id, chunk_id)
SELECT c.id, j.id, k.id FROM judging.model_call c, (SELECT id FROM judging.job LIMIT 1) j,
    (SELECT id FROM judging.chunk LIMIT 1) k WHERE c.purpose = 'comparison' LIMIT 1
"""
"""Two jobs that ended, one of them with a call."""
GUARDED = [
    ("call_ends_once", CALL, f"UPDATE {CALL} SET kind = 'refused', winner = NULL", "has no second outcome"),
    ("call_ends_once", CALL, f"UPDATE {CALL} SET cost = 0", "has no second outcome"),
    ("call_stays", CALL, f"DELETE FROM {CALL} WHERE purpose = 'canary'", "stays in the book"),
    ("calls_stay", CALL, f"TRUNCATE {CALL} CASCADE", "stays in the book"),
    ("call_begins_open", CALL, COPY, "before it is made"),
    ("purse_follows_the_calls", "judging.purse", "UPDATE judging.purse SET spent = 0", "changes only with the book"),
    ("purse_begins_empty", "judging.purse", "INSERT INTO judging.purse VALUES ('x', 9, 0, 5, 0)", "changes only with the book"),
    ("purse_stays", "judging.purse", "DELETE FROM judging.purse", "what was spent is kept"),
    ("kept_answer_is_permanent", "judging.kept_answer", "UPDATE judging.kept_answer SET repeat = 7 + repeat", "kept as it came"),
    ("canaries_are_judged_once", "judging.canary_run", "UPDATE judging.canary_run SET suspended = true, reason = 'x'",
     "judged before"),
    ("canary_run_stays", "judging.canary_run", "DELETE FROM judging.canary_run", "what canaries showed is kept"),
    ("verdict_one_for_each_call", "", TWICE, "verdict_one_for_each_call"),
    ("limit_is_positive", "judging.purse", "UPDATE judging.purse SET spend_limit = 0", "limit_is_positive"),
    ("what_was_not_asked_costs_nothing", CALL, f"{OPEN} 'not_asked', cost = 5 WHERE kind IS NULL", "what_was_not_asked"),
    ("a_call_with_a_winner_is_a_verdict", CALL, f"{OPEN} 'refused', winner = 'first' WHERE kind IS NULL", "a_call_with_a_winner"),
    ("job_ends_once_and_whole", "judging.job", "UPDATE judging.job SET detail = 'x'", "ended before"),
    ("job_stays", "judging.job", "DELETE FROM judging.job WHERE id NOT IN (SELECT job_id FROM judging.job_call)",
     "stays in the book"),
    ("job_call_is_permanent", "judging.job_call", "DELETE FROM judging.job_call", "stays in its job"),
]  # fmt: skip
IN_TESTS_OF_THEIR_OWN = frozenset({"call_is_paid", "call_is_reserved", "nothing_begins_beyond_the_limit"})


def without(guard: str, table: str) -> str:
    """The statement that takes a guard out."""
    if not table:
        return f"DROP INDEX judging.{guard}"
    kind = "CONSTRAINT" if guard.startswith(("limit_", "what_was_", "a_")) else "TRIGGER"
    return (
        f"ALTER TABLE {table} DROP CONSTRAINT {guard}" if kind == "CONSTRAINT" else f"DROP TRIGGER {guard} ON {table}"
    )
