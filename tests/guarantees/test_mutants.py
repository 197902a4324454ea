"""Every guard of the database is taken out in turn, and the harness must notice: one that cannot fail proves nothing (G12).

A mutant here is a clone of a database without one guard; the same attack is refused where the guard stands. The list of
mutants stands in `support.guards`, and a test compares it with the guards that the database has. Mutants of the program have a
file of their own.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from pairmark.audit.selfcheck import self_check
from pairmark.bootstrap import System
from pairmark.clock import ManualClock
from pairmark.storage.connection import Database, execute
from support.callbacks import answers, deliver, open_comparisons, settle
from support.guards import DATABASE_MUTANTS, EVENT, FAILED, OPEN, Guard
from support.guards_of_calls import GUARDED, IN_TESTS_OF_THEIR_OWN
from support.invariants import violations
from support.postgres import Databases
from support.system import BEGIN, submit


@pytest.fixture(scope="module")
def busy(postgres: Databases, template: str) -> str:
    """A database with a complete batch, a cancelled one and one in mid-wave, to be cloned; nothing is on its way."""
    name = postgres.clone(template)
    database = Database(postgres.conninfo(name), direct_login=True)
    system = System(database, clock=ManualClock(BEGIN))
    system.accounts.ensure_default()
    system.accounts.grant("user", "limited", 1000, "grant-1", BEGIN)
    submit(system, 4, user_id="limited", stability_threshold=0.0)
    system.drain()
    cancelled, half_way = submit(system, 5, user_id="limited"), submit(system, 6)
    settle(system)
    system.finalization.cancel(cancelled.job_id, "a test")
    deliver(database, answers(open_comparisons(database, half_way)[:4]), str(half_way.job_id))
    settle(system)
    assert violations(database) == []
    system.close()
    return name


@contextmanager
def opened(postgres: Databases, name: str) -> Iterator[Database]:
    database = Database(postgres.conninfo(name), direct_login=True)
    try:
        yield database
    finally:
        database.close()


def attack(database: Database, guard: Guard) -> None:
    """Do by hand, in one transaction and as superuser, what the guard stands against."""
    with database.connect() as connection, connection.transaction():
        if guard.name in {"unpublished_event_stays", "events_are_not_truncated"}:
            _announce_without_relay(connection)
        for statement in guard.attack.split("; "):
            connection.execute(statement)  # type: ignore[arg-type]


def _announce_without_relay(connection: psycopg.Connection) -> None:
    execute(connection, f"UPDATE assessment.batch SET status = 'CANCELLED', version = version + 1, stop_reason = 'cancelled', "  # type: ignore[arg-type]
                        f"deadline = NULL, finished_at = now() WHERE id = {OPEN}")  # fmt: skip
    statement = EVENT.format(batch="(SELECT id FROM assessment.batch WHERE finished_at = now())", event_type=FAILED)
    execute(connection, statement.replace("now()\nFROM", "NULL\nFROM"))  # type: ignore[arg-type]


@pytest.mark.parametrize("guard", DATABASE_MUTANTS, ids=lambda guard: guard.name)
def test_mutant_of_the_database_is_noticed(postgres: Databases, busy: str, clone: Callable[[str], str], guard: Guard):
    with opened(postgres, clone(busy)) as database:
        with pytest.raises(psycopg.Error) as refused:
            attack(database, guard)
        assert (refused.value.sqlstate or "")[:2] in {"PM", "23"}
        assert violations(database) == []
        with database.connect() as connection:
            for statement in guard.remove.split("; "):
                connection.execute(statement)  # type: ignore[arg-type]
        attack(database, guard)
        assert violations(database)
        assert bool(self_check(database).findings) or not guard.audited


def test_mutant_list_names_every_guard_of_the_database(database: Database):
    """A guard that is added later must get its mutant: triggers that refuse or check, and the constraints with a name of ours."""
    with database.connect() as connection:
        triggers = execute(
            connection,
            "SELECT tgname FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid JOIN pg_namespace n ON n.oid = relnamespace "
            "WHERE NOT tgisinternal AND (n.nspname = 'assessment' OR c.relname NOT IN ('event_outbox')) "
            "AND nspname NOT IN ('content', 'installation')",
        )
        constraints = execute(
            connection,
            "SELECT conname FROM pg_constraint c JOIN pg_namespace n ON n.oid = connamespace WHERE contype = 'c' "
            "AND nspname IN ('assessment', 'entitlements') AND conname NOT LIKE '%%\\_check%%' AND conname NOT LIKE '%%not_null'",
        )
    named = " and ".join(guard.name + " " + guard.remove for guard in DATABASE_MUTANTS)
    of_calls = {name for name, *_ in GUARDED} | IN_TESTS_OF_THEIR_OWN
    left = {name for (name,) in triggers + constraints if name not in named}
    assert left - of_calls == {"ledger_moves_the_account"}


def test_mutant_of_the_database_that_does_not_book_is_noticed(system: System, database: Database):
    """Without the trigger that moves the account, the first reservation already shows."""
    with database.connect() as connection:
        connection.execute("DROP TRIGGER ledger_moves_the_account ON entitlements.ledger")
    submit(system, 4)
    system.drain()
    assert any("its ledger sums to" in finding for finding in self_check(database).findings)
