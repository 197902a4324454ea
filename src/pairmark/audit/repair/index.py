"""Building and dropping indexes without stopping writers, and telling a valid index from the remains of a failed build.

`IF NOT EXISTS` is never used: it takes an invalid index for a finished one.
"""

from psycopg import errors

from pairmark.audit.repair.session import Session
from pairmark.audit.repair.target import Target
from pairmark.audit.sources.statements import quoted
from pairmark.errors import BadRequest

STATE = """
SELECT i.indisvalid AND i.indisready, i.indisunique FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = %s AND c.relname = %s
"""
ALIKE = """
SELECT c.relname, i.indisunique, ARRAY(
    SELECT a.attname::text FROM unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY AS k(number, place)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number ORDER BY k.place)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
WHERE i.indrelid = %s AND i.indisvalid AND i.indisready AND i.indpred IS NULL AND i.indexprs IS NULL AND m.amname = 'btree'
    AND NOT EXISTS (SELECT FROM pg_opclass o WHERE o.oid = ANY (i.indclass::oid[]) AND NOT o.opcdefault)
ORDER BY 1
"""
"""Finished indexes over plain columns of every row, with these columns in order."""


class Duplicated(Exception):
    """The build met a duplicate; the remains were dropped."""


def building(target: Target) -> str:
    """The statement that builds the unique index."""
    return f"CREATE UNIQUE INDEX CONCURRENTLY {quoted(target.index)} ON {target.name} ({target.keys}){target.narrowed}"


def looking_up(target: Target) -> str:
    """The statement that builds the index by which the guard finds a fact."""
    return (
        f"CREATE INDEX CONCURRENTLY {quoted(target.bare('lookup'))} ON {target.name} ({target.keys}){target.narrowed}"
    )


def trying(target: Target) -> tuple[str, str]:
    """Statements that build the index on an empty copy: whether its condition can stand in an index shows nowhere else."""
    copy = f"pg_temp.{quoted(target.table)}"
    return (
        f"CREATE TEMPORARY TABLE {quoted(target.table)} (LIKE {target.name} INCLUDING GENERATED)",
        f"CREATE UNIQUE INDEX ON {copy} ({target.keys}){target.narrowed}",
    )


def dropping(target: Target, name: str) -> str:
    """The statement that drops an index beside the table's writers."""
    return f"DROP INDEX CONCURRENTLY IF EXISTS {quoted(target.schema)}.{quoted(name)}"


def is_valid(session: Session, target: Target, name: str) -> bool | None:
    """Whether the index is finished and at work; None if there is none of this name."""
    found = session.rows(STATE, [target.oid, name])
    return bool(found[0][0]) if found else None


def already_unique(session: Session, target: Target) -> str | None:
    """A valid unique index over every row whose columns are some of the key's, which says as much as ours would."""
    alike = session.rows(ALIKE, [target.oid])
    return next((str(name) for name, unique, columns in alike if unique and set(columns) <= set(target.key)), None)


def finds_facts(session: Session, target: Target) -> str | None:
    """A valid index, not of ours, that begins with all columns of the key, so that the guard needs none of its own."""
    ours, key = (target.index, target.bare("lookup")), set(target.key)
    alike = session.rows(ALIKE, [target.oid])
    return next((str(name) for name, _, columns in alike if set(columns[: len(key)]) == key and name not in ours), None)


def build(session: Session, target: Target, name: str, statement: str, wait: float) -> None:
    """Build once; what a failed build leaves is dropped. Raises `Duplicated` if a duplicate was met.

    A concurrent build stops nobody while it waits for old transactions, so it may wait for `wait` seconds. If it gives up, its
    remains stay until the next attempt: dropping them would wait for the same transactions.
    """
    drop_remains(session, target, name, wait)
    try:
        with session.lock_limit(wait):
            session.rows(statement)
    except BadRequest as refused:
        drop_remains(session, target, name, wait)
        if isinstance(refused.__cause__, errors.UniqueViolation):
            raise Duplicated(refused.message) from refused
        raise
    if not is_valid(session, target, name):
        drop_remains(session, target, name, wait)
        raise Duplicated(f"{name} came out invalid.")


def drop_remains(session: Session, target: Target, name: str, wait: float) -> None:
    """Drop the index of this name if it is invalid."""
    if is_valid(session, target, name) is False:
        with session.lock_limit(wait):
            session.rows(dropping(target, name))
