"""Texts of other services over HTTP: one GET for one text, bounded in time and size.

It keeps nothing and tries nothing twice: whoever asks keeps what came, and asks again later for what did not. No token is ever
shown, and none is sent to another host than the one it is for.
"""

import codecs
import http.client
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from pairmark.config import ID, ContentAccess
from pairmark.storage.texts import LONGEST_TEXT, NoText, NotNow

KEPT_OPEN = 8
CONNECT_SECONDS = 5.0
READ_SECONDS = 15.0
"""Longest silence of the service."""
TOTAL_SECONDS = 30.0
"""Longest time for one text, however it drips."""
MOST_BYTES = 4 * LONGEST_TEXT
"""Of one text, unpacked; UTF-8 takes at most 4 bytes for a character."""
PIECE = 65_536
MOST_REDIRECTS = 3
MISSING = {404: "the content service does not have it", 410: "the content service has it no more"}
NOT_THE_TEXTS_FAULT = frozenset({401, 403, 407, 408, 421, 425, 429})
"""Refusals that say nothing about the text: login, pace, time."""
NO_CHARSETS = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})
"""Ways of writing that Python takes for charsets of texts, and nobody else."""
BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class ContentService:
    """One service. `get` may be called from several threads at once."""

    def __init__(
        self, access: ContentAccess, *, total: float = TOTAL_SECONDS, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        parts = urlsplit(access.url)
        self._origin = _origin(access.url)
        self._target = access.url.partition("://")[2][len(parts.netloc) :]
        self._headers = {"Accept": "text/plain, text/*;q=0.9", "Accept-Encoding": "gzip", "User-Agent": "pairmark"}
        if access.token:
            self._headers["Authorization"] = f"Bearer {access.token}"
        self._total, self._monotonic = total, monotonic
        secure = parts.scheme == "https"
        kind = urllib3.HTTPSConnectionPool if secure else urllib3.HTTPConnectionPool
        self._pool: Any = kind(parts.hostname or "", parts.port, maxsize=KEPT_OPEN)
        self._pool.ConnectionCls = _Secure if secure else _Plain
        self._asking: set[_Deadline] = set()

    def get(self, storage_id: str) -> str:
        """The text under this id; raises `NoText` or `NotNow`."""
        target = self._target.replace(ID, _in_an_address(storage_id))
        deadline = _Deadline(self._total, self._monotonic)
        self._asking.add(deadline)
        try:
            with deadline:
                return self._follow(target if target.startswith("/") else f"/{target}", deadline)
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
            raise NotNow(_in_words(error, late=deadline.passed)) from error
        finally:
            self._asking.discard(deadline)

    def break_off(self) -> None:
        """Let whoever waits for a text wait no longer."""
        for deadline in list(self._asking):
            deadline.cut()

    def close(self) -> None:
        """Break off, and let go of the connections."""
        self.break_off()
        self._pool.close()

    def _follow(self, target: str, deadline: "_Deadline") -> str:
        for _ in range(MOST_REDIRECTS + 1):
            answer = self._pool.urlopen(
                "GET", target, headers=self._headers, retries=False, redirect=False, preload_content=False,
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
            )  # fmt: skip
            try:
                deadline.check()
                if not 300 <= answer.status < 400:
                    return self._text(answer, deadline)
                elsewhere = _joined(f"{self._origin}{target}", answer.headers.get("Location", ""))
            finally:
                answer.close()  # does nothing to a connection that has given everything and went back to the pool
            if _origin(elsewhere) != self._origin:
                raise NotNow("the content service sends us to another host, where we do not go")
            target = elsewhere[len(self._origin) :].partition("#")[0] or "/"
        raise NotNow("the content service sends us in a circle")

    def _text(self, answer: Any, deadline: "_Deadline") -> str:
        status = answer.status
        if status in MISSING:
            raise NoText(MISSING[status])
        if status >= 500 or status in NOT_THE_TEXTS_FAULT:
            raise NotNow(
                f"the content service answers with status {status}", _seconds(answer.headers.get("Retry-After"))
            )
        if status != 200:
            raise NoText(f"the content service answers with status {status}")
        told = Message()
        told["Content-Type"] = answer.headers.get("Content-Type") or "text/plain"
        if told.get_content_maintype() != "text" and told.get_content_type() != "application/octet-stream":
            raise NoText(f"it comes as {told.get_content_type()}, not as text")
        if "Content-Length" not in answer.headers and not answer.chunked:
            raise NotNow("the content service does not say where a text ends")
        body = bytearray()
        while piece := answer.read1(PIECE, decode_content=True):
            deadline.check()
            body += piece
            if len(body) > MOST_BYTES:
                raise NoText(f"it has more than {MOST_BYTES:,} bytes")
        deadline.check()
        return _decoded(bytes(body), told.get_param("charset"))


class _Deadline:
    """The end of the time for one text, whatever is waited for: then the connection is cut."""

    def __init__(self, seconds: float, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._until = monotonic() + seconds
        self._timer = threading.Timer(seconds, self._cut_late)
        self._timer.daemon = True
        self._cut = False
        self.passed = False
        self.line: socket.socket | None = None

    def __enter__(self) -> None:
        _in_hand.deadline = self
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        _in_hand.deadline = None

    def check(self) -> None:
        """Raise if the time is over, or the line was cut: what was read then may be half of it."""
        self.passed = self.passed or self._monotonic() > self._until
        if self.passed or self._cut:
            raise ConnectionError

    def took(self, line: socket.socket | None) -> None:
        """This is the line to cut."""
        self.line = line
        if self._cut:
            self.cut()

    def cut(self) -> None:
        """Cut the line; whoever waits for it gets an error."""
        self._cut = True
        if self.line is not None:
            with suppress(OSError):
                self.line.shutdown(socket.SHUT_RDWR)

    def _cut_late(self) -> None:
        self.passed = True
        self.cut()


_in_hand = threading.local()


class _Plain(HTTPConnection):
    """Tells the deadline of its thread which line it uses."""

    def request(self, *args: Any, **kwargs: Any) -> None:
        super().request(*args, **kwargs)
        _in_hand.deadline.took(self.sock)


class _Secure(HTTPSConnection):
    """The same over TLS."""

    def request(self, *args: Any, **kwargs: Any) -> None:
        super().request(*args, **kwargs)
        _in_hand.deadline.took(self.sock)


def _origin(url: str) -> str:
    """Scheme, host and port, as they are written in an address."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}"


def _joined(base: str, location: str) -> str:
    """Where a redirect leads; nowhere if that is no address."""
    with suppress(ValueError):
        return urljoin(base, location)
    return ""


def _in_an_address(storage_id: str) -> str:
    """The id as one piece of an address; refuses what a server might take for a way up."""
    if not storage_id or {".", ".."} & set(storage_id.replace("\\", "/").split("/")):
        raise NoText("its storage id cannot stand in an address")
    return quote(storage_id, safe="")


def _decoded(body: bytes, charset: Any) -> str:
    """The text of a body: by its byte order mark, else by the declared charset, else as UTF-8."""
    marked = next((name for mark, name in BOMS if body.startswith(mark)), None)
    name = marked or (charset if isinstance(charset, str) else "utf-8")
    try:
        if codecs.lookup(name).name in NO_CHARSETS:
            raise LookupError(name)
        text = body.decode(name).removeprefix("\ufeff")
        text.encode()  # a charset may give halves of characters, which nothing can store
    except (LookupError, ValueError) as error:
        raise NoText(f"it cannot be read as {name[:40]}") from error
    if "\x00" in text:
        raise NoText("it holds a zero byte, so it is no text")
    if len(text) > LONGEST_TEXT:
        raise NoText(f"it has more than {LONGEST_TEXT:,} characters")
    return text


def _seconds(said: str | None) -> float | None:
    """What Retry-After asks for: seconds, or a moment."""
    if said is None:
        return None
    if said.strip().isdecimal():
        return float(said)
    with suppress(ValueError, OverflowError):
        return max(parsedate_to_datetime(said).timestamp() - time.time(), 0.0)
    return None


def _in_words(error: BaseException, *, late: bool) -> str:
    if late or isinstance(error, urllib3.exceptions.ReadTimeoutError | TimeoutError):
        return "the content service is too slow"
    if isinstance(error, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError):
        return "the content service cannot be reached"
    if isinstance(error, urllib3.exceptions.SSLError):
        return "the content service cannot be trusted over TLS"
    if isinstance(error, urllib3.exceptions.DecodeError):
        return "what the content service sends cannot be unpacked"
    return "the content service breaks off"
