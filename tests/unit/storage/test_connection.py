"""What the driver says, in our words; and who is still there."""

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from pairmark.errors import Busy
from pairmark.storage.connection import Database, execute

ENDED = {
    "idle in a transaction": "idle_in_transaction_session_timeout",
    "too long in a transaction": "transaction_timeout",
}
ELSEWHERE = "postgresql://pairmark@db.example.org:5432/pairmark"


@pytest.mark.parametrize("name", ENDED)
def test_a_transaction_that_the_server_ended_for_its_time_may_succeed_later(database, name):
    with pytest.raises(Busy):
        _outlive(database, ENDED[name])
    with database.transaction("entitlements") as tx:
        assert execute(tx, "SELECT 1") == [(1,)]


def _outlive(database, setting):
    with database.transaction("entitlements") as tx:
        execute(tx, "SELECT set_config(%s, '20ms', true)", [setting])
        _until_the_server_ends_it(database, tx)
        execute(tx, "SELECT 1")


def _until_the_server_ends_it(database, tx):
    """The server's own list of sessions, asked until the session is not on it; it does not outlive `pg_sleep` either."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
    with database.connect() as other:
        for _ in range(400):
            if execute(other, query, [tx.info.backend_pid]) == [(0,)]:
                return
            execute(other, "SELECT pg_sleep(0.01)")
    raise AssertionError("The session is still there.")


def test_a_server_that_may_only_be_read_may_be_written_to_later(database):
    """So it is after a failover, until the address leads to the new server."""
    with pytest.raises(Busy, match="read-only"):
        _write_where_one_may_only_read(database)


def _write_where_one_may_only_read(database):
    with database.transaction("entitlements") as tx:
        execute(tx, "SET TRANSACTION READ ONLY")
        execute(tx, "DELETE FROM held_message")


def test_both_ends_of_a_connection_notice_within_a_minute_that_the_other_machine_is_gone():
    parts = conninfo_to_dict(Database(ELSEWHERE).role_conninfo("entitlements"))
    alive = {name: int(parts[name]) for name in ("keepalives_idle", "keepalives_interval", "keepalives_count")}
    assert alive["keepalives_idle"] + alive["keepalives_interval"] * alive["keepalives_count"] <= 60
    assert int(parts["tcp_user_timeout"]) <= 60_000
    for name, value in {**alive, "user_timeout": int(parts["tcp_user_timeout"])}.items():
        assert f"-c tcp_{name}={value}" in str(parts["options"])


def test_keepalives_of_the_address_are_left_as_they_are():
    parts = conninfo_to_dict(Database(f"{ELSEWHERE}?keepalives_idle=300").role_conninfo("entitlements"))
    assert (parts["keepalives_idle"], parts["keepalives_count"]) == ("300", "3")


def test_connections_for_administration_have_keepalives_too(database):
    with database.connect() as connection:
        assert connection.info.get_parameters()["keepalives_idle"] == "20"
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("SELECT FROM a_table_that_is_not_there")
