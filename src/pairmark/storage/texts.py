"""The content store: texts under the digest of their content, written once and fetched by id.

Services name texts only by an id; they are given a `TextSource` and never see the tables. A text of another service is found by
the id it has there, too, once it was fetched (`keep`).
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Protocol

from pairmark.storage.connection import Database, execute, values

LONGEST_TEXT = 1_000_000
"""Characters of one text; longer ones cannot be judged."""


class NoText(Exception):
    """There is no usable text under this id, and asking again would not help."""


class NotNow(Exception):
    """A text does not come now; `later` is how many seconds its source asks to be left alone."""

    def __init__(self, reason: str, later: float | None = None) -> None:
        super().__init__(reason)
        self.later = later


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
        unique = sorted(
            dict(zip(ids, bodies, strict=True)).items()
        )  # one order for all writers: none waits in a circle
        with self._database.transaction("content") as tx:
            execute(
                tx,
                "INSERT INTO text (storage_id, body) SELECT * FROM unnest(%s::text[], %s::text[]) "
                "ON CONFLICT (storage_id) DO NOTHING",
                [[row[0] for row in unique], [row[1] for row in unique]],
            )
        return ids

    def keep(self, fetched: Mapping[str, str]) -> None:
        """Store texts of another service under the ids they have there; what was kept before stays as it is."""
        ids = sorted(fetched)
        digests = self.put([fetched[one] for one in ids])
        with self._database.transaction("content") as tx:
            execute(
                tx,
                "INSERT INTO fetched (storage_id, digest) SELECT * FROM unnest(%s::text[], %s::text[]) "
                "ON CONFLICT (storage_id) DO NOTHING",
                [ids, digests],
            )

    def fetch(self, storage_ids: Iterable[str]) -> dict[str, str]:
        """Texts by id; ids that are unknown are missing from the answer."""
        wanted = sorted(set(storage_ids))
        with self._database.transaction("content") as tx:
            found: dict[str, str] = dict(
                execute(
                    tx,
                    "SELECT f.storage_id, t.body FROM fetched f JOIN text t ON t.storage_id = f.digest "
                    "WHERE f.storage_id = ANY(%s)",
                    [wanted],
                )
            )
            return found | dict(execute(tx, "SELECT storage_id, body FROM text WHERE storage_id = ANY(%s)", [wanted]))

    def any_fetched(self) -> bool:
        """Whether any text of another service was ever kept here."""
        with self._database.transaction("content") as tx:
            return bool(execute(tx, "SELECT FROM fetched LIMIT 1"))

    def missing(self, storage_ids: Iterable[str]) -> list[str]:
        """Which of these ids are unknown, sorted."""
        wanted = sorted(set(storage_ids))
        with self._database.transaction("content") as tx:
            known = values(
                execute(
                    tx,
                    "SELECT storage_id FROM fetched WHERE storage_id = ANY(%(ids)s) "
                    "UNION SELECT storage_id FROM text WHERE storage_id = ANY(%(ids)s)",
                    {"ids": wanted},
                )
            )
        return sorted(set(wanted) - set(known))
