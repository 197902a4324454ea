"""The side tables, and the statements that move duplicates into quarantine batch by batch, and back.

A row leaves the table only in the same statement in which another row of its fact is seen and held by a lock, so a fact can never
lose its last row, however old the work list is. Rows that somebody else holds are skipped and listed again in the next round: a
batch waits for nobody, and so can never be part of a deadlock.
"""

from collections.abc import Sequence

from pairmark.audit.repair.target import Target
from pairmark.audit.sources.statements import quoted

OURS = ("pairmark_number", "pairmark_at", "pairmark_reason", "pairmark_kept")
HISTORY = "history: another row of the same fact stayed"


def making(target: Target) -> tuple[str, ...]:
    """The statements that make the side tables, if they are not there."""
    q = target.beside("quarantine")
    return (
        f"CREATE TABLE IF NOT EXISTS {q} AS SELECT {target.written} FROM {target.name} WITH NO DATA",
        f"ALTER TABLE {q} ADD COLUMN IF NOT EXISTS pairmark_number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
        " ADD COLUMN IF NOT EXISTS pairmark_at timestamptz NOT NULL DEFAULT clock_timestamp(),"
        " ADD COLUMN IF NOT EXISTS pairmark_reason text NOT NULL,"
        " ADD COLUMN IF NOT EXISTS pairmark_kept text",
        f"CREATE TABLE IF NOT EXISTS {target.beside('worklist')} (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
        " keeper tid NOT NULL, duplicate tid NOT NULL)",
        f"CREATE TABLE IF NOT EXISTS {target.beside('evading')} (role text, application text, isolation text)",
        f"CREATE SEQUENCE IF NOT EXISTS {target.beside('refused')}",
    )


def removing(target: Target, *, with_rows: bool) -> tuple[str, ...]:
    """The statements that drop the side tables; those with rows and counts only on demand."""
    drops = [f"DROP TABLE IF EXISTS {target.beside('worklist')}"]
    if with_rows:
        drops += [
            f"DROP TABLE IF EXISTS {target.beside('evading')}",
            f"DROP SEQUENCE IF EXISTS {target.beside('refused')}",
            f"DROP TABLE IF EXISTS {target.beside('quarantine')}",
        ]
    return tuple(drops)


def listing(target: Target, keep: str) -> str:
    """The statement that lists every row in excess beside the row of its fact that stays; the number of rows is the excess."""
    keys = ", ".join(f"one.{quoted(column)}" for column in target.key)
    return f"""WITH fact AS MATERIALIZED (
    SELECT {target.keys} FROM {target.name} WHERE {target.concerned} GROUP BY {target.keys} HAVING count(*) > 1
), placed AS (
    SELECT first_value(one.pairmark_place) OVER ordered AS pairmark_keeper, one.pairmark_place,
        row_number() OVER ordered AS pairmark_nth
    FROM (SELECT *, ctid AS pairmark_place FROM {target.name} WHERE {target.concerned}) AS one JOIN fact USING ({target.keys})
    WINDOW ordered AS (PARTITION BY {keys} ORDER BY {_of_one(target.order(keep))})
)
INSERT INTO {target.beside("worklist")} (keeper, duplicate)
SELECT pairmark_keeper, pairmark_place FROM placed WHERE pairmark_nth > 1 ORDER BY 2"""


def _of_one(order: str) -> str:
    return order.removesuffix("ctid") + "one.pairmark_place"


def batch(target: Target, size: int) -> str:
    """The statement that moves the next rows of the work list; returns how many were listed and how many moved."""
    work, table = target.beside("worklist"), target.name
    same = " AND ".join(f"kept.{quoted(column)} = twice.{quoted(column)}" for column in target.key)
    identity = f"{quoted(target.parts.id)}::text" if target.parts.id else "NULL::text"
    moved = ", ".join(f"doomed.{quoted(one)}" for one in target.writable)
    return f"""WITH listed AS MATERIALIZED (
    DELETE FROM {work} WHERE number IN (SELECT number FROM {work} ORDER BY number LIMIT {size}) RETURNING keeper, duplicate
), kept AS MATERIALIZED (
    SELECT ctid AS pairmark_place, {identity} AS pairmark_identity, {target.keys} FROM {table}
    WHERE ctid = ANY (ARRAY(SELECT keeper FROM listed)) AND {target.concerned} FOR KEY SHARE SKIP LOCKED
), twice AS MATERIALIZED (
    SELECT ctid AS pairmark_place, {target.keys} FROM {table}
    WHERE ctid = ANY (ARRAY(SELECT duplicate FROM listed)) AND {target.concerned} FOR UPDATE SKIP LOCKED
), chosen AS MATERIALIZED (
    SELECT twice.pairmark_place, kept.pairmark_identity FROM listed JOIN kept ON kept.pairmark_place = listed.keeper
    JOIN twice ON twice.pairmark_place = listed.duplicate WHERE {same}
), gone AS (
    DELETE FROM {table} AS doomed USING chosen
    WHERE doomed.ctid = ANY (ARRAY(SELECT pairmark_place FROM chosen)) AND doomed.ctid = chosen.pairmark_place
    RETURNING chosen.pairmark_identity, {moved}
), put AS (
    INSERT INTO {target.beside("quarantine")} (pairmark_reason, pairmark_kept, {target.written})
    SELECT '{HISTORY}', * FROM gone RETURNING 1
)
SELECT (SELECT count(*) FROM listed), (SELECT count(*) FROM put)"""


def restoring(target: Target, size: int, columns: Sequence[str]) -> str:
    """The statement that moves the next quarantined rows back, oldest first; returns how many. `columns`: those of both tables."""
    q, written = target.beside("quarantine"), ", ".join(map(quoted, columns))
    return f"""WITH back AS (
    DELETE FROM {q} WHERE pairmark_number IN (SELECT pairmark_number FROM {q} ORDER BY pairmark_number LIMIT {size})
    RETURNING {written}
), put AS (
    INSERT INTO {target.name} ({written}) OVERRIDING SYSTEM VALUE SELECT {written} FROM back RETURNING 1
)
SELECT count(*) FROM put"""


def totals(target: Target) -> str:
    """The query for rows quarantined from history and rows the guard diverted."""
    return (
        "SELECT count(*) FILTER (WHERE pairmark_reason LIKE 'history%'), count(*) FILTER (WHERE pairmark_reason LIKE 'diverted%') "
        f"FROM {target.beside('quarantine')}"
    )
