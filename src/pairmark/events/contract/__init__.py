"""The published contract: JSON Schemas (draft 2020-12) of the envelope, of the headers and of every event, written by hand.

They are an independent statement: nothing of the program is made from them, and tests hold what it sends and accepts against
them. A name is that of an event's topic, or of a part that all events share.
"""

import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

VERSION = 1
PARTS = ("envelope", "headers", "fact", "system-metadata")
"""What is no event by itself, in the order in which a reader wants it."""


def names() -> list[str]:
    """Every name, the shared parts first."""
    found = {entry.name.removesuffix(".json") for entry in _folder().iterdir() if entry.name.endswith(".json")}
    return [*PARTS, *sorted(found - set(PARTS))]


@cache
def schema(name: str) -> dict[str, Any]:
    """One schema as it is written; it may name others by their `$id`."""
    found: dict[str, Any] = json.loads(_folder().joinpath(f"{name}.json").read_text(encoding="utf-8"))
    return found


def whole(name: str) -> dict[str, Any]:
    """One schema that holds all others it names in its `$defs`, so that it can be used by itself."""
    own = schema(name)
    named = {one: schema(one) for one in sorted(_named(own))}
    return own | {"$defs": named} if named else own


def fields(name: str) -> Iterator[tuple[str, str, bool, str]]:
    """Every field of a schema: name, type in words, whether it must be there, and what it is."""
    own = schema(name)
    inherited: dict[str, Any] = {}
    for part in own.get("allOf", ()):
        inherited |= schema(_name(part["$ref"]))["properties"]
    for field in dict.fromkeys([*inherited, *own["properties"]]):
        told = inherited.get(field, {}) | own["properties"].get(field, {})
        yield field, _kind(told), field in own.get("required", ()), told.get("description", "")


def _kind(told: dict[str, Any]) -> str:
    if "const" in told:
        return json.dumps(told["const"])
    if "enum" in told:
        return " or ".join(json.dumps(one) for one in told["enum"])
    if "$ref" in told:
        return _name(told["$ref"])
    if "anyOf" in told:
        return " or ".join(_kind(one) for one in told["anyOf"])
    if "type" not in told:
        return "anything"
    kinds = [told["type"]] if isinstance(told["type"], str) else told["type"]
    return " or ".join(told["format"] if kind == "string" and "format" in told else kind for kind in kinds)


def _named(value: Any) -> set[str]:
    """Names of all schemas that a schema refers to, and that those refer to."""
    if isinstance(value, list):
        return set().union(*(_named(inner) for inner in value))
    if not isinstance(value, dict):
        return set()
    found = set().union(*(_named(inner) for inner in value.values()))
    if isinstance(value.get("$ref"), str):
        name = _name(value["$ref"])
        found |= {name} | _named(schema(name))
    return found


def _name(identity: str) -> str:
    return identity.rpartition(":")[2]


def _folder() -> Any:
    return files(__name__).joinpath(f"v{VERSION}")
