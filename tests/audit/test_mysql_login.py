"""Whoever answers at the address of a MySQL may be somebody else: what is not proven gets no password that it could read."""

import socket
import ssl
import threading
from contextlib import suppress

import pytest

from pairmark.audit import audit
from pairmark.errors import BadRequest, Busy
from support.mariadb import certificate_in

HELLO, NATIVE = b"\x0a5.5.5-10.11.1-MariaDB\0" + b"\1\0\0\0" + b"12345678\0", b"mysql_native_password"
SHA256, CACHING = b"sha256_password", b"caching_sha2_password"


@pytest.mark.parametrize(
    ("begins", "asks"),
    [
        (NATIVE, b"\xfemysql_clear_password\0"),
        (NATIVE, b"\xfedialog\0"),
        (NATIVE, b"\xfe" + SHA256 + b"\0" + b"1" * 20 + b"\0"),
        (NATIVE, b"\xfe" + CACHING + b"\0" + b"1" * 20 + b"\0"),
        (SHA256, b""),
        (CACHING, b"\1\4"),
    ],
    ids=["clear", "dialog", "sha256", "caching", "sha256 at once", "caching at once"],
)
@pytest.mark.parametrize("tls", [False, True])
def test_a_password_is_sent_in_a_form_that_can_be_read_to_nobody_unproven(tmp_path, begins, asks, tls):
    """Whoever answers at the address may be somebody else: a server that asks for the password itself gets none."""
    heard: list[bytes] = []
    context = _context(tmp_path) if tls else None
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_ask, args=(listener, context, heard, begins, asks), daemon=True)
        thread.start()
        with pytest.raises(BadRequest, match=r"asks for the password in a form that it could read.*verify_identity"):
            audit(
                f"mysql://me:hush@127.0.0.1:{listener.getsockname()[1]}/db?ssl-mode={'required' if tls else 'preferred'}"
            )
        thread.join(10)
    assert not thread.is_alive()
    assert b"hush" not in b"".join(heard)
    assert not {b"\1", b"\2"} & {one[4:] for one in heard}, "a key was asked for, under which the password would go out"


@pytest.mark.parametrize("begins", [NATIVE, CACHING], ids=["asked for later", "from the beginning"])
def test_a_scramble_is_enough_for_a_server_that_knows_the_password(begins):
    switch = [b"\xfe" + CACHING + b"\0" + b"1" * 20 + b"\0"] if begins == NATIVE else []
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_let_in, args=(listener, heard, begins, switch), daemon=True)
        thread.start()
        with pytest.raises(Busy, match="cannot be reached"):
            audit(f"mysql://me:hush@127.0.0.1:{listener.getsockname()[1]}/db")
        thread.join(10)
    assert b"SET " in heard[-1], "it was let in, and went on"
    assert b"hush" not in b"".join(heard)


def _let_in(listener, heard, begins, switch):
    """A server that takes a scramble for the password, and goes away at the first statement."""
    line, _ = listener.accept()
    with line:
        line.settimeout(10)
        line.sendall(
            _packet(0, HELLO + b"\xff\xf7" + b"\x2d\2\0\xff\x81\x15" + b"\0" * 10 + b"123456789012\0" + begins + b"\0")
        )
        heard.append(line.recv(9_000))
        for asks in switch:
            line.sendall(_packet(2, asks))
            heard.append(line.recv(9_000))
        after = 2 + 2 * len(switch)
        line.sendall(_packet(after, b"\1\3") + _packet(after + 1, b"\0\0\0\2\0\0\0"))
        heard.append(line.recv(9_000))


def _context(folder):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*reversed(certificate_in(folder)))
    return context


def _packet(number: int, content: bytes) -> bytes:
    return len(content).to_bytes(3, "little") + bytes([number]) + content


def _ask(listener, context, heard, begins, asks):
    """A server that begins one way to log in, and then asks for what it could read."""
    line, _ = listener.accept()
    line.settimeout(10)
    able = b"\xff\xff" if context else b"\xff\xf7"
    line.sendall(_packet(0, HELLO + able + b"\x2d\2\0\xff\x81\x15" + b"\0" * 10 + b"123456789012\0" + begins + b"\0"))
    with suppress(OSError):
        heard.append(line.recv(36 if context else 9_000))  # over TLS the first packet only asks for it
        if context:
            line = context.wrap_socket(line, server_side=True)
            heard.append(line.recv(9_000))
        line.sendall(_packet(3 if context else 2, asks))
        heard.append(line.recv(9_000))
        line.sendall(_packet(5 if context else 4, b"\1\4"))
        heard.append(line.recv(9_000))
    line.close()
