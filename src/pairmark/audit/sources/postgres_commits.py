"""When the rows of a PostgreSQL were committed, where it keeps that and where it is certain that they were only inserted."""

from typing import Any

from pairmark.audit.sources.statements import literal, quoted

COMMITTED = "#committed"
"""The name of the column beside those that were asked for."""
CLOCKED = "#by the server's clock"
"""The name of one more: the columns whose times the server gives by its own clock, where no one gives another."""
SETTLED = "1 minute"
"""Until then an update may not have been counted."""
KNOWN = """
SELECT extract(epoch FROM greatest((SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()), started))::text,
    CASE WHEN pg_relation_filenode(oid) = oid THEN ARRAY(
        SELECT a.attname::text FROM pg_attribute a JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
        WHERE a.attrelid = pg_class.oid AND a.atttypid = 'timestamptz'::regtype
            AND lower(pg_get_expr(d.adbin, d.adrelid)) IN
                ('now()', 'clock_timestamp()', 'transaction_timestamp()', 'statement_timestamp()', 'current_timestamp')
    ) ELSE '{}' END
FROM pg_class, (SELECT stats_reset AS started FROM pg_stat_bgwriter) AS counted
WHERE oid = to_regclass($1) AND relkind = 'r' AND pg_stat_get_tuples_updated(oid) = 0
    AND current_setting('track_commit_timestamp') = 'on' AND started IS NOT NULL
    AND CASE WHEN pg_is_in_recovery() THEN false ELSE left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) = '00000001' END
"""
"""Since when the server has counted updates of the table, and found none: an update gives a row the time of its own commit.

A standby counts none of those that its primary made, and one that was promoted counts only its own since: both know nothing.
Beside it the columns of time that have the server's clock as their default, if the table was never written anew as a whole.
"""


def committed(cursor: Any, table: str) -> str | None:
    """Expressions for the commit time of a row, NULL where it is not known, and for `CLOCKED`; None if the server knows none."""
    row = _asked(cursor, table)
    if row is None:
        return None
    time = "pg_xact_commit_timestamp(xmin)"
    known = f"{time} <= now() - interval '{SETTLED}' AND {time} >= to_timestamp({float(row[0])!r})"
    clocked = f"ARRAY[{', '.join(map(literal, row[1]))}]::text[]"
    return f"CASE WHEN {known} THEN {time} END AS {quoted(COMMITTED)}, {clocked} AS {quoted(CLOCKED)}"


def _asked(cursor: Any, table: str) -> Any:
    """Servers that only speak like a PostgreSQL may not know the question, and that must not end the transaction."""
    import adbc_driver_manager  # noqa: PLC0415 - only names of this module are needed for other sources

    cursor.execute("SAVEPOINT commits")
    try:
        cursor.execute(KNOWN, (table,))
        return cursor.fetchone()
    except adbc_driver_manager.Error:
        cursor.execute("ROLLBACK TO SAVEPOINT commits")
        return None
