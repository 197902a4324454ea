"""Looking one comparison up, or all of a batch in portions, with the answers they got. Reads only."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pairmark.storage.connection import Database, Tx, execute

PORTION = 2_000
SHORTEST = 8
"""Hexadecimal digits of an id that are enough to look it up."""

COLUMNS = """c.id, c.batch_id, c.ordinal, c.wave, e.essay_id, f.essay_id, e.text_storage_id, f.text_storage_id, j.kind, j.winner,
    coalesce(j.swapped, false), coalesce(j.closing AND j.kind = 'verdict', false), coalesce(j.reused, false),
    coalesce(j.judge, ''), coalesce(j.provider, ''), coalesce(j.model, ''), coalesce(j.justification, ''), j.recorded_at,
    coalesce(j.response_time_ms, 0), j.cost"""
PLACES = """FROM comparison c JOIN essay e ON e.batch_id = c.batch_id AND e.ordinal = c.first
JOIN essay f ON f.batch_id = c.batch_id AND f.ordinal = c.second
LEFT JOIN judgement j ON j.batch_id = c.batch_id AND j.ordinal = c.ordinal"""
BY_ID = f"SELECT {COLUMNS} {PLACES} WHERE c.id BETWEEN %s AND %s ORDER BY c.id, j.closing DESC, j.seq LIMIT 50"
BY_NUMBER = f"SELECT {COLUMNS} {PLACES} WHERE c.batch_id = %s AND c.ordinal = %s ORDER BY j.closing DESC, j.seq"
BY_BATCH = f"""SELECT {COLUMNS} {PLACES} WHERE c.batch_id = %s AND c.ordinal >= %s AND c.ordinal < %s
ORDER BY c.ordinal, j.seq"""
LAST = "SELECT coalesce(max(ordinal), -1) FROM comparison WHERE batch_id = %s"


@dataclass(frozen=True, slots=True)
class Judged:
    """A comparison with one answer to it; `kind` is None where there is none yet.

    `first` and `second` are as planned; where `swapped`, the judge saw them the other way round.
    """

    id: UUID
    batch_id: UUID
    comparison: int
    wave: int
    first: str
    second: str
    first_text: str
    second_text: str
    kind: str | None
    winner: str | None
    swapped: bool
    counted: bool
    reused: bool
    judge: str
    provider: str
    model: str
    justification: str
    recorded_at: datetime | None
    response_time_ms: int
    cost: float | None

    @property
    def won(self) -> str | None:
        """The essay that won, or "tie"; None without a verdict."""
        return {"first": self.first, "second": self.second, "tie": "tie"}.get(self.winner or "")

    @property
    def shown(self) -> tuple[str, str]:
        """Both essays in the order in which the judge saw them."""
        return (self.second, self.first) if self.swapped else (self.first, self.second)


def look_up(database: Database, text: str) -> list[Judged]:
    """Answers to the comparisons whose id begins with `text`, the one that closed each first."""
    digits = text.replace("-", "").lower()
    if not SHORTEST <= len(digits) <= 32 or not re.fullmatch(r"[0-9a-f]+", digits):
        return []
    ends = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    with database.transaction("assessment") as tx:
        return [Judged(*row) for row in execute(tx, BY_ID, list(ends))]


def numbered(database: Database, batch_id: UUID, comparison: int) -> list[Judged]:
    """Answers to one comparison of a batch by its number, the one that closed it first."""
    with database.transaction("assessment") as tx:
        return [Judged(*row) for row in execute(tx, BY_NUMBER, [batch_id, comparison])]


def every(database: Database, batch_id: UUID) -> Iterator[list[Judged]]:
    """All comparisons of a batch with all their answers, `PORTION` comparisons at a time."""
    with database.transaction("assessment") as tx:
        last: int = execute(tx, LAST, [batch_id])[0][0]
    for begin in range(0, last + 1, PORTION):
        with database.transaction("assessment") as tx:
            yield _portion(tx, batch_id, begin)


def _portion(tx: Tx, batch_id: UUID, begin: int) -> list[Judged]:
    return [Judged(*row) for row in execute(tx, BY_BATCH, [batch_id, begin, begin + PORTION])]
