"""The envelope around every event, its bytes and its headers, as the wire contract writes them down.

An envelope is made once, stored in the outbox and never rebuilt; a redelivery is the same bytes under the same id.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from pairmark.events.catalogue import Event
from pairmark.events.identity import event_id

SCHEMA_VERSION = 1


class Envelope(msgspec.Struct, frozen=True):
    """One event on the wire; `data` stays raw JSON until its type is known."""

    event_id: UUID
    event_type: str
    event_timestamp: datetime
    source_service: str
    correlation_id: UUID
    data: msgspec.Raw
    schema_version: int = SCHEMA_VERSION
    data_schema_uri: str | None = None
    metadata: dict[str, Any] | None = None


class _Head(msgspec.Struct, frozen=True):
    """What every version of the envelope has."""

    event_id: UUID
    schema_version: int


class NewerSchema(Exception):
    """An envelope that a later version of this program understands."""

    def __init__(self, event_id: UUID, version: int) -> None:
        super().__init__(f"schema_version {version} is newer than {SCHEMA_VERSION}")
        self.event_id = event_id


class Outgoing(msgspec.Struct, frozen=True):
    """An event ready for the outbox: identity, routing, and the JSON texts that will be sent."""

    id: UUID
    aggregate_id: str
    aggregate_type: str
    event_type: str
    body: str
    headers: str


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Envelope)
_head_decoder = msgspec.json.Decoder(_Head)


def outgoing(event: Event, *, aggregate_id: str, source: str, correlation_id: UUID, fact_key: str = "") -> Outgoing:
    """Wrap `event` for the outbox of service `source`; the id derives from type, aggregate and fact key."""
    kind = type(event)
    identity = event_id(kind.topic, aggregate_id, fact_key)
    occurred = event.timestamp or datetime.now(UTC)
    envelope = Envelope(
        event_id=identity,
        event_type=kind.topic,
        event_timestamp=occurred,
        source_service=source,
        correlation_id=correlation_id,
        data=msgspec.Raw(_encoder.encode(event)),
    )
    headers = {
        "event_id": str(identity),
        "event_type": kind.topic,
        "correlation_id": str(correlation_id),
        "ce_id": str(identity),
        "ce_type": kind.topic,
        "ce_source": f"/pairmark/{source}",
        "ce_specversion": "1.0",
        "ce_time": occurred.isoformat(),
        "content-type": "application/json",
    }
    return Outgoing(
        id=identity,
        aggregate_id=aggregate_id,
        aggregate_type=kind.aggregate_type,
        event_type=kind.topic,
        body=_encoder.encode(envelope).decode(),
        headers=_encoder.encode(headers).decode(),
    )


def decode(body: bytes | str) -> Envelope:
    """Read an envelope. Raises `NewerSchema`, and `msgspec.DecodeError` or `msgspec.ValidationError` for anything else."""
    try:
        envelope = _decoder.decode(body)
    except msgspec.ValidationError:
        _refuse_newer(body)
        raise
    if envelope.schema_version > SCHEMA_VERSION:
        raise NewerSchema(envelope.event_id, envelope.schema_version)
    return envelope


def _refuse_newer(body: bytes | str) -> None:
    """Raise `NewerSchema` if it is one, whatever form the rest has by then."""
    try:
        head = _head_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return
    if head.schema_version > SCHEMA_VERSION:
        raise NewerSchema(head.event_id, head.schema_version)
