"""G2: a database that comes back as of an earlier moment, with a topic that is ahead of it, tells no end under a second id.

Messages of the minutes that it has lost must not be read: a service would then know an end that another reaches only later, and
otherwise. The self-check tells such a contradiction.
"""

from collections.abc import Callable
from contextlib import closing

import pytest

from pairmark.bootstrap import System
from pairmark.clock import ManualClock
from pairmark.storage.connection import Database, execute
from support.callbacks import settle
from support.invariants import violations
from support.postgres import Databases
from support.system import BEGIN, submit
from support.told_again import KEEP

SENT = "SELECT group_name, id, topic, event_key, body, headers::text FROM everything_sent ORDER BY number"
AGAIN = """
INSERT INTO transport.delivery (group_name, event_id, topic, event_key, body, headers) VALUES (%s, %s, %s, %s, %s, %s::jsonb)
ON CONFLICT DO NOTHING
"""
ENDS = """
SELECT id, event_type FROM assessment.event_outbox WHERE event_type LIKE 'huleedu.%' ORDER BY event_type
"""


@pytest.mark.parametrize("read_again", [True, False], ids=["offsets_set_back", "offsets_ahead"])
def test_g2_a_restored_database_ends_its_batches_under_the_same_ids(
    postgres: Databases, template: str, clone: Callable[[str], str], read_again: bool
):
    """Not read again, what was under way is asked again by its deadline, counted once and charged once."""
    name, clock = clone(template), ManualClock(BEGIN)
    first = System(Database(postgres.conninfo(name), direct_login=True), clock=clock)
    with first.database.connect() as connection:
        connection.execute(KEEP)
    first.accounts.ensure_default()
    submit(first, 6)
    settle(first)
    first.asker.step()
    settle(first)
    first.asker.step()
    first.relays["judging"].step()  # answers are on their way at the moment of the backup
    first.close()
    backup = clone(name)
    first = System(Database(postgres.conninfo(name), direct_login=True), clock=clock)
    first.drain()
    with first.database.connect() as connection:
        sent, ends = execute(connection, SENT), execute(connection, ENDS)
    first.close()
    assert len(ends) == 3
    with closing(Database(postgres.conninfo(backup), direct_login=True)) as database:
        with database.connect() as connection:
            connection.execute("DELETE FROM transport.delivery")  # a topic has them, and the groups are past them
            if read_again:
                connection.cursor().executemany(AGAIN, sent)
        restored = System(database, clock=clock)
        for _ in range(12):
            restored.drain()
            clock.advance(4000)
        with database.connect() as connection:
            assert execute(connection, ENDS) == ends
        wrong = [one for one in violations(database) if not one.startswith("G11")]
        assert (wrong == []) != read_again
        assert all("was charged" in one for one in wrong)
        restored.close()
