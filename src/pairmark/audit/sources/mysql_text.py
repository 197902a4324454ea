"""Values of MySQL and MariaDB as text, the same in a result and in a condition: UUIDs in 16 bytes, bits, words in any collation."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

WHOLE = ("tinyint", "smallint", "mediumint", "int", "bigint")
WORDS = ("char", "varchar", "tinytext", "text", "mediumtext", "longtext")
BYTES = ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob")
DIGITS = re.compile(r"0x([0-9a-f]{2})+")


@dataclass(frozen=True)
class Kind:
    """The type of a column, such as `varchar`, and as it was declared, such as `varchar(36)`."""

    name: str
    declared: str

    @property
    def uuid(self) -> bool:
        """16 bytes, which is how UUIDs are kept."""
        return self.declared == "binary(16)"


def named(name: str) -> str:
    """An identifier as it stands, whatever is in it."""
    return "`" + name.replace("`", "``") + "`"


def selected(column: str, kind: Kind) -> str:
    """The expression that gives a column as text; bytes come as they are, and `from_bytes` reads them."""
    name = named(column)
    if kind.uuid:
        dashed = f"HEX({name})"
        for place in (9, 14, 19, 24):
            dashed = f"INSERT({dashed}, {place}, 0, '-')"
        return f"LOWER({dashed})"
    if kind.name == "bit":
        return f"CAST({name} + 0 AS CHAR)"
    if kind.name in BYTES:
        return name
    if kind.name in WORDS:
        return f"CONVERT({name} USING utf8mb4)"
    return f"CAST({name} AS CHAR CHARACTER SET utf8mb4)"


def from_bytes(value: bytes | str | None) -> str | None:
    """Bytes as text; those that are no UTF-8 in hexadecimal digits, so that the bytes can be told from the text."""
    if not isinstance(value, bytes):
        return value
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return f"0x{value.hex()}"
    return f"0x{value.hex()}" if DIGITS.fullmatch(text) else text


def is_one_of(
    keys: Sequence[str], spelled: Sequence[Sequence[str | None]], kinds: Mapping[str, Kind]
) -> tuple[str, list[Any]]:
    """The condition that the columns `keys` are, as text, one of the rows of `spelled` (NULL counts as empty), and its values.

    A collation may take A and a for the same: rows too many do no harm, they are told apart later. The condition is led by
    one on the first column as it stands, which an index can serve.
    """
    if not spelled:
        return "1 = 0", []
    left = ", ".join(f"COALESCE({_compared(key, kinds[key])}, '')" for key in keys)
    row = f"({', '.join(['%s'] * len(keys))})"
    exact = f"({left}) IN ({', '.join([row] * len(spelled))})"
    values: list[Any] = [_value(text, kinds[key]) for one in spelled for key, text in zip(keys, one, strict=True)]
    first = [one[0] for one in spelled]
    if not all(first):  # NULL is nobody's equal
        return exact, values
    plain = list(dict.fromkeys(_plain(text or "", kinds[keys[0]]) for text in first))
    if None in plain:
        return exact, values
    return f"{_escaped(named(keys[0]))} IN ({', '.join(['%s'] * len(plain))}) AND {exact}", [*plain, *values]


def _compared(column: str, kind: Kind) -> str:
    if kind.name in BYTES and not kind.uuid:
        return f"HEX({_escaped(named(column))})"
    return f"{_escaped(selected(column, kind))}"


def _value(text: str | None, kind: Kind) -> str:
    return _raw(text or "").hex().upper() if kind.name in BYTES and not kind.uuid else text or ""


def _plain(text: str, kind: Kind) -> Any:
    """The value that the column itself is compared with; None where that is not certain to find it."""
    if kind.uuid:
        return UUID(text).bytes
    if kind.name in BYTES:
        return _raw(text)
    if kind.name in WHOLE:
        return int(text)
    return text if kind.name in WORDS else None


def _raw(text: str) -> bytes:
    return bytes.fromhex(text[2:]) if DIGITS.fullmatch(text) else text.encode()


def _escaped(statement: str) -> str:
    """The driver takes % for the place of a value."""
    return statement.replace("%", "%%")
