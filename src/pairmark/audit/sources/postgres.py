"""A table of any PostgreSQL, read in one read-only snapshot; payloads stay there until a finding needs them."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import adbc_driver_manager
import adbc_driver_postgresql.dbapi as adbc
import duckdb

from pairmark.audit.columns import Columns
from pairmark.audit.sources.tables import choose
from pairmark.errors import BadRequest, Busy

TABLES = """
SELECT n.nspname || '.' || c.relname AS name, array_to_string(array_agg(a.attname::text ORDER BY a.attnum), chr(31)) AS columns
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped
    AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
    AND has_table_privilege(c.oid, 'SELECT')
GROUP BY 1 ORDER BY 1
"""
ONE_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"


@dataclass(frozen=True)
class PostgresTable:
    """A table, view or partitioned table by the address of its database."""

    url: str
    table: str | None

    @classmethod
    def at(cls, text: str) -> "PostgresTable":
        """Take `?table=` out of the address; the rest is for the driver."""
        parts = urlsplit(text)
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        table = options.pop("table", None)
        return cls(urlunsplit(parts._replace(query=urlencode(options))), table)

    @property
    def shown(self) -> str:
        """The address without its password."""
        hidden = re.sub(r"(?<=//)([^:/@?]*):[^@/]*@", r"\1:***@", self.url)
        return re.sub(r"(?i)(password=)[^&]*", r"\1***", hidden).rstrip("?") + (
            f" table {self.table}" if self.table else ""
        )

    def columns(self) -> list[str]:
        """Columns of the table."""
        tables = self._tables()
        return tables[choose(tables, self.table, self.shown)]

    def load(self, store: duckdb.DuckDBPyConnection, columns: Columns, where: str) -> None:
        """Copy the wanted columns in one snapshot, in the driver's binary batches."""
        table = choose(self._tables(), self.table, self.shown)
        parts = {column: part for part, column in columns.named().items()}
        wanted = ", ".join(_as_text(column, part) for column, part in parts.items())
        quoted = ".".join('"' + part.replace('"', '""') + '"' for part in table.split(".", 1))
        try:
            with adbc.connect(self.url) as connection, connection.cursor() as cursor:
                cursor.execute(ONE_SNAPSHOT)
                cursor.execute(f"SELECT {wanted} FROM {quoted}")
                store.register("arriving", cursor.fetch_record_batch())
                store.execute("CREATE OR REPLACE TEMP TABLE raw AS SELECT * FROM arriving")
                store.unregister("arriving")
        except (adbc_driver_manager.Error, duckdb.Error) as error:
            raise self._refusal(error) from error

    def _tables(self) -> dict[str, list[str]]:
        try:
            with adbc.connect(self.url) as connection, connection.cursor() as cursor:
                cursor.execute(ONE_SNAPSHOT)
                cursor.execute(TABLES)
                return {str(name): str(columns).split("\x1f") for name, columns in cursor.fetchall()}
        except adbc_driver_manager.Error as error:
            raise self._refusal(error) from error

    def _refusal(self, error: Exception) -> BadRequest | Busy:
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        first = re.sub(r"(?i)password=\S+", "password=***", first)[:300]
        if any(
            word in first.lower()
            for word in ("could not connect", "connection refused", "timeout", "could not translate")
        ):
            return Busy(f"{self.shown} cannot be reached: {first}", remedy="Is the server up, and the address right?")
        return BadRequest(f"{self.shown} cannot be read: {first}")


def _as_text(column: str, part: str) -> str:
    """Values as the audit compares them: times as they are, everything else as text."""
    quoted = '"' + column.replace('"', '""') + '"'
    return quoted if part in {"time", "published"} else f"{quoted}::text AS {quoted}"
