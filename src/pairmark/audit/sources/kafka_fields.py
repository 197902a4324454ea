"""Columns of Kafka messages: the record itself (`kafka_…`), its headers, and the leaves of its value where that is JSON.

A header goes before a leaf of the same name: a body may have an `id` of its own, which is not the event's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import msgspec

from pairmark.audit.sources.fields import MOST, as_text, bytes_as_text, leaves, read_object

RECORD = ("kafka_topic", "kafka_position", "kafka_timestamp", "kafka_key", "kafka_value")
TYPE_HEADERS = frozenset({"ce_type", "event_type"})
FRAMED = b"\x00"
"""Begin of a value in the frame of a schema registry: this, four bytes of a schema's number, then the value."""


@dataclass(frozen=True)
class Seen:
    """What a sample has: leaves by name with their paths, names of headers, and of those headers that contradict a leaf."""

    paths: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    headers: frozenset[str] = frozenset()
    contradicting: frozenset[str] = frozenset()

    @classmethod
    def of(cls, messages: Sequence[Any]) -> "Seen":
        """What these messages have."""
        paths: dict[str, tuple[str, ...]] = {}
        headers: set[str] = set()
        contradicting: set[str] = set()
        for message in messages:
            told = {str(name): bytes_as_text(value) for name, value in message.headers() or ()}
            found = {".".join(path): (path, value) for path, value in leaves(value_of(message) or {})}
            headers |= told.keys()
            contradicting |= {name for name in told.keys() & found.keys() if told[name] != as_text(found[name][1])}
            for name, (path, _) in found.items():
                if len(paths) < MOST:
                    paths.setdefault(name, path)
        return cls(paths, frozenset(headers), frozenset(contradicting))

    @property
    def names(self) -> list[str]:
        """Names of all columns."""
        return list(dict.fromkeys([*self.paths, *sorted(self.headers), *RECORD]))


def value_of(message: Any) -> dict[str, Any] | None:
    """The JSON object in a message, framed or not."""
    raw = message.value()
    return None if raw is None else read_object(raw[5:] if raw[:1] == FRAMED else raw)


class Extraction:
    """Takes some columns out of messages. `tombstones` and `not_json` count what was met."""

    def __init__(self, names: Sequence[str], seen: Seen) -> None:
        self._names = list(names)
        self._paths = {name: seen.paths[name] for name in names if name in seen.paths}
        self._headers = [name for name in names if name in seen.headers]
        self._contradicting = seen.contradicting
        self._shape, self._steps = _shape(list(self._paths.values()))
        self._decode = msgspec.json.Decoder(self._shape).decode
        self.tombstones = 0
        self.not_json = 0

    def columns(self, messages: Sequence[Any]) -> tuple[list[Any], dict[str, list[Any]]]:
        """Those of the messages that tell something, and their columns."""
        values = [message.value() for message in messages]
        if None in values:
            messages = self._without_tombstones(messages)
            values = [message.value() for message in messages]
        read: dict[str, list[Any]] = {name: _record(name, messages) for name in self._names if name in RECORD}
        found = self._values(values)
        for name, path in self._paths.items():
            read[name] = self._leaves(found, path)
        for name in self._headers:
            self._by_header(name, read, messages)
        return list(messages), {name: read[name] for name in self._names}

    def _without_tombstones(self, messages: Sequence[Any]) -> list[Any]:
        told = [one for one in messages if one.value() is not None or _says_a_type(one)]
        self.tombstones += len(messages) - len(told)
        return told

    def _values(self, values: Sequence[bytes | None]) -> list[Any]:
        decode, found = self._decode, []
        for value in values:
            try:
                found.append(decode(value or b""))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                found.append(self._unusual(value))
        return found

    def _unusual(self, value: bytes | None) -> Any:
        read = None if value is None else read_object(value[5:] if value[:1] == FRAMED else value)
        self.not_json += read is None and value is not None
        return msgspec.convert(read or {}, self._shape)

    def _leaves(self, found: list[Any], path: tuple[str, ...]) -> list[Any]:
        steps = self._steps[path]
        try:
            return list(map(attrgetter(".".join(steps)), found))
        except AttributeError:
            return [_walk(one, steps) for one in found]

    def _by_header(self, name: str, read: dict[str, list[Any]], messages: Sequence[Any]) -> None:
        """Put a header over the leaf of its name; where the two never differ, only into the gaps, since headers are slow."""
        column = read.setdefault(name, [None] * len(messages))
        spared = name in self._paths and name not in self._contradicting
        for number, message in enumerate(messages):
            if column[number] is None or not spared:
                said = dict(message.headers() or ()).get(name)
                column[number] = column[number] if said is None else bytes_as_text(said)


def _says_a_type(message: Any) -> bool:
    return any(name in TYPE_HEADERS for name, _ in message.headers() or ())


def _record(name: str, messages: Sequence[Any]) -> list[str | None]:
    if name == "kafka_topic":
        return [message.topic() for message in messages]
    if name == "kafka_key":
        return [bytes_as_text(message.key()) for message in messages]
    if name == "kafka_value":
        return [bytes_as_text(message.value()) for message in messages]
    if name == "kafka_timestamp":
        return [str(moment) if kind else None for kind, moment in (message.timestamp() for message in messages)]
    return [f"{message.partition()}:{message.offset()}" for message in messages]


Steps = tuple[str, ...]


def _shape(paths: Sequence[tuple[str, ...]]) -> tuple[type[Any], dict[tuple[str, ...], Steps]]:
    """A type that makes the decoder build these leaves and skip all others, and how to walk to each.

    A path that is itself the begin of another one is built whole, and the other is dug out of it.
    """
    heads: dict[str, list[tuple[str, ...]]] = {}
    for path in paths:
        heads.setdefault(path[0], []).append(path[1:])
    fields: list[tuple[str, Any, Any]] = []
    walks: dict[tuple[str, ...], Steps] = {}
    names: dict[str, str] = {}
    for number, (head, rests) in enumerate(heads.items()):
        step = f"f{number}"
        names[step] = head
        if () in rests:
            fields.append((step, Any, None))
            walks |= {(head, *rest): (step, *rest) for rest in rests}
        else:
            inner, below = _shape(rests)
            fields.append((step, inner | str | int | float | bool | list[Any] | None, None))
            walks |= {(head, *rest): (step, *steps) for rest, steps in below.items()}
    return msgspec.defstruct("Shape", fields, rename=names, gc=False), walks


def _walk(value: Any, steps: Steps) -> Any:
    for step in steps:
        value = value.get(step) if value.__class__ is dict else getattr(value, step, None)
    return value
