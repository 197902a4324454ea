"""A small HTTP/1.1 server on asyncio, made for answers that come late, come in part or do not come.

Every request is handed to one function as soon as it is whole; the reply says when and in which way it is sent. Requests
on one connection are answered in turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

Way = Literal["whole", "drop", "cut", "hang", "twice", "drip"]
"""whole; nothing but the end of the connection; half a body; nothing at all; the same answer twice; in ten pieces."""

MAX_HEAD = 65_536
PIECES = 10


@dataclass(slots=True)
class Request:
    """What arrived; names of headers are in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body; raises `msgspec.DecodeError` if it is no JSON."""
        return msgspec.json.decode(self.body)


@dataclass(slots=True)
class Reply:
    """What to send, after how many seconds, and in which way."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    way: Way = "whole"


def as_json(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """A reply that carries JSON."""
    head = {"content-type": "application/json", **(headers or {})}
    return Reply(status, msgspec.json.encode(value), head)


Handler = Callable[[Request], Reply]


@dataclass(slots=True)
class Traffic:
    """Connections that are open, requests that wait for their answer, and how many of these did at most."""

    open: set[Connection] = field(default_factory=set)
    waiting: int = 0
    most: int = 0
    served: int = 0


class Connection(asyncio.Protocol):
    """One connection of a client."""

    def __init__(self, handle: Handler, traffic: Traffic) -> None:
        self._handle, self._traffic = handle, traffic
        self._held = bytearray()
        self._busy = False
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._traffic.open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._traffic.open.discard(self)
        self._traffic.waiting -= self._busy

    def data_received(self, data: bytes) -> None:
        self._held += data
        self._go_on()

    def abort(self) -> None:
        """End it at once."""
        if self._transport:
            self._transport.abort()

    def _go_on(self) -> None:
        if self._busy or not self._transport:
            return
        try:
            request = take(self._held)
        except ValueError as problem:
            self._send(Reply(400, str(problem).encode()))
            self._close()
            return
        if request is None:
            return
        self._begin()
        reply = self._handle(request)
        if reply.way == "hang":
            return
        if reply.delay > 0:
            self._loop.call_later(reply.delay, self._play, reply)
        else:
            self._play(reply)

    def _begin(self) -> None:
        traffic, self._busy = self._traffic, True
        traffic.waiting += 1
        traffic.most = max(traffic.most, traffic.waiting)

    def _play(self, reply: Reply) -> None:
        if not self._transport:
            return
        if reply.way == "drop":
            self.abort()
        elif reply.way == "cut":
            whole = head_of(reply)
            self._transport.write(whole + reply.body[: len(reply.body) // 2])
            self._close()
        elif reply.way == "drip":
            self._drip(reply, 0)
        else:
            self._send(reply)
            if reply.way == "twice":
                self._send(reply)
                self._close()  # or the next request would be answered with this
            else:
                self._done()

    def _drip(self, reply: Reply, piece: int) -> None:
        if not self._transport:
            return
        size = -(-len(reply.body) // PIECES)
        start = head_of(reply) if piece == 0 else b""
        self._transport.write(start + reply.body[piece * size : (piece + 1) * size])
        if piece + 1 < PIECES:
            self._loop.call_later(reply.delay / PIECES, partial(self._drip, reply, piece + 1))
        else:
            self._done()

    def _send(self, reply: Reply) -> None:
        if self._transport:
            self._transport.write(head_of(reply) + reply.body)

    def _done(self) -> None:
        self._busy = False
        self._traffic.waiting -= 1
        self._traffic.served += 1
        self._go_on()

    def _close(self) -> None:
        if self._transport:
            self._transport.close()


def head_of(reply: Reply) -> bytes:
    """Status line and headers."""
    lines = [f"HTTP/1.1 {reply.status} {phrase(reply.status)}", f"content-length: {len(reply.body)}"]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def phrase(status: int) -> str:
    """The words for a status; 529 has none of its own."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Overloaded"


def take(held: bytearray) -> Request | None:
    """Take one whole request off the bytes that arrived, or nothing if it is not whole yet."""
    end = held.find(b"\r\n\r\n")
    if end < 0:
        if len(held) > MAX_HEAD:
            raise ValueError("The head of the request is too long.")
        return None
    lines = held[:end].decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body, length = chunks(held, end + 4)
        if length < 0:
            return None
    else:
        length = end + 4 + int(headers.get("content-length", "0"))
        if len(held) < length:
            return None
        body = bytes(held[end + 4 : length])
    method, target, _ = lines[0].split(" ", 2)
    del held[:length]
    parts = urlsplit(target)
    return Request(method, unquote(parts.path), dict(parse_qsl(parts.query)), headers, body)


def chunks(held: bytearray, start: int) -> tuple[bytes, int]:
    """A body that came in chunks, and where it ends; -1 if it has not ended yet."""
    body = bytearray()
    while True:
        line = held.find(b"\r\n", start)
        if line < 0:
            return b"", -1
        size = int(held[start:line].split(b";")[0], 16)
        if len(held) < line + 2 + size + 2:
            return b"", -1
        body += held[line + 2 : line + 2 + size]
        start = line + 2 + size + 2
        if size == 0:
            return bytes(body), start
