"""What each provider demands of a JSON schema for structured output.

OpenAI's strict mode wants every object closed and all of its properties required; Anthropic wants objects closed and
knows no limits of size; Gemini takes a part of JSON Schema. A checked schema is remembered, so the check costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import msgspec

from support.providers.asked import Refused, bad

Schema = dict[str, Any]
Path = tuple[str, ...]

OPENAI_UNKNOWN = frozenset({
    "allOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "patternProperties", "default",
    "oneOf",
})  # fmt: skip
ANTHROPIC_UNKNOWN = frozenset({
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength",
    "maxItems", "not", "if", "then", "else", "patternProperties", "oneOf", "uniqueItems", "minProperties",
    "maxProperties",
})  # fmt: skip
GEMINI_KNOWN = frozenset({
    "$id", "$defs", "$ref", "$anchor", "type", "format", "title", "description", "enum", "items", "prefixItems",
    "minItems", "maxItems", "minimum", "maximum", "anyOf", "oneOf", "properties", "additionalProperties",
    "required", "propertyOrdering",
})  # fmt: skip


def objects(schema: Schema, path: Path = ()) -> Iterator[tuple[Path, Schema]]:
    """Every schema within a schema, and where it stands."""
    yield path, schema
    for word in ("properties", "$defs", "definitions"):
        for name, inner in (schema.get(word) or {}).items():
            if isinstance(inner, dict):
                yield from objects(inner, (*path, word, name))
    for word in ("items", "additionalProperties"):
        if isinstance(schema.get(word), dict):
            yield from objects(schema[word], (*path, word))
    for word in ("anyOf", "allOf", "oneOf", "prefixItems"):
        for place, inner in enumerate(schema.get(word) or []):
            if isinstance(inner, dict):
                yield from objects(inner, (*path, word, str(place)))


def is_object(schema: Schema) -> bool:
    """Whether it describes objects."""
    return schema.get("type") == "object" or (isinstance(schema.get("type"), list) and "object" in schema["type"])


def openai_strict(schema: Schema) -> str:
    """What OpenAI's strict mode says against a schema; "" if nothing."""
    if schema.get("type") != "object":
        return f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{schema.get('type')}\"'."
    for path, inner in objects(schema):
        context = f"In context={path}, "
        unknown = OPENAI_UNKNOWN & inner.keys()
        if unknown:
            return f"{context}'{min(unknown)}' is not permitted."
        if is_object(inner):
            if inner.get("additionalProperties") is not False:
                return f"{context}'additionalProperties' is required to be supplied and to be false."
            missing = [name for name in inner.get("properties", {}) if name not in inner.get("required", [])]
            if missing:
                return (
                    f"{context}'required' is required to be supplied and to be an array including every key in "
                    f"properties. Missing '{missing[0]}'."
                )
        elif not {"type", "enum", "const", "anyOf", "$ref"} & inner.keys():
            return f"{context}schema must have a 'type' key."
    return ""


def anthropic_format(schema: Schema) -> str:
    """What Anthropic says against a schema; "" if nothing."""
    for _, inner in objects(schema):
        if is_object(inner):
            if "additionalProperties" not in inner:
                return "For 'object' type, 'additionalProperties' must be explicitly set to false"
            if inner["additionalProperties"] is not False:
                return "For 'object' type, 'additionalProperties: true' is not supported. Please set it to false"
        unknown = ANTHROPIC_UNKNOWN & inner.keys()
        if unknown:
            return f"For '{inner.get('type')}' type, property '{min(unknown)}' is not supported"
    return ""


def gemini_schema(schema: Schema) -> str:
    """What Gemini says against a schema; "" if nothing."""
    for path, inner in objects(schema):
        unknown = inner.keys() - GEMINI_KNOWN
        if unknown:
            place = ".".join(("response_json_schema", *path))
            return f"Unsupported keyword '{min(unknown)}' at 'generation_config.{place}'"
        properties = inner.get("properties", {})
        missing = [name for name in inner.get("required", []) if name not in properties]
        if is_object(inner) and missing:
            return f"response_json_schema.required[0]: property is not defined: {missing[0]}"
    return ""


@lru_cache(512)
def _problem(check: Callable[[Schema], str], schema: bytes) -> str:
    return check(msgspec.json.decode(schema))


def hold(
    check: Callable[[Schema], str], schema: object, say: Callable[[str], str], param: str | None, code: str | None
) -> None:
    """Refuse a request whose schema the provider would refuse."""
    if not isinstance(schema, dict):
        raise bad(say("schema must be an object."), param, code)
    problem = _problem(check, msgspec.json.encode(schema))
    if problem:
        raise bad(say(problem), param, code)


def fields(schema: object) -> list[str]:
    """The properties of a schema, in its order."""
    return list(schema.get("properties", {})) if isinstance(schema, dict) else []


def want(body: dict[str, Any], name: str, kind: type | tuple[type, ...], say: Callable[[str], Refused]) -> Any:
    """A field that has to be there, of a kind."""
    value = body.get(name)
    if value is None or not isinstance(value, kind) or value in ("", []):
        raise say(name)
    return value
