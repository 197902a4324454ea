"""How the values of a range of rows travel from a PostgreSQL: strung together as one large value, and taken apart by columns.

Texts come with the length of each beside them, so that any text and NULL come through as they are. Everything else comes in the
bytes of the server's own binary form. Arrays are made of buffers: `pa.array` would load pandas where there is one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

EPOCH = 946_684_800_000_000
"""Microseconds from 1970 to 2000, where PostgreSQL begins to count."""
UNKNOWN = -(2**63) + 1
"""No time of PostgreSQL is this number: it stands for NULL."""
HEX = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), np.uint16)
GROUPS = ((0, 8, 0), (9, 13, 8), (14, 18, 12), (19, 23, 16), (24, 36, 20))
"""From and to where in the text of a UUID a group of digits stands, and where among all digits it begins."""


@dataclass(frozen=True)
class Packing:
    """How values of one type travel.

    `asked`: what the server makes of a column (`{0}`) over a range; `kind`: the type that values have here; `unpacked`: makes an
    array of them from what was asked, in the same order.
    """

    asked: tuple[str, ...]
    kind: Any
    unpacked: Callable[..., Any]


def packing(kind: str) -> Packing:
    """The way of a type of PostgreSQL; those that are not known here travel as text."""
    return PACKINGS.get(kind, AS_TEXT)


def is_tidy(texts: Any) -> bool:
    """Whether certainly no text has a blank at an end, is empty or may be a UUID in upper case; what `untidy` asks of each row."""
    _, offsets, data = texts.buffers()
    places, letters = np.frombuffer(offsets, np.int32), np.frombuffer(data, np.uint8)
    sizes = np.diff(places)
    first, last = places[:-1], places[1:] - 1
    filled = sizes > 0
    if not filled.all():
        if len(texts) - int(filled.sum()) > texts.null_count:
            return False
        first, last = first[filled], last[filled]
    if (letters[first] <= ord(" ")).any() or (letters[last] <= ord(" ")).any():
        return False
    as_long = (sizes >= 32) & (sizes <= 36)
    return not as_long.any() or not (letters - np.uint8(ord("A")) < 6).any()


def _texts(data: Any, lengths: Any) -> Any:
    sizes = np.frombuffer(lengths, ">i4").astype(np.int32)
    absent = sizes < 0
    sizes[absent] = 0
    return _strung(data, sizes, absent)


def _uuids(data: Any, absent: Any) -> Any:
    nothing = np.frombuffer(absent, bool)
    digits = HEX[np.frombuffer(data, np.uint8)].view(np.uint8).reshape(-1, 32)
    texts = np.full((len(digits), 36), ord("-"), np.uint8)
    for begin, end, place in GROUPS:
        texts[:, begin:end] = digits[:, place : place + end - begin]
    return _strung(pa.py_buffer(texts), np.where(nothing, 0, 36), nothing)


def _strung(data: Any, sizes: Any, absent: Any) -> Any:
    offsets = np.zeros(len(sizes) + 1, np.int32)
    np.cumsum(sizes, out=offsets[1:])
    return pa.StringArray.from_buffers(len(sizes), pa.py_buffer(offsets), data, _known(absent))


def _times(kind: Any) -> Packing:
    """Microseconds; what the server calls infinity stays the largest number, or the smallest."""

    def unpacked(data: Any) -> Any:
        micro = np.frombuffer(data, ">i8").astype(np.int64)
        absent = micro == UNKNOWN
        micro += EPOCH
        return pa.Array.from_buffers(kind, len(micro), [_known(absent), pa.py_buffer(micro)])

    send = "timestamp_send" if kind.tz is None else "timestamptz_send"
    return Packing((f"string_agg(coalesce({send}({{0}}), int8send({UNKNOWN})), '')",), kind, unpacked)


def _numbers(send: str, width: str) -> Packing:
    def unpacked(data: Any, absent: Any) -> Any:
        nothing = np.frombuffer(absent, bool)
        values = np.zeros(len(nothing), width[1:])
        values[~nothing] = np.frombuffer(data, width)
        return pa.Array.from_buffers(kind, len(values), [_known(nothing), pa.py_buffer(values)])

    kind = pa.from_numpy_dtype(width[1:])
    return Packing((f"string_agg({send}({{0}}), '')", MISSING), kind, unpacked)


def _flags(data: Any, absent: Any) -> Any:
    nothing = np.frombuffer(absent, bool)
    values = np.zeros(len(nothing), bool)
    values[~nothing] = np.frombuffer(data, bool)
    bits = pa.py_buffer(np.packbits(values, bitorder="little"))
    return pa.Array.from_buffers(pa.bool_(), len(values), [_known(nothing), bits])


def _known(absent: Any) -> Any:
    """The bits that say which values are there; None if all are."""
    return pa.py_buffer(np.packbits(~absent, bitorder="little")) if absent.any() else None


MISSING = "string_agg(boolsend({0} IS NULL), '')"
STRUNG = ("string_agg({0}, '')", "string_agg(int4send(coalesce(octet_length({0}), -1)), '')")
AS_IT_IS = Packing(STRUNG, pa.string(), _texts)
AS_TEXT = Packing(tuple(one.format("{0}::text") for one in STRUNG), pa.string(), _texts)
PACKINGS = {
    "text": AS_IT_IS,
    "character varying": AS_IT_IS,
    "uuid": Packing(("string_agg(uuid_send({0}), '')", MISSING), pa.string(), _uuids),
    "bigint": _numbers("int8send", ">i8"),
    "integer": _numbers("int4send", ">i4"),
    "boolean": Packing(("string_agg(boolsend({0}), '')", MISSING), pa.bool_(), _flags),
    "timestamp with time zone": _times(pa.timestamp("us", "UTC")),
    "timestamp without time zone": _times(pa.timestamp("us")),
}
