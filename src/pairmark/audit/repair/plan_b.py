"""What to do where duplicates cannot be taken out: let new rows carry a key of their own. Printed, never run."""

from collections.abc import Iterator

from pairmark.audit.repair.target import Target
from pairmark.audit.sources.statements import quoted


def plan_b(target: Target) -> Iterator[str]:
    """Statements, with what else they need as comments."""
    yield "-- Plan B deletes nothing: every new row gets a key, and old rows have none."
    if target.kind == "p":
        yield from _separate(target)
    else:
        yield f"ALTER TABLE {target.name} ADD COLUMN dedupe_key text;  -- nullable and without a default: instant"
        yield f"CREATE UNIQUE INDEX CONCURRENTLY ON {target.name} (dedupe_key);  -- then every INSERT fills it in"


def _separate(target: Target) -> Iterator[str]:
    """A unique index of a partitioned table must contain what divides it, so the key stands in a table of its own."""
    table = f"{quoted(target.schema)}.{quoted(target.table[:50] + '_fact')}"
    kinds = {one.name: one.type for one in target.columns}
    columns = ", ".join(f"{quoted(column)} {kinds[column]}" for column in target.key)
    yield f"CREATE TABLE {table} ({columns}, PRIMARY KEY ({target.keys}));"
    yield f"INSERT INTO {table} SELECT DISTINCT {target.keys} FROM {target.name} WHERE {target.concerned} ON CONFLICT DO NOTHING;"
    yield f"-- In the writer's transaction, first: INSERT INTO {table} VALUES (...) ON CONFLICT DO NOTHING RETURNING 1;"
    yield "-- and the event only if that gave a row."
