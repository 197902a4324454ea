"""Least privilege: each role reaches its own schema and nothing else; relay and self-check reach only what they are for."""

import psycopg
import pytest

from pairmark.bootstrap import System
from pairmark.storage.connection import Database, execute
from pairmark.storage.schema import ROLES, SCHEMAS, SERVICES
from support.system import submit

PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE")
RIGHTS = """
SELECT n.nspname, c.relname, array_agg(p ORDER BY p) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
    unnest(%(privileges)s::text[]) p
WHERE n.nspname = ANY(%(schemas)s) AND c.relkind = 'r' AND has_schema_privilege(%(role)s, n.oid, 'USAGE')
    AND (has_table_privilege(%(role)s, c.oid, p)
        OR (p IN ('SELECT', 'INSERT', 'UPDATE') AND has_any_column_privilege(%(role)s, c.oid, p)))
GROUP BY 1, 2
"""


def rights(database: Database, role: str) -> dict[tuple[str, str], set[str]]:
    """What the role may do, by schema and table."""
    with database.connect() as connection:
        rows = execute(
            connection,
            RIGHTS,
            {"privileges": list(PRIVILEGES), "schemas": list(SCHEMAS), "role": f"pairmark_{role}"},
        )
    return {(row[0], row[1]): set(row[2]) for row in rows}


@pytest.mark.parametrize("role", SCHEMAS)
def test_a_service_reaches_its_own_schema_only(database: Database, role: str):
    mine = rights(database, role)
    assert {name for name, _ in mine} == {role}
    assert all("TRUNCATE" not in allowed for allowed in mine.values())


@pytest.mark.parametrize("role", SERVICES)
@pytest.mark.parametrize("other", [*SCHEMAS, "public"])
def test_a_service_cannot_read_or_write_elsewhere(database: Database, role: str, other: str):
    """Tried for real, not read from the catalogue."""
    if other == role:
        return
    table = {"content": "text", "transport": "delivery", "public": "anything"}.get(other, "event_outbox")
    statements = [f"SELECT 1 FROM {other}.{table}", f"CREATE TABLE {other}.mine (a int)"]
    for statement in statements:
        with database.connect(role) as connection, pytest.raises(psycopg.Error) as refused:
            connection.execute(statement)  # type: ignore[arg-type]
        assert refused.value.sqlstate in {"42501", "42P01"}
        assert refused.value.sqlstate == "42501" or other == "public"


@pytest.mark.parametrize("role", SERVICES)
def test_a_service_cannot_mark_change_or_remove_its_events(database: Database, role: str):
    assert rights(database, role)[(role, "event_outbox")] == {"SELECT", "INSERT"}
    for statement in (
        "UPDATE event_outbox SET published_at = now()",
        "DELETE FROM event_outbox",
        "TRUNCATE event_outbox",
    ):
        with database.connect(role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("role", "table", "allowed"),
    [
        ("assessment", "judgement", {"SELECT", "INSERT"}),
        ("assessment", "score", {"SELECT", "INSERT"}),
        ("assessment", "result", {"SELECT", "INSERT"}),
        ("assessment", "emitted_fact", {"SELECT"}),
        ("assessment", "terminal_fact", {"SELECT"}),
        ("assessment", "legal_move", {"SELECT"}),
        ("entitlements", "ledger", {"SELECT", "INSERT"}),
        ("entitlements", "cost", {"SELECT"}),
        ("results", "outcome", {"SELECT", "INSERT"}),
        ("judging", "verdict", {"SELECT", "INSERT"}),
        ("judging", "kept_answer", {"SELECT", "INSERT"}),
        ("content", "text", {"SELECT", "INSERT"}),
    ],
)
def test_what_must_stay_cannot_be_changed_by_its_own_service(
    database: Database, role: str, table: str, allowed: set[str]
):
    assert rights(database, role)[(role, table)] == allowed


def test_the_service_that_charges_cannot_set_an_account(system: System, database: Database):
    with database.connect("entitlements") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("UPDATE account SET available = 1000000")
    assert [account.available for account in system.accounts.everyone()] == [0]


def test_the_service_that_calls_models_cannot_set_what_was_spent_nor_change_a_call(database: Database):
    for statement in (
        "UPDATE purse SET spent = 0",
        "UPDATE purse SET reserved = 0",
        "DELETE FROM purse",
        "UPDATE model_call SET estimated_cost = 0",
        "UPDATE model_call SET judge = 'x'",
        "DELETE FROM model_call",
    ):
        with database.connect("judging") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)  # type: ignore[arg-type]


def test_the_relay_reads_and_marks_outboxes_and_does_nothing_else(database: Database):
    mine = rights(database, "relay")
    assert {name for name, _ in mine} == set(SERVICES)
    for (_, table), allowed in mine.items():
        wanted = {
            "event_outbox": {"SELECT", "UPDATE"},
            "relay_lease": {"SELECT", "UPDATE"},
            "relay_hold": {"SELECT", "INSERT", "UPDATE", "DELETE"},
        }
        assert allowed == wanted[table]


def test_the_relay_can_neither_write_an_event_nor_change_one(system: System, database: Database):
    submit(system, 2)
    statements = [
        "INSERT INTO event_outbox (id, aggregate_id, aggregate_type, event_type, event_data, event_key, topic, headers) "
        "VALUES (gen_random_uuid(), 'a', 'b', 'c', '{}', 'a', 'c', '{}')",
        "UPDATE event_outbox SET event_data = '{}'",
        "UPDATE event_outbox SET id = gen_random_uuid()",
        "DELETE FROM event_outbox",
        "SELECT * FROM batch",
    ]
    for statement in statements:
        with database.connect("relay", "lifecycle") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)  # type: ignore[arg-type]


def test_the_self_check_reads_every_service_and_writes_nowhere(database: Database):
    mine = rights(database, "selfcheck")
    assert {name for name, _ in mine} >= {*SERVICES, "transport"}
    assert all(allowed == {"SELECT"} for allowed in mine.values())
    assert ("content", "text") not in mine  # nobody's essays are needed to count events


def test_no_role_may_do_more_than_its_rights_say(database: Database):
    """None is a superuser, makes roles or databases, or belongs to another."""
    with database.connect() as connection:
        names = [f"pairmark_{role}" for role in ROLES]
        powers = execute(
            connection,
            "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s) AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls "
            "OR rolreplication)",
            [names],
        )
        member = execute(
            connection,
            "SELECT 1 FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE r.rolname = ANY(%s)",
            [names],
        )
        known = execute(connection, "SELECT count(*) FROM pg_roles WHERE rolname = ANY(%s)", [names])
    assert (powers, member, known) == ([], [], [(len(ROLES),)])
