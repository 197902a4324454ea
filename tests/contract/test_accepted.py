"""Every variant of a request and of a callback that the contract allows is taken from a client that is not ours, to its end."""

import json
from typing import Any
from uuid import uuid4

from pairmark.audit.selfcheck import self_check
from pairmark.bootstrap import System
from pairmark.events.identity import job_id
from pairmark.storage.connection import Database, execute
from support.callbacks import open_comparisons, settle
from support.contract import (
    REQUESTED,
    RESULT,
    complaints,
    enter,
    envelope,
    essays_with_text,
    request,
    sent,
    set_aside,
    validator,
    wrong,
)
from support.faults import plant_raw
from support.sizes import size
from support.system import JUDGE, submit

SIX = essays_with_text(6)
LEFT_OUT = object()
MAY_BE_MISSING = (
    "event_name", "entity_type", "parent_id", "timestamp", "system_metadata", "language", "course_code", "org_id",
)  # fmt: skip
MAY_BE_NULL = (
    "parent_id", "timestamp", "correlation_id", "error_detail", "justification", "confidence", "provider", "model",
    "response_time_ms", "token_usage", "cost_estimate", "requested_at", "completed_at", "trace_id", "request_metadata",
)  # fmt: skip

REQUESTS: dict[str, dict[str, Any]] = {
    "as the platform sends it": {},
    "fields nobody knows, at every level": {
        "essays_for_cj": [one | {"school": {"year": 9}, "tags": [1, None]} for one in SIX],
        "system_metadata": {"entity_id": "x", "started_at": "2026-01-05T09:00:00Z", "new": [1, 2]},
        "design": {"judge": JUDGE, "colour": "blue"},
        "partition_hint": 7,
        "nested": {"deep": [{"deeper": None}]},
    },
    "a scale of numbers": {"grade_scale": "eng5_np_numeric", "scale": {"lowest": 1, "highest": 9, "steps": [1, 2.5, 9]}},
    "a user only": {"user_id": "teacher-7", "org_id": None},
    "a user only, no field for the organisation": {"org_id": LEFT_OUT},
    "an organisation only": {"user_id": None, "org_id": "school-3"},
    "an organisation only, no field for the user": {"user_id": LEFT_OUT, "org_id": "school-3"},
    "user and organisation": {"user_id": "teacher-7", "org_id": "school-3"},
    "null wherever no value is needed": {
        "parent_id": None, "timestamp": None, "system_metadata": None, "language": None, "course_code": None,
        "student_prompt_ref": None, "llm_config_overrides": None, "assignment_id": None,
        "essays_for_cj": [one | {"spellcheck_metrics": None, "text_storage_id": None} for one in SIX],
    },
    "nothing that may be missing": dict.fromkeys(MAY_BE_MISSING, LEFT_OUT),
    "overrides for a language model": {
        "llm_config_overrides": {
            "model": "some-model", "temperature": 0.2, "max_tokens": 1_000, "provider": "somebody", "system_prompt": "Judge.",
            "judge_rubric": "Content, then form.", "reasoning_effort": "low", "output_verbosity": "low", "seed": 3,
        },
        "student_prompt_ref": {"references": {"student_prompt_text": {"storage_id": "p-1"}}},
        "assignment_id": "assignment-12",
    },
    "metrics of the spelling": {
        "essays_for_cj": [one | {"spellcheck_metrics": {"total_corrections": 3, "density": 0.5}} for one in SIX]
    },
    "time with Z": {"timestamp": "2025-11-15T18:59:43.007038Z"},
    "time with an offset": {"timestamp": "2025-11-15T18:59:43+00:00"},
    "an entity id of the platform's own making": {"entity_id": "test-batch-123"},
    "an entity id in another alphabet": {"entity_id": "klass 7å / vår «2026» 🎓"},
    "a parent nobody knows": {"parent_id": "course-2026"},
    "one essay": {"essays_for_cj": essays_with_text(1)},
    "two essays": {"essays_for_cj": essays_with_text(2)},
    "essay ids of many forms": {
        "essays_for_cj": [
            {"essay_id": name, "text": f"Text of {name}."}
            for name in ("1", "a/b?c", "Åse's \"essay\"", "🎓", " ", "x" * 500, str(uuid4()))
        ]
    },
}  # fmt: skip


def test_requests_of_every_form_come_to_their_ends(system: System):
    """All in one system, each delivered as bytes would come."""
    asked = {}
    for variant, fields in REQUESTS.items():
        data = {name: value for name, value in request(SIX, **fields).items() if value is not LEFT_OUT}
        assert complaints(validator(REQUESTED), data) == [], variant
        asked[variant] = data
        plant_raw(system.database, "assessment", REQUESTED, data["entity_id"], json.dumps(envelope(REQUESTED, data)))
    system.drain()
    assert set_aside(system) == []
    assert len({data["entity_id"] for data in asked.values()}) == len(asked)
    for variant, data in asked.items():
        batch = system.assessment.batch(job_id(data["entity_id"]))
        assert batch is not None, variant
        assert batch.status.is_complete, (variant, batch.error)
        assert (batch.entity_id, batch.essays) == (data["entity_id"], len(data["essays_for_cj"])), variant
        assert (batch.user_id, batch.org_id) == (data.get("user_id") or "", data.get("org_id")), variant
    assert [one for event in sent(system.database) for one in wrong(event)] == []
    assert self_check(system.database).findings == []


ENVELOPES: list[dict[str, Any]] = [
    {"event_timestamp": "2026-01-05T09:00:00+00:00"},
    {"event_timestamp": "2027-01-05T09:00:00Z"},
    {"metadata": {"trace": "x"}, "data_schema_uri": "https://example.org/s"},
    {"unknown": [1], "also": {"unknown": None}},
    {"schema_version": 0},
]
"""Times in both forms, one of a clock a year ahead; everything that may be there, and more; an older version."""


def test_envelopes_of_every_form_are_taken(system: System):
    for number, fields in enumerate(ENVELOPES):
        assert complaints(validator("envelope"), envelope(REQUESTED, {}, **fields)) == []
        assert enter(system, request(SIX, entity_id=f"envelope {number}"), **fields).status.is_complete


def test_a_large_batch_comes_to_its_end(system: System):
    number = size(120, 500)
    batch = enter(system, request(essays_with_text(number), design={"judge": JUDGE, "comparisons_per_essay": 4}))
    assert batch.status.is_complete, batch.error
    assert (batch.essays, batch.counted) == (number, 2 * number)
    results = [event["body"]["data"] for event in sent(system.database) if "result.published" in event["event_type"]]
    assert [len(data["essay_results"]) for data in results] == [number]


def test_the_organisation_is_charged_where_only_it_is_named(system: System):
    system.accounts.grant("organisation", "school-3", 1_000, "g1", system.clock.now())
    batch = enter(system, request(SIX, user_id=None, org_id="school-3"))
    account = system.entitlements.view(str(batch.id))
    assert (account["account"], account["charged"]) == ("organisation: school-3", batch.counted)


def test_a_grade_that_is_a_number_is_stored_as_it_is(system: System, database: Database):
    """The pattern of letters that once refused it came after the first event was out."""
    enter(system, request(SIX))
    data = next(one["body"]["data"] for one in sent(database) if "result.published" in one["event_type"])
    graded = [one | {"letter_grade": str(k)} for k, one in enumerate(data["essay_results"], start=1)]
    told = data | {"essay_results": graded, "cj_assessment_job_id": str(uuid4())}
    assert complaints(validator("huleedu.assessment.result.published.v1"), told) == []
    plant_raw(database, "results", "huleedu.assessment.result.published.v1", "k",
              json.dumps(envelope("huleedu.assessment.result.published.v1", told)))  # fmt: skip
    system.drain()
    with database.connect() as connection:
        query = "SELECT letter_grade FROM results.essay_result WHERE job_id = %s ORDER BY rank, essay_id"
        grades = {row[0] for row in execute(connection, query, [told["cj_assessment_job_id"]])}
    assert grades == {str(k) for k in range(1, 7)}


ERROR = {
    "error_code": "EXTERNAL_SERVICE_ERROR", "message": "no answer", "correlation_id": str(uuid4()), "service": "llm",
    "timestamp": "2026-01-05T09:00:00Z", "operation": "compare", "details": {"status": 503, "tries": [1, 2]},
}  # fmt: skip
CALLBACKS: dict[str, dict[str, Any]] = {
    "essay A": {"winner": "Essay A"},
    "essay B": {"winner": "Essay B"},
    "a tie": {"winner": "Tie"},
    "without an error field": {"winner": "Essay A", "error_detail": LEFT_OUT},
    "confidence a whole number": {"winner": "Essay A", "confidence": 3},
    "confidence with decimals": {"winner": "Essay A", "confidence": 4.25},
    "fields nobody knows": {
        "winner": "Essay A", "new": {"deep": [None]}, "token_usage": {"cached": 1, "cost": {"in": 0.1}},
        "request_metadata": {"prompt_sha256": "ab", "x": [1]},
    },
    "null wherever no value is needed": dict.fromkeys(MAY_BE_NULL) | {"winner": "Essay B"},
    "only what must be there": dict.fromkeys(("event_name", "entity_id", "entity_type", *MAY_BE_NULL), LEFT_OUT)
    | {"winner": "Essay A"},
    "an error with all its fields": {"winner": None, "error_detail": ERROR},
    "an error without a winner field": {"winner": LEFT_OUT, "error_detail": ERROR},
    "an error with a code of ours": {"winner": None, "error_detail": {"error_code": "refused"}},
    "an error with nothing in it": {"winner": None, "error_detail": {}},
    "an error with nulls": {"winner": None, "error_detail": {"error_code": None, "message": None}},
    "an error as a sentence": {"winner": None, "error_detail": "The provider did not answer."},
}  # fmt: skip


def callback(comparison: object, **fields: Any) -> dict[str, Any]:
    """The `data` of an answer, as the platform's provider service writes it."""
    told = {
        "event_name": "llm.comparison.result", "entity_id": str(comparison), "entity_type": "comparison", "parent_id": None,
        "timestamp": "2026-01-05T09:00:01Z", "request_id": str(comparison), "correlation_id": str(uuid4()), "winner": None,
        "error_detail": None, "justification": "Clearer.", "confidence": 3.5, "provider": "somebody", "model": "some-model",
        "response_time_ms": 812, "token_usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12},
        "cost_estimate": 0.0012, "requested_at": "2026-01-05T09:00:00+00:00", "completed_at": "2026-01-05T09:00:01+00:00",
        "trace_id": None, "request_metadata": {"essay_a_id": "a", "essay_b_id": "b", "bos_batch_id": None},
    } | fields  # fmt: skip
    return {name: value for name, value in told.items() if value is not LEFT_OUT}


def is_verdict(variant: str) -> bool:
    return isinstance(CALLBACKS[variant].get("winner"), str)


def test_callbacks_of_every_form_close_their_comparisons(system: System, database: Database):
    """One batch for each form, all of whose answers have it."""
    tickets = {}
    for variant, fields in CALLBACKS.items():
        tickets[variant] = submit(system, 4, name=variant, success_rate=0.0, stability_threshold=0.0, budget=4)
        settle(system)
        for comparison, _, _ in open_comparisons(database, tickets[variant]):
            data = callback(comparison, **fields)
            assert complaints(validator(RESULT), data) == [], variant
            plant_raw(database, "assessment", RESULT, "any key", json.dumps(envelope(RESULT, data)))
    settle(system)
    assert set_aside(system) == []
    for variant, ticket in tickets.items():
        batch = system.assessment.batch(ticket.job_id)
        assert batch is not None
        assert (batch.answered, batch.counted) == (4, 4 if is_verdict(variant) else 0), variant
        assert batch.status.is_terminal, variant
        assert batch.status.is_complete == is_verdict(variant), (variant, batch.error)
    assert self_check(database).findings == []


def test_the_same_request_again_is_the_same_batch(system: System):
    """Redelivered, and sent anew under another event id."""
    first, second = enter(system, request(SIX)), enter(system, request(SIX))
    assert first == second
    assert first.id == job_id(request(SIX)["entity_id"])
