"""Requests and callbacks drawn from the schemas, and from no schema at all: the first are understood, neither breaks anything."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pairmark.bootstrap import System
from pairmark.events import contract
from pairmark.messaging.messages import Message, Unusable, read
from pairmark.messaging.transport import Delivery
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
from support.sizes import size
from support.system import submit

LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
WORDS = st.text(LETTERS, max_size=12)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
FORMATS: dict[str, st.SearchStrategy[Any]] = {
    "uuid": st.uuids().map(str),
    "date-time": st.datetimes().map(lambda moment: f"{moment.isoformat()}Z") | st.just("2026-01-05T09:00:00+01:00"),
}
BY_TYPE: dict[str, Callable[[dict[str, Any]], st.SearchStrategy[Any]]] = {
    "null": lambda told: st.none(),
    "boolean": lambda told: st.booleans(),
    "string": lambda told: FORMATS[told["format"]] if "format" in told else words(told.get("minLength", 0)),
    "integer": lambda told: st.integers(told.get("minimum", -(2**40)), told.get("maximum", 2**40)),
    "number": lambda told: st.floats(told.get("minimum", -1e9), told.get("maximum", 1e9)),
    "array": lambda told: st.lists(drawn(told["items"]), min_size=told.get("minItems", 0), max_size=4),
    "object": lambda told: objects(told),  # noqa: PLW0108 - it is defined below
}  # fmt: skip


def words(least: int) -> st.SearchStrategy[str]:
    """Short texts of any letters."""
    return st.text(LETTERS, min_size=least, max_size=12)


def drawn(told: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values of a schema, as far as its own keywords say; what several say together is left to the validator."""
    if "$ref" in told:
        return drawn(contract.schema(told["$ref"].rpartition(":")[2]))
    if "enum" in told:
        return st.sampled_from(told["enum"])
    if "type" not in told:
        return st.one_of(*map(drawn, told["anyOf"])) if "anyOf" in told else ANYTHING
    kinds = [told["type"]] if isinstance(told["type"], str) else told["type"]
    return st.one_of(*(BY_TYPE[kind](told) for kind in kinds))


def objects(told: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Some of the fields, those that must be there, and fields of somebody else's; one form of several, where there are several."""
    forms = told.get("anyOf") or told.get("oneOf") or [{}]
    others = {name for form in forms for name in form.get("required", ())} if "oneOf" in told else set()
    return st.one_of(*(_form(told, form, others) for form in forms))


def _form(told: dict[str, Any], form: dict[str, Any], others: set[str]) -> st.SearchStrategy[dict[str, Any]]:
    narrowed = {name: told["properties"][name] | form["properties"][name] for name in form.get("required", ())}
    must = {name: drawn(inner).filter(lambda value: value is not None) for name, inner in narrowed.items()}
    fields = {
        name: drawn(inner)
        for name, inner in told.get("properties", {}).items()
        if name not in must and name not in others
    }
    must |= {name: fields.pop(name) for name in told.get("required", ()) if name in fields}
    strangers = st.dictionaries(WORDS.map(lambda word: f"x-{word}"), ANYTHING, max_size=2)
    return st.builds(lambda own, more: more | own, st.fixed_dictionaries(must, optional=fields), strangers)


def events(topic: str) -> st.SearchStrategy[dict[str, Any]]:
    """The `data` of events of a topic that its schema allows."""
    both = st.builds(lambda base, own: base | own, drawn(contract.schema("fact")), drawn(contract.schema(topic)))
    return both.filter(lambda data: complaints(validator(topic), data) == [])


def understood(topic: str, data: Any) -> Message | Unusable:
    return read(Delivery(0, uuid4(), topic, "k", json.dumps(envelope(topic, data)), "{}"))


QUICK = settings(max_examples=size(40, 1_000), deadline=None, suppress_health_check=list(HealthCheck))
SLOW = settings(max_examples=size(2, 40), deadline=None, suppress_health_check=list(HealthCheck))


@QUICK
@given(st.sampled_from([REQUESTED, RESULT]).flatmap(lambda topic: st.tuples(st.just(topic), events(topic))))
def test_whatever_the_schemas_allow_is_understood(told: tuple[str, dict[str, Any]]):
    message = understood(*told)
    assert isinstance(message, Message), message


@QUICK
@given(st.sampled_from([REQUESTED, RESULT]), st.dictionaries(WORDS, ANYTHING, max_size=3), st.data())
def test_whatever_is_understood_is_allowed_or_is_seen_to_be_wrong_later(
    topic: str, strangers: dict[str, Any], data: st.DataObject
):
    """One field of a good event is anything at all: it is understood or told apart, and reading never raises."""
    fields = sorted(contract.schema(topic)["properties"])
    good: dict[str, Any] = (
        request(essays_with_text(2)) if topic == REQUESTED else {"request_id": str(uuid4()), "winner": "Tie"}
    )
    read_as = understood(topic, strangers | good | {data.draw(st.sampled_from(fields)): data.draw(ANYTHING)})
    assert isinstance(read_as, Message | Unusable)


@SLOW
@given(st.lists(events(REQUESTED), min_size=3, max_size=3, unique_by=lambda data: data["entity_id"]))
def test_drawn_requests_are_taken_in_or_refused_unless_nobody_is_to_judge(
    system: System, drawn_requests: list[dict[str, Any]]
):
    """Whatever they wait for then (judges of any name), nothing of them is set aside, and a plain request goes through."""
    before, stamp = len(set_aside(system)), uuid4().hex
    aside = 0
    for data in drawn_requests:
        ids = [essay["essay_id"] for essay in data["essays_for_cj"]]
        aside += len(set(ids)) == len(ids) and not (data.get("design") or {}).get("judge")
        named = data | {"entity_id": f"{stamp} {data['entity_id']}"}
        plant_raw(system.database, "assessment", REQUESTED, named["entity_id"], json.dumps(envelope(REQUESTED, named)))
    good = enter(system, request(essays_with_text(2), entity_id=stamp))
    assert good.status.is_complete
    assert len(set_aside(system)) - before == aside


@SLOW
@given(st.lists(events(RESULT), min_size=8, max_size=8))
def test_drawn_callbacks_close_their_comparisons(system: System, drawn_answers: list[dict[str, Any]]):
    ticket = submit(system, 5, name=uuid4().hex, success_rate=0.0, stability_threshold=0.0, budget=8)
    settle(system)
    asked: list[UUID] = [one for one, _, _ in open_comparisons(system.database, ticket)]
    before = len(set_aside(system))
    for comparison, data in zip(asked, drawn_answers, strict=False):
        told = envelope(RESULT, data | {"request_id": str(comparison)})
        plant_raw(system.database, "assessment", RESULT, "k", json.dumps(told))
    system.consumers["assessment"].step()
    batch = system.assessment.batch(ticket.job_id)
    assert batch is not None
    verdicts = sum(data.get("winner") is not None for data in drawn_answers[: len(asked)])
    assert (batch.answered, batch.counted) == (len(asked), verdicts)
    assert len(set_aside(system)) == before
