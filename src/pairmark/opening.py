"""Opening what the configuration names: the database, the embedded server if there is none, Kafka, and everything over them.

What is opened is given back at the end of the block. Which road events take is decided here, once for a process.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from typing import TYPE_CHECKING

from pairmark.bootstrap import ROLES, System
from pairmark.clock import Clock
from pairmark.config import Config, kafka_settings, load
from pairmark.errors import Busy
from pairmark.messaging import road
from pairmark.storage.connection import Database, translated
from pairmark.storage.embedded import EmbeddedServer
from pairmark.storage.installation import at_work
from pairmark.storage.schema import SCHEMAS, require_current

if TYPE_CHECKING:
    from pairmark.messaging.kafka_connection import KafkaConnection

DATABASE_NAME = "pairmark"


@contextmanager
def open_database(
    config: Config, *, upgrade: bool = True, install: bool = True
) -> Iterator[tuple[Database, Callable[[], None]]]:
    """The database of this configuration, current unless `upgrade` is false; the embedded server is started if needed.

    With it comes what to call after trouble: it starts an embedded server that is gone, and refuses to go on where the
    installation has moved. Without `install` a database by URL that holds no Pairmark is refused: looking changes nothing.
    """
    with reached(config) as (database, start), at_work(database, SCHEMAS) as presence:
        if upgrade:
            require_current(database, upgrade_if_needed=config.embedded, install=install or config.embedded)

        def heal() -> None:
            start()
            with suppress(Busy):  # what cannot be reached now is asked again
                presence.renew()

        yield database, heal


@contextmanager
def reached(config: Config) -> Iterator[tuple[Database, Callable[[], None]]]:
    """The database as it is, and what starts an embedded server again; nobody is seen at work."""
    if config.database_url is not None:
        with closing(Database(config.database_url, elsewhere=config.elsewhere)) as database:
            yield database, lambda: None
        return
    with EmbeddedServer.open(config.home) as server:
        _create_database(server)
        address = server.conninfo(DATABASE_NAME)
        with closing(Database(address, direct_login=True, elsewhere=config.elsewhere)) as database:
            yield database, server.ensure_running


@contextmanager
def open_system(
    config: Config,
    *,
    clock: Clock | None = None,
    install: bool = True,
    roles: Collection[str] = ROLES,
    takes_road: bool = False,
) -> Iterator[System]:
    """Everything, ready to run or to be asked. A single machine has its account from the start, a database by URL does not.

    Only a process that comes to work (`takes_road`) brings events onto the Kafka it names; looking changes nothing. Where Kafka
    carries the events and this configuration does not name it, the work is left to those that know it.
    """
    with open_database(config, install=install) as (database, heal):
        kafka, carried = kafka_of(config), road.kind(database) == "kafka"
        if kafka is None and carried:
            roles = ()
        if kafka is not None and takes_road:
            kafka.prove()
        if not carried and not takes_road:
            kafka = None
        system = System(
            database,
            clock=clock,
            heal=heal,
            kafka=kafka,
            roles=roles,
            content=config.content,
            judge=config.judge,
            most_open=config.open_questions,
        )
        try:
            if kafka is not None and not carried:
                road.take_kafka(database, system.transport, system.clock)
            if config.embedded:
                system.accounts.ensure_default()
            yield system
        finally:
            system.close()


def open_to_look(database: str | None) -> AbstractContextManager[System]:
    """Everything, to be asked or told; it does no work, and makes nothing that is not there."""
    return open_system(load(database=database), install=False, roles=())


def kafka_of(config: Config) -> "KafkaConnection | None":
    """The cluster this configuration names, if it names one."""
    if config.kafka is None:
        return None
    from pairmark.messaging.kafka_connection import KafkaConnection  # noqa: PLC0415 - only what is used is loaded

    return KafkaConnection(config.kafka, kafka_settings(), config.topic_prefix)


def _create_database(server: EmbeddedServer) -> None:
    import psycopg  # noqa: PLC0415 - only for this one statement

    with translated(), psycopg.connect(server.conninfo(), autocommit=True) as connection:
        if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE_NAME]).fetchone():
            try:
                connection.execute(f"CREATE DATABASE {DATABASE_NAME}")
            except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                return
