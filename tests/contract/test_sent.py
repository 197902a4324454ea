"""Every event that the running system sends follows the schema written for it, and every schema is followed by some event."""

import json

import jsonschema_rs

from pairmark.domain.statuses import StopReason
from pairmark.events import contract
from pairmark.events.catalogue import EVENTS
from support.contract import complaints, sent, validator, wrong
from support.ends import ENDS, World

CASES = sorted(set(contract.names()) - set(contract.PARTS))


def test_the_schemas_are_schemas_and_name_no_machine():
    for name in contract.names():
        schema = contract.schema(name)
        jsonschema_rs.meta.validate(schema)
        assert schema["$id"] == f"urn:pairmark:contract:v{contract.VERSION}:{name}"
        assert schema["title"]
        assert schema["description"]
        assert "://" not in json.dumps({key: value for key, value in schema.items() if key != "$schema"})


def test_every_event_of_the_catalogue_has_a_schema_and_every_schema_an_event():
    assert sorted(kind.topic for kind in EVENTS) == CASES


def test_all_events_of_all_ends_follow_their_schemas(world: World):
    """One batch for each way to end, all in one database: whatever lies in any outbox is held against the contract."""
    statuses = set()
    for reason, (reach, status) in ENDS.items():
        ticket = reach(world)
        world.system.drain()
        batch = world.system.assessment.batch(ticket.job_id)
        assert batch is not None
        assert batch.stop_reason == reason
        statuses.add(status)
    events = sent(world.database)
    assert [one for event in events for one in wrong(event)] == []
    assert sorted({event["event_type"] for event in events}) == CASES
    told = [event["body"]["data"] for event in events if "status" in event["body"]["data"]]
    assert {data["status"] for data in told} == statuses
    reasons = {data["system_metadata"]["error_info"].get("error_code") for data in told} - {None}
    assert reasons <= set(StopReason)


BROKEN = {
    "envelope": [("event_id", "7"), ("event_timestamp", "yesterday"), ("correlation_id", None), ("schema_version", 2)],
    "headers": [("ce_specversion", "0.3"), ("ce_time", "2026-01-05"), ("ce_id", ""), ("content-type", "text/plain")],
    "huleedu.cj_assessment.completed.v1": [("status", "ERROR_PROCESSING"), ("timestamp", "now"), ("extra", 1)],
    "huleedu.cj_assessment.failed.v1": [("status", "FAILED"), ("system_metadata", {}), ("cj_assessment_job_id", "x")],
    "huleedu.assessment.result.published.v1": [("essay_results", [{}]), ("assessed_at", None)],
    "huleedu.resource.consumption.v1": [("quantity", -1), ("quantity", 1.5), ("resource_type", "essays")],
    "huleedu.els.batch.phase.outcome.v1": [("phase_status", "requested"), ("processed_essay_ids", None)],
    "huleedu.els.cj_assessment.requested.v1": [
        ("essays_for_cj", []), ("essays_for_cj", [{"essay_id": "a"}]), ("entity_id", ""), ("user_id", None),
    ],
    "huleedu.llm_provider.comparison_result.v1": [("winner", "essay a"), ("error_detail", "no"), ("request_id", "x")],
    "pairmark.judging.requested.v1": [("questions", []), ("questions", [["x"]]), ("wave", 0)],
    "pairmark.credits.reserve.requested.v1": [("quantity", -1)],
    "pairmark.credits.reserve.granted.v1": [("account_id", "school")],
    "pairmark.credits.reserve.refused.v1": [("reason", "")],
}  # fmt: skip


def test_the_schemas_refuse_what_is_wrong(world: World):
    """Each breakage is made in an event that is really sent, so nothing else is wrong with it."""
    for reach in (ENDS[StopReason.BUDGET_SPENT][0], ENDS[StopReason.CREDITS_REFUSED][0]):
        reach(world)
    world.system.drain()
    events = sent(world.database)
    for name, breakages in BROKEN.items():
        good = next(
            {"envelope": event["body"], "headers": event["headers"]}.get(name, event["body"]["data"])
            for event in events
            if name in {event["event_type"], "envelope", "headers"}
        )
        assert complaints(validator(name), good) == []
        for field, value in breakages:
            assert complaints(validator(name), good | {field: value}), (name, field, value)


def test_the_schemas_that_are_not_broken_above_are_the_shared_parts():
    assert set(contract.names()) - set(BROKEN) == {"fact", "system-metadata"}
