"""Statements that are the same in every SQL that is spoken here."""

from collections.abc import Collection, Sequence


def quoted(name: str) -> str:
    """An identifier as it stands, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def is_one_of(keys: Sequence[str], spelled: Sequence[Sequence[str | None]], text: str) -> str:
    """The condition that the columns `keys`, as the type `text`, are one of the rows of `spelled`; NULL counts as empty text."""
    left = ", ".join(f"coalesce(CAST({quoted(key)} AS {text}), '')" for key in keys)
    rows = ", ".join("(" + ", ".join(literal(value or "") for value in row) + ")" for row in spelled)
    return f"({left}) IN (VALUES {rows})" if spelled else "1 = 0"


def narrowed(keys: Sequence[str], spelled: Sequence[Sequence[str | None]], text: str, plain: Collection[str]) -> str:
    """The same, led by a condition on a column as it is, if one of `plain` is among the keys: an index can serve that."""
    whole = is_one_of(keys, spelled, text)
    place = next((place for place, key in enumerate(keys) if key in plain), None)
    values = sorted({row[place] or "" for row in spelled}) if place is not None else []
    if place is None or not values or not all(values):  # NULL is nobody's equal
        return whole
    return f"{quoted(keys[place])} IN ({', '.join(map(literal, values))}) AND {whole}"


def literal(value: str) -> str:
    """A text as a literal."""
    return "'" + value.replace("'", "''") + "'"
