"""docs/reference/events.md: every event of the catalogue with its fields."""

import json
import types
import typing
from collections.abc import Iterator
from typing import Any

import msgspec

from pairmark.events.catalogue import EVENTS, Event
from pairmark.events.envelope import Envelope

INTRODUCTION = """\
# Events

One JSON object in UTF-8 for each event: the envelope below with the event's own fields in `data`. Kafka key = aggregate
id. The headers repeat event id, type and correlation id and carry the CloudEvents attributes `ce_id`, `ce_type`,
`ce_source`, `ce_specversion`, `ce_time` and `content-type`. The event id is derived from type, aggregate and fact, so
a redelivery has the same id and bytes. Fields that a reader does not know are ignored.

The same as JSON Schemas, versioned and for programs: `pairmark contracts show`. How to send requests:
[take requests from other services](../howto/take-requests-from-other-services.md). Pairmark's extensions to the contract
are `text` of an essay (the text itself, which is then used whatever its storage id says), `design`, the winner `Tie`, and
`presented_order`, `judge` and `attempt` in `request_metadata`.
"""


def render() -> str:
    """The page."""
    own = {field.name for field in msgspec.structs.fields(Event)}
    parts = [
        INTRODUCTION,
        "## Envelope\n",
        _table(Envelope, set()),
        "## Fields of every `data`\n",
        _table(Event, set()),
    ]
    nested: dict[str, type] = {}
    for kind in EVENTS:
        parts += [f"## `{kind.topic}`\n", _text(kind), f"Aggregate: `{kind.aggregate_type}`.\n", _table(kind, own)]
        nested |= {found.__name__: found for found in _structs(kind)}
    parts.append("## Objects inside events\n")
    for name in sorted(nested):
        parts += [f"### {name}\n", _text(nested[name]), _table(nested[name], set())]
    return "\n".join(parts).rstrip() + "\n"


def _text(kind: type) -> str:
    return "\n".join(line.strip() for line in (kind.__doc__ or "").strip().splitlines()) + "\n"


def _table(kind: type, left_out: set[str]) -> str:
    rows = [
        f"| `{field.encode_name}` | {_type(field.type)} | {_default(field)} |"
        for field in msgspec.structs.fields(kind)
        if field.name not in left_out
    ]
    return "| field | type | default |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n"


def _type(annotation: Any) -> str:
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Annotated:
        return " ".join(part for part in (_type(arguments[0]), _bounds(arguments[1])) if part)
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        return " or ".join(_type(argument) for argument in arguments)
    if annotation is type(None):
        return "null"
    if typing.get_origin(annotation) is list:
        return f"list of {_type(arguments[0])}"
    if annotation is Any:
        return "any"
    return _JSON_NAMES.get(getattr(typing.get_origin(annotation) or annotation, "__name__", ""), _link(annotation))


def _bounds(meta: msgspec.Meta) -> str:
    """What a value is held to, in words."""
    if meta.max_length is not None:
        return f"of {meta.min_length or 0} to {meta.max_length} characters"
    if meta.le is not None:
        return f"from {meta.ge} to {meta.le}"
    return f"of at least {meta.ge}" if meta.ge is not None else ""


_JSON_NAMES = {
    "dict": "object",
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    "UUID": "UUID",
    "datetime": "time (UTC, ISO 8601)",
    "Raw": "object",
}


def _link(annotation: Any) -> str:
    name = getattr(annotation, "__name__", str(annotation))
    return f"[{name}](#{name.lower()})"


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    if field.default is None:
        return "null"
    if isinstance(field.default, msgspec.Struct):
        return "its defaults"
    return "empty" if field.default in (msgspec.NODEFAULT, "") else f"`{json.dumps(field.default)}`"


def _structs(kind: Any) -> Iterator[type]:
    for field in msgspec.structs.fields(kind):
        for candidate in (field.type, *typing.get_args(field.type)):
            if isinstance(candidate, type) and issubclass(candidate, msgspec.Struct):
                yield candidate
                yield from _structs(candidate)
