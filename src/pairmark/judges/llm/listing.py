"""Jobs as a provider lists them, to find one of ours whose id was never noted.

Only OpenAI tells before the end of a job which requests it holds; of the others, jobs of the right size and time are taken until
their results tell. The library has no such list, so the providers' own clients are asked.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pairmark.judges.llm.provider import Connection

if TYPE_CHECKING:
    from pydantic_ai.models.batch import Batch

MOST_LISTED = 200
"""Jobs looked at, the newest first: more than one account begins in the minutes in question."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is known of a job: the ids of its calls, not before when it was made, and what its requests share."""

    call_ids: frozenset[str]
    since: datetime
    group: str


async def candidates(connection: Connection, wanted: Wanted) -> AsyncIterator["Batch"]:
    """Jobs at the provider that hold these calls, or may."""
    seen = 0
    async for identity, created, size, names in _listed(connection):
        seen += 1
        if created < wanted.since or seen > MOST_LISTED:
            return
        if size not in (None, len(wanted.call_ids)):
            continue
        if names is None or await _holds(connection, names, wanted.call_ids):
            yield _batch(connection, wanted, identity, created)


_Row = tuple[str, datetime, int | None, str | None]
"""A job's id, when it was made, how many requests it holds, and the file that names them, as far as the provider tells."""


async def _listed(connection: Connection) -> AsyncIterator[_Row]:
    client: Any = connection.model.client  # type: ignore[attr-defined]  # each library model has one, of its provider
    if connection.config.provider == "anthropic":
        async for job in client.beta.messages.batches.list(limit=100):
            counts = job.request_counts
            size = counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired
            yield job.id, job.created_at, size, None
    elif connection.config.provider == "google":
        async for job in await client.aio.batches.list(config={"page_size": 100}):
            yield job.name, job.create_time, None, None
    else:
        async for job in client.batches.list(limit=100):
            yield job.id, datetime.fromtimestamp(job.created_at, UTC), None, job.input_file_id


async def _holds(connection: Connection, file: str, call_ids: frozenset[str]) -> bool:
    client: Any = connection.model.client  # type: ignore[attr-defined]
    lines = (await client.files.content(file)).text.splitlines()
    return any(json.loads(line).get("custom_id") in call_ids for line in lines if line.strip())


def _batch(connection: Connection, wanted: Wanted, identity: str, created: datetime) -> "Batch":
    from pydantic_ai.models.batch import Batch  # noqa: PLC0415 - part of the extra

    model = connection.model
    return Batch(
        id=identity,
        model_name=model.model_name,
        provider_name=model.system,
        group=wanted.group,
        status="in_progress",
        created_at=created,
        request_count=len(wanted.call_ids),
    )
