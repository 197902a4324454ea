"""What the contract does not allow is set aside with its cause, changes nothing, and holds up nobody."""

import json
from uuid import uuid4

import pytest

from pairmark.audit.selfcheck import self_check
from pairmark.bootstrap import System
from pairmark.clock import ManualClock
from pairmark.domain.statuses import Status
from pairmark.messaging import held
from pairmark.storage.connection import execute
from support.callbacks import open_comparisons, settle
from support.contract import (
    FAILED,
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
from support.refused import BAD, FOUR
from support.system import submit


def test_bad_requests_are_set_aside_with_their_causes_and_hold_up_nobody(system: System, clock: ManualClock):
    """Those that say which batch they are about are answered, once, with the reason; what cannot be read is kept."""
    for kind, (make, _) in BAD.items():
        for _ in range(2):
            plant_raw(system.database, "assessment", REQUESTED, kind, make())
    good = enter(system, request(essays_with_text(2)))
    assert good.status.is_complete
    for _ in range(6):
        clock.advance(400)
        system.drain()
    kept = {"answered": "quarantine", "refused": None}
    assert {key: place for key, place, cause in set_aside(system) if cause} == {
        k: place for k, (_, where) in BAD.items() if (place := kept.get(where, where))
    }
    answered = sum(where in kept for _, where in BAD.values())
    with system.database.connect() as connection:
        ends = execute(
            connection,
            "SELECT count(*), count(DISTINCT b.id), bool_and(error <> ''), count(o.published_at) FROM assessment.batch b "
            f"JOIN assessment.event_outbox o ON o.aggregate_id = b.id::text AND o.event_type = '{FAILED}' "
            "WHERE status = 'ERROR_PROCESSING' AND stop_reason = 'invalid_request'",
        )
        assert ends == [(answered, answered, True, answered)]
        assert execute(connection, "SELECT count(*) FROM assessment.batch") == [(answered + 1,)]
    assert [one for event in sent(system.database) for one in wrong(event)] == []


def test_a_refused_request_is_told_as_failed_with_words_and_never_as_anything_else_again(system: System):
    """A better request needs a new entity_id: whoever was told that a batch failed never hears that it completed."""
    batch = enter(system, request([*FOUR, FOUR[1]], entity_id="twice"))
    assert (batch.status, batch.error) == (Status.ERROR_PROCESSING, "The request names an essay twice.")
    assert enter(system, request(FOUR, entity_id="twice")) == batch
    (failed,) = [event["body"]["data"] for event in sent(system.database) if event["event_type"] == FAILED]
    assert failed["entity_id"] == "twice"
    info = failed["system_metadata"]["error_info"]
    assert info == {"error_code": "invalid_request", "message": "The request names an essay twice."}
    assert enter(system, request(FOUR, entity_id="better")).status.is_complete
    assert self_check(system.database).findings == []


def test_a_request_that_cannot_be_read_is_answered_too_and_changes_no_batch_that_is_there(system: System):
    batch = enter(system, request(FOUR, entity_id="good"))
    assert batch.status.is_complete
    assert enter(system, request(FOUR, entity_id="good", design={"seed": -1})) == batch
    bad = enter(system, request(FOUR, entity_id="bad", design={"seed": -1}))
    assert bad.error is not None
    assert bad.error.startswith("The request breaks the contract: ")
    assert "seed" in bad.error
    assert [key for key, _, _ in set_aside(system)] == ["good", "bad"]
    assert self_check(system.database, ["bad", str(bad.id)]).findings == []


@pytest.mark.parametrize("kind", [kind for kind, (_, where) in BAD.items() if where in {"quarantine", "answered"}])
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
