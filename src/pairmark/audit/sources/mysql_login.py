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


class Wary(Connection):  # type: ignore[misc]
    """A connection that refuses to hand over the password itself. `shown`: the server, as it may be printed."""

    def __init__(self, shown: str, **asked: Any) -> None:
        """Connect, and log in."""
        self.shown = shown
        ways = {**dict.fromkeys(READABLE, _Refusing), "caching_sha2_password": _Scrambling}
        super().__init__(**asked, auth_plugin_map=ways)

    def refusal(self) -> BadRequest:
        """What it says instead."""
        return BadRequest(
            f"{self.shown} asks for the password in a form that it could read, and is not proven to be who it says.",
            remedy="Add ssl-mode=verify_identity, and ssl-ca=FILE if its certificate is your own.",
        )

    def _request_authentication(self) -> None:
        """Some ways begin with the password, before any of those above is asked."""
        if self._auth_plugin_name in READABLE and self.password:
            raise self.refusal()
        super()._request_authentication()


class _Refusing:
    """A way to log in that is not gone."""

    def __init__(self, connection: Wary) -> None:
        self._connection = connection

    def authenticate(self, packet: Any) -> Any:
        raise self._connection.refusal()


class _Scrambling:
    """caching_sha2_password up to where it would hand over the password itself."""

    def __init__(self, connection: Wary) -> None:
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
                raise line.refusal()
            packet = line._read_packet()
        return packet
