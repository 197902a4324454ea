"""Statements that are the same in every SQL that is spoken here."""

from collections.abc import Sequence


def quoted(name: str) -> str:
    """An identifier as it stands, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def is_one_of(keys: Sequence[str], spelled: Sequence[Sequence[str | None]], text: str) -> str:
    """The condition that the columns `keys`, as the type `text`, are one of the rows of `spelled`; NULL counts as empty text."""
    left = ", ".join(f"coalesce(CAST({quoted(key)} AS {text}), '')" for key in keys)
    rows = ", ".join("(" + ", ".join(literal(value or "") for value in row) + ")" for row in spelled)
    return f"({left}) IN (VALUES {rows})" if spelled else "1 = 0"


def literal(value: str) -> str:
    """A text as a literal."""
    return "'" + value.replace("'", "''") + "'"
