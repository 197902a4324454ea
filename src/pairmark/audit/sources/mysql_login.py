"""How to log in where it is not proven who answers: no password goes out in a form that whoever answers could read.

A scramble of it may; the password itself may not, be it in the clear, over TLS with anybody's certificate, or under a key that
the server has just sent.
"""

from typing import Any

from pymysql._auth import scramble_caching_sha2
from pymysql.connections import Connection

from pairmark.errors import BadRequest

READABLE = ("sha256_password", "mysql_clear_password", "dialog")
"""Ways to log in that hand over the password itself."""
KNOWN = 3
"""What a server answers to a scramble by which it knows the password; any other answer asks for the password itself."""


def wary(shown: str) -> Any:
    """A connection that refuses to hand over the password itself. `shown`: the server, as it may be printed."""
    refused = BadRequest(
        f"{shown} asks for the password in a form that it could read, and is not proven to be who it says.",
        remedy="Add ssl-mode=verify_identity, and ssl-ca=FILE if its certificate is your own.",
    )

    class Refusing:
        def __init__(self, connection: Any) -> None:
            """Nothing of the connection is needed."""

        def authenticate(self, packet: Any) -> Any:
            raise refused

    class Scrambling:
        """caching_sha2_password up to where it would hand over the password itself."""

        def __init__(self, connection: Any) -> None:
            self._connection = connection

        def authenticate(self, packet: Any) -> Any:
            line = self._connection
            if packet.is_auth_switch_request():
                line.salt = packet.read_all().removesuffix(b"\0")
                line.write_packet(scramble_caching_sha2(line.password, line.salt))
                packet = line._read_packet()
            if packet.is_extra_auth_data():
                packet.advance(1)
                if packet.read_uint8() != KNOWN:
                    raise refused
                packet = line._read_packet()
            return packet

    class Wary(Connection):  # type: ignore[misc]
        def __init__(self, **asked: Any) -> None:
            ways = {**dict.fromkeys(READABLE, Refusing), "caching_sha2_password": Scrambling}
            super().__init__(**asked, auth_plugin_map=ways)

        def _request_authentication(self) -> None:
            """Some ways begin with the password, before any of those above is asked."""
            if self._auth_plugin_name in READABLE and self.password:
                raise refused
            super()._request_authentication()

    return Wary
