"""How commands speak: JSON on stdout when asked for, otherwise text for people. Nothing is computed here.

File names and texts come from outside: what would steer a terminal is written out, and JSON is plain ASCII.
"""

import json
import sys
from math import isfinite
from typing import Any

BEGINS_AGAIN = "Nothing was written; the same command begins anew."
"""What is said after Ctrl-C by a command that stores nothing on its way."""


def say(text: str) -> None:
    """One line for people, on stdout."""
    print(_visible(text))  # noqa: T201


def note(text: str) -> None:
    """One line beside the output, on stderr."""
    print(_visible(text), file=sys.stderr)  # noqa: T201


def put_json(value: Any) -> None:
    """One JSON document on stdout."""
    print(json.dumps(_finite(value), indent=2, default=str, allow_nan=False))  # noqa: T201


def _finite(value: Any) -> Any:
    """The value with null for every number that JSON has no word for."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list | tuple) else value


def _visible(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    from pairmark.report.figures import visible  # noqa: PLC0415 - start-up time

    return visible(text)
