"""The rows of an installation on their way from one database to another: which tables, in which order, and whether all came.

Rows go by binary COPY, one piece of memory at a time. Counts and digests are reckoned by the servers. What a copy means for
either database is not here.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

from psycopg import sql

from pairmark.errors import BrokenData
from pairmark.storage import faults
from pairmark.storage.connection import Tx, execute

PIECE = 256 * 1024
"""Bytes handed on at once."""

_TABLES = """
SELECT n.nspname, c.relname, array_agg(a.attname::text ORDER BY a.attnum),
    array_agg(format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
WHERE c.relkind IN ('r', 'p') AND n.nspname = ANY(%s) AND c.relname <> 'schema_version' GROUP BY 1, 2
"""
_REFERENCES = """
SELECT n.nspname, c.relname, rn.nspname, rc.relname FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class rc ON rc.oid = k.confrelid JOIN pg_namespace rn ON rn.oid = rc.relnamespace
WHERE k.contype = 'f' AND k.conrelid <> k.confrelid AND n.nspname = ANY(%s)
"""
_SEQUENCES = """
SELECT sn.nspname, s.relname, n.nspname, c.relname, a.attname FROM pg_depend d
JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_namespace sn ON sn.oid = s.relnamespace
JOIN pg_class c ON c.oid = d.refobjid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('i', 'a')
    AND n.nspname = ANY(%s) ORDER BY 1, 2
"""
_GUARDS = """
SELECT n.nspname, c.relname, t.tgname, t.tgenabled::text, pg_get_triggerdef(t.oid) FROM pg_trigger t
JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT t.tgisinternal AND n.nspname = ANY(%s) ORDER BY 1, 2, 3
"""
_DIGEST = """
SELECT count(*), coalesce(sum(('x' || encode(substr(sha256(convert_to(r::text, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint::numeric),
    0)::text FROM (SELECT {columns} FROM {table}) AS r
"""
"""The sum of a part of each row's hash: the same in any order, and different for a row that is missing, twice or changed."""


@dataclass(frozen=True)
class Table:
    """A table with the columns that are stored, not generated, and their types."""

    schema: str
    name: str
    columns: tuple[str, ...]
    types: tuple[str, ...]

    @property
    def identifier(self) -> sql.Identifier:
        """Its name as SQL."""
        return sql.Identifier(self.schema, self.name)

    @property
    def listed(self) -> sql.Composed:
        """Its columns as SQL."""
        return sql.SQL(", ").join(map(sql.Identifier, self.columns))

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


def tables(connection: Tx, schemas: Sequence[str]) -> list[Table]:
    """Every table of these schemas, each after those it refers to."""
    rows = execute(connection, _TABLES, [list(schemas)])
    known = {(row[0], row[1]): Table(row[0], row[1], tuple(row[2]), tuple(row[3])) for row in rows}
    graph: dict[tuple[str, str], set[tuple[str, str]]] = {key: set() for key in sorted(known)}
    for schema, name, other_schema, other in execute(connection, _REFERENCES, [list(schemas)]):
        graph[schema, name].add((other_schema, other))
    return [known[key] for key in TopologicalSorter(graph).static_order()]


def guards(connection: Tx, schemas: Sequence[str]) -> list[tuple[object, ...]]:
    """Every trigger of ours, and whether it fires."""
    return execute(connection, _GUARDS, [list(schemas)])


def count(connection: Tx, table: Table) -> int:
    """Rows of the table."""
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(table.identifier)).fetchone()
    return int(row[0]) if row else 0


def digest(connection: Tx, table: Table) -> tuple[int, str]:
    """Rows of the table, and a number that stands for all they hold, whatever their order."""
    query = sql.SQL(_DIGEST).format(columns=table.listed, table=table.identifier)
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0]), str(row[1])


@dataclass(frozen=True)
class WithoutGuards:
    """The tables of a goal, empty and with their triggers off, within the transaction that turns them on again.

    An owner may do so (`DISABLE TRIGGER USER`); the setting session_replication_role would need a superuser, and would turn off
    foreign keys, too. Nobody else ever sees the guards off.
    """

    connection: Tx
    tables: Sequence[Table]

    def begin(self) -> None:
        """Turn the guards off and take away what the migrations wrote into the tables."""
        for table in self.tables:
            self._alter(table, "DISABLE")
        every = sql.SQL(", ").join(table.identifier for table in self.tables)
        self.connection.execute(sql.SQL("TRUNCATE {}").format(every))

    def end(self) -> None:
        """Turn the guards on."""
        for table in self.tables:
            self._alter(table, "ENABLE")

    def _alter(self, table: Table, what: str) -> None:
        self.connection.execute(sql.SQL("ALTER TABLE {} {} TRIGGER USER").format(table.identifier, sql.SQL(what)))


def move_rows(out: Tx, into: Tx, table: Table, told: Callable[[int], None]) -> None:
    """Copy a table and compare both sides; `told` hears how many rows went since it was called last."""
    wanted = digest(out, table)
    reading = sql.SQL("COPY {} ({}) TO STDOUT (FORMAT BINARY)").format(table.identifier, table.listed)
    writing = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(table.identifier, table.listed)
    with out.cursor() as reader, into.cursor() as writer, reader.copy(reading) as source, writer.copy(writing) as goal:
        for piece, number in _pieces(source):
            goal.write(piece)
            told(number)
    faults.reach(f"copy.rows.{table}")
    arrived = digest(into, table)
    if arrived != wanted:
        raise BrokenData(
            f"{table} has {wanted[0]:,} rows, but {arrived[0]:,} arrived, or not the same.",
            remedy="Nothing was moved. Give the command again; it begins with this database anew.",
        )
    into.execute(sql.SQL("ANALYZE {}").format(table.identifier))


def _pieces(source: Iterable[bytes | bytearray | memoryview]) -> Iterator[tuple[bytes, int]]:
    """Rows as the server sends them, one by one, put together to larger pieces; with the number of rows in each."""
    pending: list[bytes | bytearray | memoryview] = []
    size = 0
    for row in source:
        pending.append(row)
        size += len(row)
        if size >= PIECE:
            yield b"".join(pending), len(pending)
            pending, size = [], 0
    if pending:
        yield b"".join(pending), len(pending)


def move_sequences(out: Tx, into: Tx, schemas: Sequence[str]) -> None:
    """Let every numbering go on where it was, past the highest number that was ever given."""
    for schema, sequence, table_schema, table, column in execute(out, _SEQUENCES, [list(schemas)]):
        name = sql.Identifier(schema, sequence)
        row = out.execute(sql.SQL("SELECT last_value, is_called FROM {}").format(name)).fetchone()
        assert row is not None
        query = sql.SQL(
            "SELECT setval({name}, greatest(%s, coalesce(max({column}), %s)), %s OR count(*) > 0) FROM {table}"
        ).format(
            name=sql.Literal(f"{sql.Identifier(schema, sequence).as_string()}"),
            column=sql.Identifier(column),
            table=sql.Identifier(table_schema, table),
        )
        into.execute(query, [row[0], row[0], row[1]])
