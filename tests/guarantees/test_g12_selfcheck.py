"""G12: the self-check finds what a missing guard would let through: each kind of damage is planted, and named."""

import re

import pytest

from pairmark.audit.selfcheck import self_check
from support.callbacks import answers, deliver, open_comparisons, settle
from support.faults import rows
from support.system import submit

COPY_EVENT = """
INSERT INTO {schema}.event_outbox (id, aggregate_id, aggregate_type, event_type, event_data, event_key, topic, headers,
    published_at)
SELECT gen_random_uuid(), aggregate_id, aggregate_type, event_type, event_data, event_key, topic, headers, clock_timestamp()
FROM {schema}.event_outbox WHERE event_type = '{topic}' LIMIT 1
"""
COPY_LEDGER = """
INSERT INTO entitlements.ledger (account_id, kind, batch_id, amount, charged, at)
SELECT account_id, kind, batch_id, amount, charged, at FROM entitlements.ledger WHERE kind = 'capture'
"""
COMPLETED = "huleedu.cj_assessment.completed.v1"
CALLBACK = "huleedu.llm_provider.comparison_result.v1"

DAMAGE = {
    "completed twice": (
        ["DROP INDEX assessment.event_outbox_one_terminal_event", COPY_EVENT.format(schema="assessment", topic=COMPLETED)],
        "duplicates", rf"assessment: 2 events {COMPLETED} tell one fact",
    ),
    "callback twice": (
        [COPY_EVENT.format(schema="judging", topic=CALLBACK)], "duplicates", rf"judging: 2 events {CALLBACK} tell one fact",
    ),
    "grant twice": (
        [COPY_EVENT.format(schema="entitlements", topic="pairmark.credits.reserve.granted.v1")],
        "duplicates", r"entitlements: 2 events pairmark.credits.reserve.granted.v1 tell one fact",
    ),
    "completed and failed": (
        ["INSERT INTO assessment.emitted_fact SELECT batch_id, 'huleedu.cj_assessment.failed.v1' FROM assessment.terminal_fact"],
        "duplicates", r"also announced huleedu.cj_assessment.failed.v1",
    ),
    "comparison counted twice": (
        ["DROP INDEX assessment.judgement_one_answer_closes",
         "INSERT INTO assessment.judgement (batch_id, ordinal, event_id, kind, winner, closing, judge, provider, model, "
         "recorded_at) SELECT batch_id, ordinal, gen_random_uuid(), kind, winner, closing, judge, provider, model, recorded_at "
         "FROM assessment.judgement WHERE ordinal = 0"],
        "duplicates", r"1 comparisons were counted more than once",
    ),
    "event never published": (
        ["UPDATE lifecycle.event_outbox SET published_at = NULL WHERE event_type LIKE '%outcome%'"],
        "lost", r"lifecycle: 1 events of .* were never published",
    ),
    "end never announced": (
        ["DELETE FROM assessment.event_outbox WHERE event_type = 'huleedu.resource.consumption.v1'",
         "DELETE FROM assessment.emitted_fact WHERE event_type = 'huleedu.resource.consumption.v1'"],
        "lost", r"but huleedu.resource.consumption.v1 was never written",
    ),
    "message held": (
        ["INSERT INTO results.held_message (event_id, topic, event_key, body, headers, attempts, next_attempt_at, last_error) "
         "SELECT id, topic, event_key, '', headers, 1, now(), '' FROM assessment.event_outbox LIMIT 1"],
        "lost", r"results: 1 messages of .* could not be handled",
    ),
    "message dead": (
        ["INSERT INTO judging.dead_letter (event_id, topic, event_key, body, headers, attempts, cause) "
         "SELECT id, topic, event_key, '', headers, 5, '' FROM assessment.event_outbox LIMIT 1"],
        "lost", r"judging: 1 messages of .* could not be handled",
    ),
    "message not consumed": (
        ["INSERT INTO transport.delivery (group_name, event_id, topic, event_key, body, headers) "
         "SELECT 'results', id, topic, event_key, '', headers FROM assessment.event_outbox LIMIT 1"],
        "lost", r"results: 1 messages of .* were not consumed",
    ),
    "lifecycle behind": (
        ["UPDATE lifecycle.batch SET phase = 'requested'"], "lost", r"but lifecycle sees it as requested",
    ),
    "lifecycle wrong": (
        ["UPDATE lifecycle.batch SET phase = 'failed'"], "lost", r"but lifecycle sees it as failed",
    ),
    "result missing": (
        ["DELETE FROM results.essay_result", "DELETE FROM results.outcome"], "lost", r"but results has nothing",
    ),
    "result wrong": (
        ["UPDATE results.outcome SET kind = 'failed'"], "lost", r"but results has failed",
    ),
    "charged twice": (
        ["DROP INDEX entitlements.ledger_once_per_batch_and_kind", COPY_LEDGER],
        "charged_twice", r"has 2 ledger rows of kind capture",
    ),
    "charged too much": (
        ["UPDATE entitlements.ledger SET charged = charged + 1 WHERE kind = 'capture'"],
        "charged_twice", r"was charged 13 credits; 12 are due",
    ),
    "charged too little": (
        ["UPDATE entitlements.reservation SET captured = captured - 1, released = released + 1"],
        "lost", r"was charged 11 credits and released 1 of 12; 12 are due",
    ),
    "counter above its verdicts": (
        ["UPDATE assessment.batch SET counted = counted + 1, answered = answered + 1, sent = sent + 1, budget = budget + 1"],
        "charged_twice", r"counts 13 verdicts, but 12 are recorded",
    ),
    "counter above its verdicts, and charged by it": (
        ["UPDATE assessment.batch SET counted = counted + 1, answered = answered + 1, sent = sent + 1, budget = budget + 1",
         "UPDATE entitlements.ledger SET charged = charged + 1 WHERE kind = 'capture'",
         "UPDATE entitlements.reservation SET captured = captured + 1, reserved = reserved + 1"],
        "charged_twice", r"was charged 13 credits; 12 are due",
    ),
    "counter below its verdicts": (
        ["UPDATE assessment.batch SET counted = counted - 1"], "lost", r"counts 11 verdicts, but 12 are recorded",
    ),
    "result unusable": (
        ["INSERT INTO results.quarantine (id, topic, event_key, body, cause) SELECT id, topic, event_key, '', 'too large' "
         "FROM assessment.event_outbox WHERE event_type = 'huleedu.assessment.result.published.v1'"],
        "lost", r"results: 1 messages of .* could not be used",
    ),
    "reservation forgotten": (
        ["UPDATE entitlements.reservation SET state = 'open', captured = 0"], "lost", r"but its reservation is open",
    ),
    "reservation missing": (
        ["DELETE FROM entitlements.reservation"], "lost", r"but its reservation is missing",
    ),
    "account off its ledger": (
        ["UPDATE entitlements.account SET available = available + 5"], "charged_twice", r"but its ledger sums to -12",
    ),
}  # fmt: skip


@pytest.fixture
def finished(system):
    """One batch that ended well: 12 comparisons, 12 credits."""
    ticket = submit(system, 4, budget=12)
    system.drain()
    assert self_check(system.database).findings == []
    return ticket


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("scoped", [False, True], ids=["everything", "one_batch"])
def test_g12_planted_damage_is_found_and_named(finished, database, damage, scoped):
    statements, kind, sentence = DAMAGE[damage]
    with database.connect() as connection:
        connection.execute("SET session_replication_role = replica")  # the guards of the tables sleep
        for statement in statements:
            assert connection.execute(statement).rowcount != 0
    found = self_check(database, [str(finished.job_id), finished.entity_id] if scoped else None)
    assert not found.clean
    assert found.as_dict()[kind] >= 1
    assert any(re.search(sentence, finding) for finding in found.findings), found.findings


def test_g12_counter_that_drifts_is_found_while_the_batch_is_open(system, database):
    """`answers_within_sent` and the trigger that lets counts only grow do not know how many verdicts there are."""
    ticket = submit(system, 6)
    settle(system)
    deliver(database, answers(open_comparisons(database, ticket)[:3]), str(ticket.job_id))
    settle(system)
    with database.connect() as connection:
        connection.execute("UPDATE assessment.batch SET counted = counted + 1, answered = answered + 1")
    found = self_check(database)
    assert any("counts 4 verdicts, but 3 are recorded" in finding for finding in found.findings), found.findings


def test_g12_verdicts_taken_over_from_an_earlier_generation_are_not_charged(system, database):
    first = submit(system, 6, budget=12)
    settle(system)
    deliver(database, answers(open_comparisons(database, first)[:3]), str(first.job_id))
    settle(system)
    system.finalization.cancel(first.job_id, "a test")
    system.drain()
    second = submit(system, 6, budget=12)
    system.drain()
    assert system.assessment.batch(second.job_id).reused == 3
    assert self_check(database).findings == []


def test_g12_unusable_answer_is_no_loss(system, database):
    """Its comparison stays open, is asked again, and counts only by the answer that is usable."""
    ticket = submit(system, 4)
    settle(system)
    deliver(database, ["{}"], str(ticket.job_id))
    system.drain()
    assert rows(database, "SELECT count(*) FROM assessment.quarantine") == [(1,)]
    assert self_check(database).findings == []


def test_g12_other_batches_do_not_blur_the_check_of_one(finished, system, database):
    other = submit(system, 5)
    system.drain()
    with database.connect() as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE results.outcome SET kind = 'failed' WHERE job_id = %s", [str(other.job_id)])
    assert self_check(database, [str(finished.job_id), finished.entity_id]).clean
    assert self_check(database).lost == 1


def test_g12_what_is_on_its_way_is_not_lost_while_others_work(system, database):
    """`doctor` looks at a system that may be busy; what lies there for half a minute is lost all the same."""
    ticket = submit(system, 4)
    settle(system)
    deliver(database, answers(open_comparisons(database, ticket)), str(ticket.job_id))
    assert self_check(database).lost > 0
    assert self_check(database, under_way=30).findings == []
    with database.connect() as connection:
        connection.execute("UPDATE transport.delivery SET delivered_at = delivered_at - interval '1 minute'")
    assert self_check(database, under_way=30).lost > 0
