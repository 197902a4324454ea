"""Which column says what: recognised by name, overridable by option, always printed.

Only `aggregate` and `type` must be there; without `time` there are counts, but no intervals.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches

from pairmark.errors import BadRequest

NAMES: dict[str, tuple[str, ...]] = {
    "aggregate": (
        "aggregate_id",
        "aggregateid",
        "aggregate",
        "entity_id",
        "batch_id",
        "stream_id",
        "saga_id",
        "subject",
        "ce_subject",
        "key",
    ),
    "type": ("event_type", "eventtype", "ce_type", "type", "event_name", "message_type", "topic", "event"),
    "time": (
        "ce_time",
        "created_at",
        "occurred_at",
        "event_timestamp",
        "timestamp",
        "time",
        "inserted_at",
        "created",
        "ts",
        "date",
    ),
    "id": ("event_id", "ce_id", "id", "message_id", "uuid", "outbox_id"),
    "payload": ("event_data", "kafka_value", "payload", "data", "log_line", "body", "message", "value"),
    "published": ("published_at", "published", "sent_at", "dispatched_at", "processed_at"),
    "key": ("event_key", "message_key", "kafka_key", "partition_key", "ce_partitionkey", "key"),
    "correlation": ("correlation_id", "correlationid", "trace_id", "causation_id", "request_id"),
}
LAST: dict[str, tuple[str, ...]] = {
    "aggregate": ("kafka_key",),
    "type": ("kafka_topic",),
    "time": ("kafka_timestamp", "log_time"),
    "published": ("kafka_position",),
}
"""What the transport itself knows of a record: taken where its sender says nothing."""
WRAPPINGS = ("extra.", "extra_", "fields.", "attributes.", "metadata.")
BODIES = ("data.", "payload.", "properties.")
"""What stands before a name in nested records and logs. An `id` in the body is that of a thing, not of the event."""
IN_BODIES = ("aggregate", "correlation")
NEEDED = ("aggregate", "type")


@dataclass(frozen=True)
class Columns:
    """Column names by the part of an event they hold; None where there is no such column."""

    aggregate: str
    type: str
    time: str | None = None
    id: str | None = None
    payload: str | None = None
    published: str | None = None
    key: str | None = None
    correlation: str | None = None

    def named(self) -> dict[str, str]:
        """The parts that have a column."""
        found = {one.name: getattr(self, one.name) for one in fields(self)}
        return {part: column for part, column in found.items() if column is not None}


def recognise(present: Sequence[str], chosen: Mapping[str, str], where: str) -> Columns:
    """The columns of `where`, from what it has and what the user named.

    Raises `BadRequest` for a name that is not there, with the closest ones, and when aggregate or type cannot be found.
    """
    taken = matched(present, chosen, where)
    missing = [part for part in NEEDED if part not in taken]
    if missing:
        listed = ", ".join(present[:20])
        raise BadRequest(
            f"{where} has no column for {' and '.join(missing)}; it has {listed}.",
            remedy=" ".join(f"Name it by --{part}-column." for part in missing),
        )
    return Columns(**taken)


def matched(
    present: Sequence[str],
    chosen: Mapping[str, str],
    where: str,
    usual: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, str]:
    """Columns by part, as far as they are named or recognised; raises `BadRequest` for a name that is not there."""
    taken = {part: _present(name, present, part, where) for part, name in chosen.items()}
    by_lower = {name.lower(): name for name in reversed(present)}
    for part, names in (usual or {part: tuple(_likely(part)) for part in NAMES}).items():
        if part in taken:
            continue
        likely = (by_lower[name] for name in names if name in by_lower)
        found = next((name for name in likely if name not in taken.values()), None)
        if found is not None:
            taken[part] = found
    return taken


def _likely(part: str) -> Iterator[str]:
    """Names for a part, the likeliest first."""
    yield from NAMES[part]
    for before in (*WRAPPINGS, *(BODIES if part in IN_BODIES else ())):
        yield from (before + name for name in NAMES[part])
    yield from LAST.get(part, ())


def _present(name: str, present: Sequence[str], part: str, where: str) -> str:
    if name in present:
        return name
    same = [one for one in present if one.lower() == name.lower()]
    if len(same) == 1:
        return same[0]
    close = get_close_matches(name, present, n=3, cutoff=0.4) or list(present[:5])
    raise BadRequest(
        f"{where} has no column {name!r} for --{part}-column.", remedy=f"The closest are {', '.join(close)}."
    )
