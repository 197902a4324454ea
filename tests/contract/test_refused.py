"""What the contract does not allow is set aside with its cause, changes nothing, and holds up nobody."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from pairmark.audit.selfcheck import self_check
from pairmark.bootstrap import System
from pairmark.clock import ManualClock
from pairmark.domain.stopping import MOST_ESSAYS
from pairmark.messaging import held
from pairmark.messaging.transport import MAX_REQUEST
from pairmark.storage.connection import execute
from support.callbacks import open_comparisons, settle
from support.contract import (
    REQUESTED,
    RESULT,
    complaints,
    enter,
    envelope,
    essays_with_text,
    request,
    set_aside,
    validator,
)
from support.faults import plant_raw
from support.system import submit

FOUR = essays_with_text(4)


def changed(**fields: Any) -> str:
    return json.dumps(envelope(REQUESTED, request(FOUR, **fields)))


def without(name: str) -> str:
    return json.dumps(envelope(REQUESTED, {k: v for k, v in request(FOUR).items() if k != name}))


BAD: dict[str, tuple[Callable[[], str], str]] = {
    "not JSON": (lambda: '{"event_id": ', "quarantine"),
    "nothing": (lambda: "", "quarantine"),
    "not an envelope": (lambda: json.dumps(request(FOUR)), "quarantine"),
    "an array": (lambda: "[]", "quarantine"),
    "a newer schema": (lambda: json.dumps(envelope(REQUESTED, request(FOUR), schema_version=2)), "dead"),
    "a foreign event type": (lambda: json.dumps(envelope("somebody.else.v1", request(FOUR))), "quarantine"),
    "another event of ours": (lambda: json.dumps(envelope(RESULT, request(FOUR))), "quarantine"),
    "an event id that is none": (lambda: json.dumps(envelope(REQUESTED, request(FOUR), event_id="1")), "quarantine"),
    "no data": (lambda: json.dumps(envelope(REQUESTED, None)), "quarantine"),
    "no field for the essays": (lambda: without("essays_for_cj"), "quarantine"),
    "null for the essays": (lambda: changed(essays_for_cj=None), "quarantine"),
    "no essays": (lambda: changed(essays_for_cj=[]), "dead"),
    "one id twice": (lambda: changed(essays_for_cj=[*FOUR, FOUR[0]]), "dead"),
    "an essay without an id": (lambda: changed(essays_for_cj=[{"text": "x"}]), "quarantine"),
    "an empty essay id": (lambda: changed(essays_for_cj=[{"essay_id": "", "text": "x"}]), "quarantine"),
    "an essay id without end": (lambda: changed(essays_for_cj=[{"essay_id": "x" * 501, "text": "x"}]), "quarantine"),
    "an essay without text": (lambda: changed(essays_for_cj=[{"essay_id": "a"}]), "dead"),
    "a zero byte in a text": (lambda: changed(essays_for_cj=[{"essay_id": "a", "text": "x\0"}]), "quarantine"),
    "a zero byte in an id": (lambda: changed(essays_for_cj=[{"essay_id": "a\0", "text": "x"}]), "quarantine"),
    "a zero byte elsewhere": (lambda: changed(user_id="a\0"), "dead"),
    "half a surrogate": (lambda: changed(course_code="X").replace('"X"', '"\\ud800"'), "quarantine"),
    "neither user nor organisation": (lambda: changed(user_id=None), "dead"),
    "an empty user": (lambda: changed(user_id=""), "dead"),
    "no entity id": (lambda: without("entity_id"), "dead"),
    "an entity id without end": (lambda: changed(entity_id="x" * 501), "dead"),
    "a budget below zero": (lambda: changed(design={"budget": -1}), "quarantine"),
    "a deadline in no time": (lambda: changed(design={"deadline_seconds": 0}), "quarantine"),
    "a deadline in a million years": (lambda: changed(design={"deadline_seconds": 1e13}), "quarantine"),
    "a seed below zero": (lambda: changed(design={"seed": -1}), "quarantine"),
    "a share above one": (lambda: changed(design={"success_rate": 1.5}), "quarantine"),
    "a clock that is none": (
        lambda: json.dumps(envelope(REQUESTED, request(FOUR), event_timestamp="tomorrow")), "quarantine"),
    "more essays than a batch takes": (
        lambda: changed(essays_for_cj=[{"essay_id": f"{k}", "text_storage_id": "x"} for k in range(MOST_ESSAYS + 1)]),
        "dead"),
    "longer than any result could be": (lambda: changed(course_code="x" * MAX_REQUEST), "dead"),
}  # fmt: skip


def test_bad_requests_are_set_aside_with_their_causes_and_hold_up_nobody(system: System, clock: ManualClock):
    for kind, (make, _) in BAD.items():
        plant_raw(system.database, "assessment", REQUESTED, kind, make())
    good = enter(system, request(essays_with_text(2)))
    assert good.status.is_complete
    for _ in range(6):
        clock.advance(400)
        system.drain()
    assert {key: place for key, place, cause in set_aside(system) if cause} == {
        k: where for k, (_, where) in BAD.items()
    }
    with system.database.connect() as connection:
        assert execute(connection, "SELECT count(*) FROM assessment.batch") == [(1,)]


@pytest.mark.parametrize("kind", [kind for kind, (_, where) in BAD.items() if where == "quarantine"])
def test_what_is_quarantined_breaks_the_published_contract(kind: str):
    """Whatever the contract allows must not end there (what it cannot say of a whole request is in the dead letters)."""
    text = BAD[kind][0]()
    try:
        body = json.loads(text)
        text.encode().decode()
        text.encode()
    except ValueError:
        return
    if isinstance(body, dict) and body.get("event_type") == REQUESTED and isinstance(body.get("data"), dict):
        data = body["data"]
        broken = complaints(validator("envelope"), body) if "\\ud800" not in text else ["no text"]
        assert broken or complaints(validator(REQUESTED), data), kind
    else:
        assert (
            not isinstance(body, dict) or body.get("event_type") != REQUESTED or complaints(validator("envelope"), body)
        )


@pytest.mark.parametrize("form", ["as it is", "with other types"])
def test_an_event_of_a_newer_schema_is_applied_when_it_is_replayed_after_the_upgrade(
    system: System, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, form: str
):
    """An old reader in a rolling upgrade may not use it, and may not lose it either."""
    newer = envelope(REQUESTED, request(FOUR), schema_version=2)
    strange = newer if form == "as it is" else newer | {"correlation_id": 7, "event_timestamp": {"of": "another form"}}
    plant_raw(system.database, "assessment", REQUESTED, "k", json.dumps(strange))
    for _ in range(6):
        system.drain()
        clock.advance(400)
    ((key, place, cause),) = set_aside(system)
    assert (key, place) == ("k", "dead")
    assert "schema_version 2 is newer than 1; upgrade, then replay it" in cause
    if form == "as it is":
        monkeypatch.setattr("pairmark.events.envelope.SCHEMA_VERSION", 2)
        ((dead, *_),) = held.dead_letters(system.database, "assessment")
        assert held.replay(system.database, "assessment", [dead], clock.now()) == 1
        system.drain()
        assert set_aside(system) == []
        assert system.database.at_once("assessment", "SELECT count(*) FROM batch", None) == [(1,)]


def test_a_message_of_5_megabytes_is_taken_as_a_request_and_refused_as_an_answer(system: System):
    """A request may be long; an answer of a judge never is."""
    batch = enter(system, request(essays_with_text(2), course_code="x" * 5_000_000))
    assert batch.status.is_complete
    plant_raw(
        system.database, "assessment", RESULT, "k", json.dumps(envelope(RESULT, {"justification": "x" * 5_000_000}))
    )
    system.drain()
    assert [place for _, place, _ in set_aside(system)] == ["quarantine"]


def test_a_callback_for_a_batch_nobody_knows_is_quarantined(system: System):
    data = {"request_id": str(uuid4()), "winner": "Essay A"}
    assert complaints(validator(RESULT), data) == []
    plant_raw(system.database, "assessment", RESULT, "k", json.dumps(envelope(RESULT, data)))
    system.drain()
    ((_, place, cause),) = set_aside(system)
    assert place == "quarantine"
    assert "no comparison" in cause


def test_a_callback_for_a_finished_batch_is_kept_as_late(system: System):
    ticket = submit(system, 4, budget=6, stability_threshold=0.0)
    settle(system)
    one = open_comparisons(system.database, ticket)[0][0]
    system.drain()
    before = system.assessment.batch(ticket.job_id)
    data = {"request_id": str(one), "winner": "Essay A"}
    plant_raw(system.database, "assessment", RESULT, "k", json.dumps(envelope(RESULT, data)))
    system.drain()
    assert system.assessment.batch(ticket.job_id) == before
    with system.database.connect() as connection:
        query = "SELECT closing FROM assessment.judgement j JOIN assessment.comparison c USING (batch_id, ordinal) " \
                "WHERE c.id = %s ORDER BY seq"  # fmt: skip
        assert execute(connection, query, [one]) == [(True,), (False,)]
    assert set_aside(system) == []
    assert self_check(system.database).findings == []
