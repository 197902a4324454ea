"""The content store: texts under the digest of their content, written once and fetched by id.

Events name texts only by this id; services are given a `TextSource` and never see the table.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Protocol

from pairmark.storage.connection import Database, execute


class TextSource(Protocol):
    """Where a service gets texts from."""

    def fetch(self, storage_ids: Iterable[str]) -> dict[str, str]:
        """Texts by id; ids that are unknown are missing from the answer."""
        ...


def storage_id(body: str) -> str:
    """The id a text is stored under: the SHA-256 of its UTF-8 bytes."""
    return sha256(body.encode()).hexdigest()


class TextStore:
    """Texts in the schema `content`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, bodies: Sequence[str]) -> list[str]:
        """Store texts that are not there yet; returns their ids in the same order."""
        ids = [storage_id(body) for body in bodies]
        unique = dict(zip(ids, bodies, strict=True))
        with self._database.transaction("content") as tx:
            execute(
                tx,
                "INSERT INTO text (storage_id, body) SELECT * FROM unnest(%s::text[], %s::text[]) "
                "ON CONFLICT (storage_id) DO NOTHING",
                [list(unique), list(unique.values())],
            )
        return ids

    def fetch(self, storage_ids: Iterable[str]) -> dict[str, str]:
        """Texts by id; ids that are unknown are missing from the answer."""
        wanted = sorted(set(storage_ids))
        with self._database.transaction("content") as tx:
            return dict(execute(tx, "SELECT storage_id, body FROM text WHERE storage_id = ANY(%s)", [wanted]))
