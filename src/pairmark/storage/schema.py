"""Creating and upgrading the schemas of all services, and telling whether a database fits this version of Pairmark.

Alembic is imported only when something has to be upgraded; the ordinary start compares version numbers in one query.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from psycopg import sql

from pairmark.errors import BadRequest
from pairmark.storage import installation
from pairmark.storage.connection import Database, Tx, execute, translated

SERVICES = ("assessment", "judging", "lifecycle", "results", "entitlements")
SCHEMAS = (*SERVICES, "content", "transport")
ROLES = (*SCHEMAS, "relay", "selfcheck")
HEADS = {schema: f"{schema}_0002" for schema in SCHEMAS} | {
    "assessment": "assessment_0004",
    "judging": "judging_0004",
    installation.SCHEMA: "installation_0001",
}
"""Newest migration of each schema; a test compares this with the migration files."""

_UPGRADE_LOCK = 7_216_250_901


def versions(connection: Tx) -> dict[str, str]:
    """The migration each existing schema stands at."""
    query = """SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE c.relname = 'schema_version' AND n.nspname = ANY(%s)"""
    found: dict[str, str] = {}
    for (schema,) in execute(connection, query, [list(HEADS)]):
        row = connection.execute(
            sql.SQL("SELECT version_num FROM {}.schema_version").format(sql.Identifier(schema))
        ).fetchone()
        if row is not None:
            found[schema] = row[0]
    return found


def everywhere(database: Database) -> dict[str, str]:
    """The migration each schema stands at, over all databases of the installation; refuses databases that do not fit together.

    What is in every database counts only if it is in all of them.
    """
    places = database.places(SCHEMAS)
    by_place = {}
    for address, schemas in places.items():
        with database.connect(schema=schemas[0]) as connection, translated():
            by_place[address] = (installation.standing(connection), versions(connection))
    installation.check_places(
        places, {address: (here, set(there) - {installation.SCHEMA}) for address, (here, there) in by_place.items()}
    )
    found = {name: version for _, there in by_place.values() for name, version in there.items()}
    if any(here is None for here, _ in by_place.values()):
        found.pop(installation.SCHEMA, None)
    return found


def require_current(database: Database, *, upgrade_if_needed: bool, install: bool = True) -> None:
    """Make sure the schemas fit this program: create them in an empty database if `install`, else upgrade or say what to do."""
    found = everywhere(database)
    if found == HEADS:
        return
    _refuse_newer(found)
    if not found and not install:
        raise BadRequest(
            "There is no Pairmark in this database.",
            remedy="Check the address; `pairmark db upgrade` sets a new one up.",
        )
    if found and not upgrade_if_needed:
        raise BadRequest(
            "The database schema is older than this version of Pairmark.", remedy="Run `pairmark db upgrade` first."
        )
    upgrade(database)


def upgrade(database: Database) -> dict[str, str]:
    """Bring every schema to its newest migration, one process at a time; returns the versions afterwards."""
    with database.connect() as lock, _upgrade_lock(lock), translated():
        found = everywhere(database)
        _refuse_newer(found)
        _refuse_two_addresses_of_one(database)
        identity = None
        for schemas in database.places(SCHEMAS).values():
            with database.connect(schema=schemas[0]) as connection:
                _create_roles(connection, [*schemas, "relay", "selfcheck"])
                if found.get(installation.SCHEMA) != HEADS[installation.SCHEMA]:
                    run_migrations(database.address(schemas[0]), installation.SCHEMA)
                identity = installation.found(connection, identity, schemas)
            for schema in schemas:
                if found.get(schema) != HEADS[schema]:
                    run_migrations(database.address(schema), schema)
        return everywhere(database)


def _refuse_two_addresses_of_one(database: Database) -> None:
    """Two spellings of one address would be taken for two databases."""
    known: dict[tuple[object, ...], str] = {}
    for address, schemas in database.places(SCHEMAS).items():
        with database.connect(schema=schemas[0]) as connection:
            itself = installation.itself(connection)
        if itself in known:
            raise BadRequest(
                f"{installation.shown(known[itself])} and {installation.shown(address)} are one database.",
                remedy="Write its address in the same way wherever it is given.",
            )
        known[itself] = address


def _refuse_newer(found: dict[str, str]) -> None:
    newer = {schema: version for schema, version in found.items() if version > HEADS[schema]}
    if newer:
        listed = ", ".join(f"{schema} at {version}" for schema, version in sorted(newer.items()))
        raise BadRequest(
            f"The database was written by a newer version of Pairmark ({listed}).",
            remedy="Install that version or name another database; nothing was changed.",
        )


@contextmanager
def _upgrade_lock(connection: Tx) -> Iterator[None]:
    connection.execute("SET lock_timeout = '60s'")
    connection.execute("SELECT pg_advisory_lock(%s)", [_UPGRADE_LOCK])
    try:
        yield
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", [_UPGRADE_LOCK])


def _create_roles(connection: Tx, roles: Sequence[str]) -> None:
    """Create the roles that are missing and make the connecting user a member of each, so that it may take them on."""
    for role in roles:
        name = sql.Identifier(f"pairmark_{role}")
        with suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
        member = (
            "SELECT pg_has_role(%s, 'SET')"
            if connection.info.server_version >= 160000
            else "SELECT pg_has_role(%s, 'MEMBER')"
        )
        if not execute(connection, member, [f"pairmark_{role}"])[0][0]:
            _join_role(connection, name, roles)


def _join_role(connection: Tx, name: sql.Identifier, roles: Sequence[str]) -> None:
    try:
        connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(name))
    except psycopg.errors.InsufficientPrivilege as error:
        user = connection.info.user
        raise BadRequest(
            f"The role {name.as_string()} exists, but {user} may not take it on.",
            remedy=f"Ask an administrator of the server to run: GRANT {', '.join(f'pairmark_{role}' for role in roles)} TO {user}.",
        ) from error


def run_migrations(address: str, schema: str) -> None:
    """Bring one schema of the database at `address` to its newest migration; its roles must be there."""
    import sqlalchemy  # noqa: PLC0415 - start-up time
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    folder = Path(__file__).with_name("migrations")
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("version_locations", str(folder / schema))
    config.set_main_option("path_separator", "newline")
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(address), poolclass=sqlalchemy.NullPool
    )
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {schema}")
            connection.exec_driver_sql(f"REVOKE ALL ON SCHEMA {schema} FROM PUBLIC")
            config.attributes["connection"] = connection
            config.attributes["schema"] = schema
            command.upgrade(config, "head")
    except sqlalchemy.exc.DBAPIError as error:
        raise (error.orig or error) from error
