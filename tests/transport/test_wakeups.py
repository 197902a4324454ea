"""G8: whoever waits to be woken goes on listening, whatever the database says meanwhile."""

import threading

from psycopg import sql

from pairmark.errors import BadRequest
from pairmark.messaging.loop import Bell
from pairmark.messaging.wakeups import Wakeups
from pairmark.storage.connection import Database
from support.roads import until


class Noting(Database):
    """Rings when a connection was refused for good."""

    def __init__(self, conninfo):
        super().__init__(conninfo, direct_login=True)
        self.refused = threading.Event()

    def connect(self, role=None, schema=None):
        """As the real one."""
        try:
            return super().connect(role, schema)
        except BadRequest:
            self.refused.set()
            raise


def test_g8_a_listener_that_is_refused_listens_as_soon_as_it_is_let_in(postgres, database):
    """A database that is just being restored, or a password that is just being changed, is no reason to end."""
    name = "restored_in_a_moment"
    noting, bell = Noting(postgres.conninfo(name, "pairmark")), Bell()
    wakeups = Wakeups(noting, bell, lambda _: False, lambda _: True)
    wakeups.start()
    try:
        assert noting.refused.wait(10)
        with database.connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        signal = bell.signal("relay")
        until(lambda: wakeups.listening, lambda: signal.wait(0.1))
        tell(postgres, name)
        assert signal.wait(10)
    finally:
        wakeups.stop()
        noting.close()
        postgres.drop(name)


def tell(postgres, name):
    """What another process would say."""
    with Database(postgres.conninfo(name)).connect() as connection:
        connection.execute("SELECT pg_notify('pairmark_wakeup', 'relay')")
