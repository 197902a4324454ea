"""JSON objects as columns of text: a leaf is named by its dotted path, and whatever is in it can be stored.

What is no JSON for a strict reader but is for Python (NaN, half a surrogate pair) is read all the same.
"""

import json
from collections.abc import Iterator
from typing import Any

import msgspec

DEEPEST = 4
"""Objects within objects beyond this depth stay one column, as JSON text."""
MOST = 300
"""Columns by leaves; a topic or log with more keys than that has keys that are data."""

_strict = msgspec.json.Decoder()


def read_object(raw: bytes | str) -> dict[str, Any] | None:
    """The JSON object these bytes are, or None if they are anything else."""
    try:
        found = _strict.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = _by_python(raw)
    except RecursionError:
        return None
    return found if isinstance(found, dict) else None


def _by_python(raw: bytes | str) -> Any:
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    if "{" not in text[:100]:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def leaves(value: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every leaf with its path."""
    for name, inner in value.items():
        path = (*above, name)
        if isinstance(inner, dict) and inner and len(path) < DEEPEST:
            yield from leaves(inner, path)
        else:
            yield path, inner


def dig(value: Any, path: tuple[str, ...]) -> Any:
    """What is at this path, None if there is nothing."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def as_text(value: Any) -> str | None:
    """A value as a column holds it: text as it is, everything else as JSON; None stays None."""
    if value is None or value.__class__ is str:
        return value
    try:
        return msgspec.json.encode(value).decode()
    except (UnicodeEncodeError, msgspec.MsgspecError):
        return json.dumps(value)


def storable(text: str) -> str:
    """Text that is UTF-8; half a surrogate pair, which is not, is written out."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def bytes_as_text(raw: bytes | str | None) -> str | None:
    """Bytes as text; those that are no UTF-8 are written out."""
    if raw is None or isinstance(raw, str):
        return raw
    return raw.decode("utf-8", "backslashreplace")
