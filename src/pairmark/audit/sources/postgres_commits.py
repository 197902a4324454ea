"""When the rows of a PostgreSQL were committed, where it keeps that and where it is certain that they were only inserted."""

from typing import Any

import adbc_driver_manager

COMMITTED = "#committed"
"""The name of the column beside those that were asked for."""
SETTLED = "1 minute"
"""Until then an update may not have been counted."""
KNOWN = """
SELECT extract(epoch FROM coalesce(greatest(
    (SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()), (SELECT stats_reset FROM pg_stat_bgwriter)
), '-infinity'))::text
FROM pg_class WHERE oid = to_regclass($1) AND relkind = 'r' AND pg_stat_get_tuples_updated(oid) = 0
    AND current_setting('track_commit_timestamp') = 'on'
"""
"""Since when the server has counted updates of the table, and found none: an update gives a row the time of its own commit."""


def committed(cursor: Any, table: str) -> str | None:
    """The expression for the commit time of a row, NULL where it is not known; None if the server cannot tell of any."""
    row = _asked(cursor, table)
    if row is None:
        return None
    time = "pg_xact_commit_timestamp(xmin)"
    since = "-infinity" if "inf" in row[0].lower() else float(row[0])
    after = "" if since == "-infinity" else f" AND {time} >= to_timestamp({since!r})"
    return f"CASE WHEN {time} <= now() - interval '{SETTLED}'{after} THEN {time} END AS \"{COMMITTED}\""


def _asked(cursor: Any, table: str) -> Any:
    """Servers that only speak like a PostgreSQL may not know the question, and that must not end the transaction."""
    cursor.execute("SAVEPOINT commits")
    try:
        cursor.execute(KNOWN, (table,))
        return cursor.fetchone()
    except adbc_driver_manager.Error:
        cursor.execute("ROLLBACK TO SAVEPOINT commits")
        return None
