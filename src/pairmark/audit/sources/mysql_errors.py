"""What a MySQL or MariaDB refuses, and what its driver could not do, in one sentence each."""

from collections.abc import Iterator
from contextlib import contextmanager

import pymysql

from pairmark.errors import BadRequest, Busy

LATER = {
    (2003, 2006, 2013, 1040, 1053, 1203, 1226): ("cannot be reached", "Is the server up, and the address right?"),
    (1969, 3024, 1317): ("took too long", "Give more seconds by --statement-timeout."),
    (1205, 1213, 1412): ("is locked or being altered by another session", "Try again when that is done."),
}
"""Numbers of errors after which the same may be tried again."""
NEVER = {
    (1045, 1698, 2059): ("refuses the login", "Set MYSQL_PWD, or name a user as mysql://user@host/database."),
    (1044, 1142, 1143, 1370): ("may not be read by this login", "`pairmark audit grants` prints the rights."),
    (1046, 1049, 1064, 1054, 1146, 1305): ("cannot do that", "Try the query by itself."),
    (1792, 1290): ("is only read here", "Give a query that changes nothing."),
}


@contextmanager
def refusing(shown: str) -> Iterator[None]:
    """Around everything that is asked of a server."""
    try:
        yield
    except (pymysql.MySQLError, RuntimeError, OSError) as error:
        raise _translated(shown, error) from error


def _translated(shown: str, error: Exception) -> BadRequest | Busy:
    number, words = _told(error)
    said = f"{words.splitlines()[0][:300].rstrip('.')}" if words.strip() else type(error).__name__
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return BadRequest(f"{shown} cannot be trusted over TLS ({said}).", remedy="Name its authority by ssl-ca=FILE.")
    if "cryptography" in said:
        return BadRequest(
            f"{shown} takes no password over a line that is not encrypted.", remedy="Leave ssl-mode=disabled out."
        )
    for numbers, (what, remedy) in LATER.items():
        if number in numbers:
            return Busy(f"{shown} {what} ({said}).", remedy=remedy)
    for numbers, (what, remedy) in NEVER.items():
        if number in numbers:
            return BadRequest(f"{shown} {what} ({said}).", remedy=remedy)
    return BadRequest(f"{shown} cannot be read: {said}.")


def _told(error: Exception) -> tuple[int | None, str]:
    """Number and words of an error; a line that breaks has a number as well."""
    number, *words = error.args or (None,)
    if isinstance(number, int) and isinstance(error, pymysql.MySQLError):
        return number, str(words[0]) if words else ""
    return (2013 if isinstance(error, OSError) else None), str(error)
