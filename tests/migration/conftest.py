"""An installation at rest with something of everything in it, and an empty database for it to move to."""

from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg
import pytest

from pairmark.bootstrap import System
from pairmark.clock import ManualClock
from pairmark.storage import schema
from pairmark.storage.connection import Database, execute
from support.callbacks import settle
from support.faults import plant, plant_raw, reserve
from support.moving import UNKNOWN
from support.postgres import Databases
from support.system import BEGIN, submit


@pytest.fixture(scope="session")
def at_rest(postgres: Databases, template: str) -> str:
    """A stopped installation, to be cloned: a batch in mid-wave, one complete, one cancelled; held, dead and unusable messages;
    an event that waits for its relay, and deliveries that wait for their group."""
    name = postgres.clone(template)
    with closing(Database(postgres.conninfo(name), direct_login=True)) as database:
        schema.upgrade(database)
        system = System(database, clock=ManualClock(BEGIN))
        system.accounts.ensure_default()
        system.accounts.grant("user", "ann", 500, "gift", BEGIN)
        submit(system, 5, user_id="ann")
        system.drain()
        cancelled, half_way = submit(system, 4), submit(system, 8, name="half way")
        settle(system)
        system.finalization.cancel(cancelled.job_id, "a test")
        settle(system)
        system.asker.step()
        settle(system)
        system.asker.step()
        system.relays["judging"].step()
        assert system.assessment.batch(half_way.job_id).wave > 1
        plant_raw(database, "results", "huleedu.assessment.result.published.v1", "nobody", "no json é ∞")
        plant(database, "entitlements", reserve(UNKNOWN, 1, user="ann"))
        system.consumers["results"].step()
        with database.transaction("lifecycle") as tx:
            execute(
                tx,
                "INSERT INTO dead_letter (event_id, topic, event_key, body, headers, attempts, cause) "
                "VALUES (gen_random_uuid(), 't', 'k', E'tab\\t\\\\N\\n', '{\"a\": [1, null]}', 5, 'x')",
            )
            execute(
                tx,
                "INSERT INTO held_message (event_id, topic, event_key, body, headers, attempts, next_attempt_at, last_error) "
                "VALUES (gen_random_uuid(), 't', 'k', 'b', '{}', 1, 'infinity', 'y')",
            )
        submit(system, 3, name="not relayed yet")
        system.close()
    return name


@pytest.fixture
def source(postgres: Databases, at_rest: str, clone: Callable[[str], str]) -> str:
    """Address of a fresh copy of it."""
    return postgres.conninfo(clone(at_rest))


@pytest.fixture
def goal(postgres: Databases) -> Iterator[str]:
    """Address of an empty database whose owner is no superuser, as `db upgrade` wants it."""
    with psycopg.connect(postgres.conninfo(), autocommit=True) as connection:
        connection.execute("CREATE ROLE newcomer LOGIN CREATEROLE")
        for role in schema.ROLES:
            connection.execute(f"GRANT pairmark_{role} TO newcomer".encode())
        connection.execute("CREATE DATABASE goal OWNER newcomer")
    yield postgres.conninfo("goal", "newcomer")
    postgres.drop("goal")
    with psycopg.connect(postgres.conninfo(), autocommit=True) as connection:
        connection.execute("DROP ROLE newcomer")
