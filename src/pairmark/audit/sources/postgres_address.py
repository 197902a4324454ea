"""How an address names a table of a PostgreSQL, how it may be printed, and which tables there are. No connection is made here."""

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

from pairmark.errors import BadRequest

FORM = "Write it as postgresql://user@host:5432/database?table=schema.name; what is no letter or digit in a name as %40 and so on."

TABLES = """
SELECT CASE WHEN strpos(n.nspname || c.relname, '.') = 0 THEN n.nspname || '.' || c.relname
        ELSE '"' || replace(n.nspname, '"', '""') || '"."' || replace(c.relname, '"', '""') || '"' END AS name,
    json_agg(json_build_array(a.attname, format_type(a.atttypid, NULL)) ORDER BY a.attnum)::text AS columns
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped
    AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
    AND has_table_privilege(c.oid, 'SELECT')
GROUP BY 1 ORDER BY 1
"""
"""Every table that may be read, by a name that `tables.parts_of` takes apart, with its columns and their types, as JSON."""

UNIQUE = """
SELECT (SELECT json_agg(a.attname) FROM pg_attribute a
    WHERE a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]))::text
FROM pg_index i WHERE i.indrelid = to_regclass($1) AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
"""
"""The columns of each unique key over all rows of a table, as JSON."""


@dataclass
class PostgresAddress:
    """The address of a database for its driver, and the name of a table if one was given."""

    url: str
    table: str | None

    @classmethod
    def at(cls, text: str) -> Self:
        """Take `?table=` out of the address; the rest is for the driver."""
        parts = urlsplit(text)
        _check(text, parts)
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


def _check(text: str, parts: SplitResult) -> None:
    """Refuse what would be taken apart in the wrong place; a refusal repeats nothing that may be a password."""
    if not text.partition(":")[2].startswith("//"):
        raise BadRequest(f"This {parts.scheme}: address has no // where the server begins.", remedy=FORM)
    names = [one.partition("=")[0] for one in parts.query.split("&")]
    if "#" in text or "@" in parts.path or parts.netloc.count("@") > 1 or any("@" in one for one in names):
        raise BadRequest(f"This {parts.scheme}:// address has an @ or # in a place where none can be.", remedy=FORM)
    ports = [one.rpartition("]")[2].partition(":")[2] for one in parts.netloc.rpartition("@")[2].split(",")]
    if not all(one.isdigit() for one in ports if one):
        raise BadRequest(f"This {parts.scheme}:// address has no proper host and port.", remedy=FORM)
