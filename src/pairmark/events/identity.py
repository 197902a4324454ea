"""Derived event ids: the same fact always gets the same id, so a repeated event can be recognised by anyone.

The fact key is empty for terminal events, of which a batch has one of each type; otherwise it names the wave and chunk, the
comparison and attempt, or the ledger entry.
"""

from uuid import UUID, uuid5

EVENTS = UUID("6f2b0c1e-6d0e-5b0a-9a59-0f6c7d1a4b11")
BATCHES = UUID("a8a3c9a4-4f0b-5a33-8d0f-6a1d2f7e9c20")
COMPARISONS = UUID("0d6a4e57-93e2-5c1c-b6a4-7e1fb0c3d842")


def event_id(event_type: str, aggregate_id: str, fact_key: str = "") -> UUID:
    """Id of the one event of `event_type` about `aggregate_id` that tells the fact `fact_key`."""
    return uuid5(EVENTS, f"{event_type}\x1f{aggregate_id}\x1f{fact_key}")


def entity_id(request_digest: str, generation: int) -> UUID:
    """Id under which a request enters: the same texts and design give the same id, a new generation a new one (G13)."""
    return uuid5(BATCHES, f"entity\x1f{request_digest}\x1f{generation}")


def job_id(entity: str) -> UUID:
    """`cj_assessment_job_id` of the batch that answers the request with this `entity_id`."""
    return uuid5(BATCHES, f"job\x1f{entity}")


def comparison_id(batch_id: UUID, ordinal: int) -> UUID:
    """Id of the `ordinal`-th comparison of a batch; it travels as `request_id`."""
    return uuid5(COMPARISONS, f"{batch_id}\x1f{ordinal}")
