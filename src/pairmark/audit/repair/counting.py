"""How many rows a repair concerns, by plain SQL on one snapshot; reads only."""

from dataclasses import asdict, dataclass
from typing import Any

from pairmark.audit.repair.request import Request
from pairmark.audit.repair.session import Session
from pairmark.audit.repair.target import Target


@dataclass(frozen=True)
class Counts:
    """`rows`: in the table. `concerned`: those with a whole key that the key concerns. `nulls`: those with a NULL in the key.

    `affected`: facts with more than one row. `excess`: rows beyond the first of each fact; these go into quarantine.
    `sent_again`: facts of which an unpublished row would stay although another was published; None where nobody can tell.
    """

    rows: int
    concerned: int
    nulls: int
    affected: int
    excess: int
    largest: int
    sent_again: int | None

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return asdict(self)


def count(session: Session, target: Target, request: Request) -> Counts:
    """Look at every row, twice."""
    rows, concerned, nulls = session.rows(
        f"SELECT count(*), count(*) FILTER (WHERE {target.concerned}), count(*) FILTER (WHERE {target.lacking}) "
        f"FROM {target.name}"
    )[0]
    affected, found, largest = session.rows(
        f"SELECT count(*), {EXCESS}, coalesce(max(pairmark_n), 1) FROM ({_repeated(target)}) AS fact"
    )[0]
    return Counts(rows, concerned, nulls, affected, found, largest, _sent_again(session, target, request, found))


def excess(session: Session, target: Target) -> int:
    """Rows beyond the first of each fact, now."""
    return int(session.one(f"SELECT {EXCESS} FROM ({_repeated(target)}) AS fact"))


EXCESS = "coalesce(sum(pairmark_n - 1), 0)::bigint"


def _repeated(target: Target) -> str:
    """Facts with more than one row, and how many each has."""
    return (
        f"SELECT {target.keys}, count(*) AS pairmark_n FROM {target.name} WHERE {target.concerned} "
        f"GROUP BY {target.keys} HAVING count(*) > 1"
    )


def _sent_again(session: Session, target: Target, request: Request, found: int) -> int | None:
    if target.published is None:
        return None
    if not found or request.keep == "published":
        return 0
    return int(
        session.one(f"""WITH fact AS MATERIALIZED ({_repeated(target)})
SELECT count(*) FROM (
    SELECT bool_or(pairmark_sent) AS any_sent, (array_agg(pairmark_sent ORDER BY {target.order(request.keep)}))[1] AS first_sent
    FROM (SELECT *, ctid, {target.published} AS pairmark_sent FROM {target.name} WHERE {target.concerned}) AS one
    JOIN fact USING ({target.keys}) GROUP BY {target.keys}
) AS kept WHERE any_sent AND NOT first_sent""")
    )
