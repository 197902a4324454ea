"""The published contract as a validator, and messages as a foreign client would write them: by hand, with no class of ours."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4, uuid5

import jsonschema_rs

from pairmark.events import contract
from pairmark.events.identity import job_id
from pairmark.storage.connection import Database, execute
from pairmark.storage.schema import SERVICES
from support.faults import plant_raw
from support.system import JUDGE

if TYPE_CHECKING:
    from pairmark.bootstrap import System
    from pairmark.services.assessment.batches import Batch

REQUESTED = "huleedu.els.cj_assessment.requested.v1"
FAILED = "huleedu.cj_assessment.failed.v1"
RESULT = "huleedu.llm_provider.comparison_result.v1"
CORRELATION = UUID("11111111-2222-4333-8444-555555555555")


@cache
def validator(name: str) -> jsonschema_rs.Draft202012Validator:
    """Checks against one schema of the contract, formats too."""
    return jsonschema_rs.Draft202012Validator(contract.whole(name), validate_formats=True, ignore_unknown_formats=False)


@cache
def exactly(name: str) -> jsonschema_rs.Draft202012Validator:
    """As `validator`, but refuses fields that the schema does not name: what we send has no others."""
    schema = contract.whole(name)
    return jsonschema_rs.Draft202012Validator(
        {"$ref": "#/$defs/it", "unevaluatedProperties": False, "$defs": schema.get("$defs", {}) | {"it": schema}},
        validate_formats=True,
        ignore_unknown_formats=False,
    )


def complaints(check: jsonschema_rs.Draft202012Validator, value: Any) -> list[str]:
    """What is wrong with a value, as text."""
    return [f"{error.instance_path}: {error.message}" for error in check.iter_errors(value)]


def sent(database: Database) -> list[dict[str, Any]]:
    """Every event in every outbox, with its schema, key and headers."""
    found = []
    with database.connect() as connection:
        for schema in SERVICES:
            rows = execute(
                connection,
                f"SELECT event_type, topic, event_key, event_data, headers, aggregate_id FROM {schema}.event_outbox ORDER BY seq",
            )
            names = ("event_type", "topic", "key", "body", "headers", "aggregate_id")
            found += [dict(zip(names, row, strict=True)) | {"service": schema} for row in rows]
    return found


def wrong(event: dict[str, Any]) -> list[str]:
    """Everything by which an event that we sent departs from the contract."""
    body, headers, kind = event["body"], event["headers"], event["event_type"]
    if kind not in contract.names():
        return [f"{kind} has no schema"]
    found = complaints(exactly("envelope"), body) + complaints(exactly(kind), body["data"])
    found += complaints(exactly("headers"), headers)
    repeated = {
        "event_id": body["event_id"], "event_type": kind, "correlation_id": body["correlation_id"],
        "ce_id": body["event_id"], "ce_type": kind, "ce_source": f"/pairmark/{body['source_service']}",
        "content-type": "application/json",
    }  # fmt: skip
    found += [f"header {name} is {headers.get(name)}" for name, told in repeated.items() if headers.get(name) != told]
    if datetime.fromisoformat(headers["ce_time"]) != datetime.fromisoformat(body["event_timestamp"]):
        found.append("ce_time is not the time of the event")
    if (body["event_type"], event["topic"], body["data"]["event_name"]) != (kind, kind, kind):
        found.append("topic, type and name of the event differ")
    data = body["data"]
    aggregate = (
        data["processing_id"] if kind == "huleedu.resource.consumption.v1"
        else data.get("cj_assessment_job_id") or data.get("cj_batch_id") or data["entity_id"]
    )  # fmt: skip
    if not event["key"] == event["aggregate_id"] == aggregate:
        found.append(f"the key is {event['key']}, not {aggregate}")
    return [f"{kind}: {one}" for one in found]


def envelope(topic: str, data: Any, **fields: Any) -> dict[str, Any]:
    """An event as another service writes it."""
    return {
        "event_id": str(uuid4()),
        "event_type": topic,
        "event_timestamp": "2026-01-05T09:00:00.123456Z",
        "source_service": "essay_lifecycle_service",
        "schema_version": 1,
        "correlation_id": str(CORRELATION),
        "data_schema_uri": None,
        "data": data,
        "metadata": None,
    } | fields


def request(essays: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    """The `data` of a request, as the platform's lifecycle service writes it, with our part that names a judge."""
    entity = fields.get("entity_id") or str(uuid5(CORRELATION, json.dumps([essays, fields], default=str)))
    return {
        "event_name": "els.cj_assessment.requested",
        "entity_id": entity,
        "entity_type": "batch",
        "parent_id": None,
        "timestamp": "2026-01-05T09:00:00+00:00",
        "system_metadata": {"entity_id": entity, "entity_type": "batch", "timestamp": "2026-01-05T09:00:00Z"},
        "essays_for_cj": essays,
        "language": "en",
        "course_code": "ENG5",
        "user_id": "teacher-7",
        "org_id": None,
        "design": {"judge": JUDGE},
    } | fields


def essays_with_text(number: int) -> list[dict[str, Any]]:
    """References that carry their texts."""
    return [{"essay_id": f"essay-{k:04}", "text": f"The text of essay {k}."} for k in range(number)]


def enter(system: System, data: dict[str, Any], topic: str = REQUESTED, **fields: Any) -> Batch:
    """Deliver a request to assessment as bytes would come, do all that follows, and return the batch it became."""
    plant_raw(system.database, "assessment", topic, data["entity_id"], json.dumps(envelope(topic, data, **fields)))
    system.drain()
    batch = system.assessment.batch(job_id(data["entity_id"]))
    assert batch is not None, set_aside(system)
    return batch


def set_aside(system: System) -> list[tuple[str, str, str]]:
    """Messages to assessment that were not applied: their key, where they lie, and why."""
    with system.database.connect() as connection:
        rows = execute(
            connection,
            "SELECT event_key, 'quarantine', cause FROM assessment.quarantine UNION ALL "
            "SELECT event_key, 'held', last_error FROM assessment.held_message UNION ALL "
            "SELECT event_key, 'dead', cause FROM assessment.dead_letter",
        )
    return [(row[0], row[1], row[2]) for row in rows]
