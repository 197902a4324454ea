"""The rights that an audit needs, and those that a repair needs beyond them, as statements for an administrator. Nothing is run."""

from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from pairmark.audit.sources.mysql_address import MysqlAddress
from pairmark.audit.sources.mysql_text import named
from pairmark.audit.sources.postgres_address import PostgresAddress
from pairmark.audit.sources.statements import literal, quoted
from pairmark.audit.sources.tables import parts_of
from pairmark.errors import BadRequest

TABLE = "public.event_outbox"
MYSQL = ("mysql://", "mariadb://")


@dataclass(frozen=True)
class Grants:
    """Statements for the role that reads, and for the role that repairs."""

    reading: tuple[str, ...]
    repairing: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return asdict(self)


def grants(source: str | None, role: str, *, repair_role: str = "pairmark_repair") -> Grants:
    """The statements for the table at `source` (default: public.event_outbox of the database that one is connected to)."""
    if source is not None and source.lower().startswith(MYSQL):
        return Grants(_of_mysql(MysqlAddress.of(source), role), ())
    database, table = _named(source)
    schema, name = ("public", *parts_of(table))[-2:]
    there = f"{quoted(schema)}.{quoted(name)}"
    return Grants(
        reading=(
            *_role(role),
            f"ALTER ROLE {quoted(role)} SET default_transaction_read_only = on",
            f"ALTER ROLE {quoted(role)} SET statement_timeout = '15min'",
            _database("CONNECT", database, role),
            f"GRANT USAGE ON SCHEMA {quoted(schema)} TO {quoted(role)}",
            f"GRANT SELECT ON TABLE {there} TO {quoted(role)}",
        ),
        repairing=(
            *_role(repair_role),
            _database("CONNECT", database, repair_role),
            f"GRANT USAGE, CREATE ON SCHEMA {quoted(schema)} TO {quoted(repair_role)}",
            f"DO $grant$ BEGIN EXECUTE (SELECT format('GRANT %I TO %I', tableowner, {literal(repair_role)}) FROM pg_tables "
            f"WHERE schemaname = {literal(schema)} AND tablename = {literal(name)}); END $grant$",
            _database("TEMPORARY", database, repair_role),
            f"GRANT pg_read_all_stats TO {quoted(repair_role)}",
        ),
    )


def _named(source: str | None) -> tuple[str | None, str]:
    if source is None:
        return None, TABLE
    if not source.startswith(("postgresql://", "postgres://")):
        raise BadRequest("Rights are a matter of PostgreSQL and MySQL; a file needs none but to be readable.")
    address = PostgresAddress.at(source)
    return urlsplit(address.url).path.removeprefix("/") or None, address.table or TABLE


def _of_mysql(address: MysqlAddress, role: str) -> tuple[str, ...]:
    """A login that is locked until it has a password: one without a password would let everybody in."""
    named_schema, dot, name = (address.table or "event_outbox").rpartition(".")
    schema = named_schema if dot else address.database
    if schema is None:
        raise BadRequest(
            "The address names no database.", remedy="Write it as mysql://host/database?table=event_outbox."
        )
    login = "'" + role.replace("\\", "\\\\").replace("'", "''") + "'@'%'"
    return (
        f"CREATE USER IF NOT EXISTS {login} ACCOUNT LOCK",
        f"GRANT SELECT ON {named(schema)}.{named(name)} TO {login}",
    )


def _role(role: str) -> tuple[str, ...]:
    return (
        f"DO $role$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {literal(role)}) THEN "
        f"CREATE ROLE {quoted(role)} LOGIN; END IF; END $role$",
    )


def _database(right: str, database: str | None, role: str) -> str:
    if database is not None:
        return f"GRANT {right} ON DATABASE {quoted(database)} TO {quoted(role)}"
    grant = f"format('GRANT {right} ON DATABASE %I TO %I', current_database(), {literal(role)})"
    return f"DO $grant$ BEGIN EXECUTE {grant}; END $grant$"
