"""Requests as nobody should send them: how to make the bytes of each, and what becomes of it.

"answered": kept in the quarantine, and told as failed; "refused": told as failed; "dead": a dead letter, since nobody can be told.
"""

import json
from collections.abc import Callable
from typing import Any

from pairmark.domain.stopping import MOST_ESSAYS
from pairmark.messaging.transport import MAX_REQUEST
from support.contract import REQUESTED, RESULT, envelope, essays_with_text, request

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
    "no field for the essays": (lambda: without("essays_for_cj"), "answered"),
    "null for the essays": (lambda: changed(essays_for_cj=None), "answered"),
    "no essays": (lambda: changed(essays_for_cj=[]), "refused"),
    "one id twice": (lambda: changed(essays_for_cj=[*FOUR, FOUR[0]]), "refused"),
    "an essay without an id": (lambda: changed(essays_for_cj=[{"text": "x"}]), "answered"),
    "an empty essay id": (lambda: changed(essays_for_cj=[{"essay_id": "", "text": "x"}]), "answered"),
    "an essay id without end": (lambda: changed(essays_for_cj=[{"essay_id": "x" * 501, "text": "x"}]), "answered"),
    "an essay without text": (lambda: changed(essays_for_cj=[{"essay_id": "a"}]), "refused"),
    "a zero byte in a text": (lambda: changed(essays_for_cj=[{"essay_id": "a", "text": "x\0"}]), "answered"),
    "a zero byte in an id": (lambda: changed(essays_for_cj=[{"essay_id": "a\0", "text": "x"}]), "answered"),
    "a zero byte elsewhere": (lambda: changed(user_id="a\0"), "refused"),
    "half a surrogate": (lambda: changed(course_code="X").replace('"X"', '"\\ud800"'), "quarantine"),
    "neither user nor organisation": (lambda: changed(user_id=None), "refused"),
    "an empty user": (lambda: changed(user_id=""), "refused"),
    "no entity id": (lambda: without("entity_id"), "dead"),
    "an entity id without end": (lambda: changed(entity_id="x" * 501), "dead"),
    "a budget below zero": (lambda: changed(design={"budget": -1}), "answered"),
    "a deadline in no time": (lambda: changed(design={"deadline_seconds": 0}), "answered"),
    "a deadline in a million years": (lambda: changed(design={"deadline_seconds": 1e13}), "answered"),
    "a seed below zero": (lambda: changed(design={"seed": -1}), "answered"),
    "a share above one": (lambda: changed(design={"success_rate": 1.5}), "answered"),
    "a clock that is none": (
        lambda: json.dumps(envelope(REQUESTED, request(FOUR), event_timestamp="tomorrow")), "quarantine"),
    "more essays than a batch takes": (
        lambda: changed(essays_for_cj=[{"essay_id": f"{k}", "text_storage_id": "x"} for k in range(MOST_ESSAYS + 1)]),
        "refused"),
    "longer than any result could be": (lambda: changed(course_code="x" * MAX_REQUEST), "refused"),
}  # fmt: skip
