"""The table that is repaired, as its catalogue describes it, and the names of everything a repair puts beside it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from pairmark.audit.columns import Columns, recognise
from pairmark.audit.repair.key import Keyed
from pairmark.audit.repair.request import Request, condition
from pairmark.audit.repair.session import Session
from pairmark.audit.sources.postgres_address import TABLES
from pairmark.audit.sources.statements import quoted
from pairmark.audit.sources.tables import choose, parts_of
from pairmark.errors import BadRequest

LONGEST_NAME = 63
TABLE = """
SELECT c.oid, c.relkind, c.reltuples::bigint, pg_get_userbyid(c.relowner), current_setting('server_version_num')::int
FROM pg_class c WHERE c.oid = %s::regclass
"""
COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attgenerated <> '', t.typcategory = 'B', n.nspname
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""


@dataclass(frozen=True)
class Column:
    """A column. `generated`: computed by the server, so never written by us."""

    name: str
    type: str
    generated: bool
    boolean: bool
    type_schema: str


@dataclass(frozen=True)
class Target(Keyed):
    """A table, the columns of its key, and which of its rows the key concerns (None: every row)."""

    schema: str
    table: str
    oid: int
    kind: str
    owner: str
    rows_guessed: int
    version: int
    columns: tuple[Column, ...]
    parts: Columns
    key: tuple[str, ...]
    condition: str | None

    @property
    def name(self) -> str:
        """Schema and table, quoted."""
        return f"{quoted(self.schema)}.{quoted(self.table)}"

    @property
    def spoken(self) -> str:
        """Schema and table for people."""
        return f"{self.schema}.{self.table}"

    @property
    def digest(self) -> str:
        """What tells this key of this table from others, 8 hex digits; part of every name beside the table."""
        told = json.dumps([self.schema, self.table, self.key, self.condition])
        return sha256(told.encode()).hexdigest()[:8]

    def beside(self, word: str) -> str:
        """The quoted name of something in the same schema that belongs to this repair."""
        return f"{quoted(self.schema)}.{quoted(self.bare(word))}"

    def bare(self, word: str) -> str:
        """That name without its schema and without quotes."""
        return f"pairmark_{word}_{self.digest}"

    @property
    def index(self) -> str:
        """The name of the unique index, unquoted: it stays, so it begins like the table."""
        ending = f"_once_{self.digest}"
        room = LONGEST_NAME - len(ending)
        return self.table.encode()[:room].decode(errors="ignore") + ending

    @property
    def state(self) -> str:
        """The table that says how far each repair in this schema has come."""
        return f"{quoted(self.schema)}.pairmark_repair"

    @property
    def written(self) -> str:
        """Columns that can be written, quoted, as a list."""
        return ", ".join(map(quoted, self.writable))

    @property
    def writable(self) -> list[str]:
        """Names of the columns that can be written."""
        return [one.name for one in self.columns if not one.generated]

    @property
    def published(self) -> str | None:
        """The expression that says whether a row was published; None where no column tells."""
        if self.parts.published is None:
            return None
        column = quoted(self.parts.published)
        boolean = next(one.boolean for one in self.columns if one.name == self.parts.published)
        return f"coalesce({column}, false)" if boolean else f"({column} IS NOT NULL)"

    @property
    def path(self) -> str:
        """A search path in which the key's own operators are found: extensions live in other schemas."""
        own = (one.type_schema for one in self.columns if one.name in self.key)
        schemas = dict.fromkeys(["pg_catalog", *own, self.schema])
        return ", ".join([*map(quoted, schemas), "pg_temp"])

    def order(self, keep: str) -> str:
        """Which row of a fact comes first; that one stays."""
        ordered = [f"{self.published} DESC"] if keep == "published" and self.published else []
        parts = [column for column in (self.parts.time, self.parts.id) if column]
        return ", ".join([*ordered, *map(quoted, parts), "ctid"])


def find(session: Session, request: Request, wanted: str | None) -> Target:
    """The table that was named, or the only one that looks like an outbox."""
    tables = {str(name): [column for column, _ in json.loads(columns)] for name, columns in session.rows(TABLES)}
    schema, table = parts_of(choose(tables, wanted, session.shown))
    found = session.rows(TABLE, [f"{quoted(schema)}.{quoted(table)}"])
    oid, kind, rows, owner, version = found[0]
    columns = tuple(Column(*row) for row in session.rows(COLUMNS, [oid]))
    parts = recognise([one.name for one in columns], request.columns, f"{schema}.{table}")
    key = key_columns(request.unique_on, parts, f"{schema}.{table}")
    if request.keep == "published" and parts.published is None:
        raise BadRequest(
            f"{schema}.{table} has no column that says what was published.", remedy="Name it by --published-column."
        )
    where = condition(request, parts.type)
    target = Target(schema, table, oid, kind, owner, max(rows, 0), version, columns, parts, key, where)
    session.set("search_path", target.path)
    return target


def key_columns(unique_on: Sequence[str], parts: Columns, where: str) -> tuple[str, ...]:
    """The columns of the parts that a fact is told by."""
    named = parts.named()
    absent = [part for part in unique_on if part not in named]
    if absent:
        raise BadRequest(f"{where} has no column for {', '.join(absent)}.", remedy=f"Name it by --{absent[0]}-column.")
    return tuple(dict.fromkeys(named[part] for part in unique_on))
