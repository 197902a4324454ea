"""A content service on loopback. Each id answers as a script says, step by step; a body may drip, break off or never end.

Bytes of a script are sent as they are; nothing waits but for a signal.
"""

from __future__ import annotations

import gzip
import socket
import threading
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator

import pytest

from pairmark.config import ContentAccess

Script = Callable[[socket.socket], None]
"""Answers one request on its connection; the connection closes when it returns."""


class FakeContent:
    """The server. `scripts` by path are played one after the other, the last one for ever; `seen` are the requests."""

    def __init__(self) -> None:
        self.scripts: dict[str, list[Script]] = defaultdict(list)
        self.seen: list[bytes] = []
        self.most_at_once = 0
        self.stopped = threading.Event()
        self._now_at_once = 0
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._threads: list[threading.Thread] = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def access(self) -> ContentAccess:
        """How to get there, with a token."""
        return ContentAccess(f"http://127.0.0.1:{self.port}/v1/content/{{id}}", "secret-token")

    def has(self, identity: str, text: str) -> None:
        """From now on there is this text under this id."""
        self.scripts[f"/v1/content/{identity}"] = [ok(text.encode())]

    def play(self, identity: str, *scripts: Script) -> None:
        """From now on this id answers so."""
        self.scripts[f"/v1/content/{identity}"] = list(scripts)

    def asked(self) -> list[str]:
        """Targets of all requests, in order."""
        return [request.split(b" ")[1].decode() for request in self.seen]

    def _accept(self) -> None:
        while True:
            try:
                line, _ = self._server.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=[line], daemon=True)
            thread.start()
            self._threads.append(thread)

    def _serve(self, line: socket.socket) -> None:
        with line:
            request = b""
            while b"\r\n\r\n" not in request:
                piece = line.recv(65_536)
                if not piece:
                    return
                request += piece
            with self._lock:
                self.seen.append(request)
                self._now_at_once += 1
                self.most_at_once = max(self.most_at_once, self._now_at_once)
                scripts = self.scripts[request.split(b" ")[1].decode()]
                script = (scripts.pop(0) if len(scripts) > 1 else scripts[0]) if scripts else status(404)
            try:
                script(line)
            except OSError:
                pass  # the client has gone
            finally:
                with self._lock:
                    self._now_at_once -= 1

    def close(self) -> None:
        """End it; nobody listens there any more."""
        if self.stopped.is_set():
            return
        self.stopped.set()
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for thread in self._threads:
            thread.join(10)


def raw(*pieces: bytes) -> Script:
    """Send these bytes and close."""

    def play(line: socket.socket) -> None:
        for piece in pieces:
            line.sendall(piece)

    return play


def ok(body: bytes, kind: str = "text/plain; charset=utf-8", *more: str) -> Script:
    """A good answer."""
    head = [f"Content-Type: {kind}", f"Content-Length: {len(body)}", "Connection: close", *more]
    return raw(f"HTTP/1.1 200 OK\r\n{chr(10).join(head).replace(chr(10), chr(13) + chr(10))}\r\n\r\n".encode() + body)


def status(code: int, *more: str) -> Script:
    """An answer without a text."""
    head = "".join(f"{line}\r\n" for line in ("Content-Length: 2", "Connection: close", *more))
    return raw(f"HTTP/1.1 {code} So\r\n{head}\r\nno".encode())


def cut(body: bytes, promised: int) -> Script:
    """A body that breaks off before its promised length."""
    return raw(f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {promised}\r\n\r\n".encode() + body)


def cut_in_pieces(body: bytes) -> Script:
    """A body in chunks that breaks off before the last one."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    return raw(head, f"{len(body):x}\r\n".encode() + body + b"\r\n", b"ff\r\nhalf")


def endless(piece: bytes = b"more and more " * 4_096) -> Script:
    """A body in chunks, of which there is always another."""

    def play(line: socket.socket) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            line.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")

    return play


def bomb(size: int, layers: int = 1) -> Script:
    """Few bytes that unpack to `size`, packed so many times; here they are never held unpacked."""
    packer, piece = zlib.compressobj(9, wbits=31), b"0" * 1_000_000
    body = b"".join([*(packer.compress(piece) for _ in range(size // len(piece))), packer.flush()])
    for _ in range(layers - 1):
        body = gzip.compress(body, 9)
    return ok(body, "text/plain", f"Content-Encoding: {', '.join(['gzip'] * layers)}")


def silent(after: bytes, until: threading.Event) -> Script:
    """Send this, then nothing, until the signal."""

    def play(line: socket.socket) -> None:
        line.sendall(after)
        until.wait(30)

    return play


@pytest.fixture
def content_service() -> Iterator[FakeContent]:
    """An empty one for one test."""
    server = FakeContent()
    yield server
    server.close()
