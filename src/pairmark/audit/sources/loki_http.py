"""Asking Loki, one window of time at a time. Every wait ends, and no token is ever shown or sent to another host."""

import base64
import http.client
import json
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from pairmark.config import LokiAccess
from pairmark.errors import BadRequest, Busy

TIMEOUT = 60.0
"""Seconds for one answer."""
TRIES = 5
LONGEST_PAUSE = 20.0
"""Seconds to wait at most when the server says when to come back."""
MOST_BYTES = 128 * 1024 * 1024
PATH = "/loki/api/v1/query_range"


class TooMuch(Exception):
    """This window cannot be answered as a whole; a shorter one may be."""


class LowerLimit(Exception):
    """The server allows fewer lines an answer; the argument says how many."""


@dataclass(frozen=True)
class Page:
    """Lines of one window with their labels and times (ns), and how many lines the server went through for them."""

    lines: list[tuple[int, str, Mapping[str, str]]]
    processed: int


@dataclass
class Loki:
    """One server. `pause` waits a number of seconds."""

    secure: bool
    host: str
    prefix: str
    access: LokiAccess
    pause: Callable[[float], None] = time.sleep
    _connection: http.client.HTTPConnection | None = field(default=None, repr=False)

    @property
    def shown(self) -> str:
        """Its address."""
        return f"loki+http{'s' if self.secure else ''}://{self.host}{self.prefix}"

    def window(self, query: str, begin: int, end: int, limit: int, tenant: str | None) -> Page:
        """Lines from `begin` to before `end` (ns), `limit` of them at most."""
        asked = {"query": query, "start": begin, "end": end, "limit": limit}
        body = self._get(f"{self.prefix}{PATH}?{urlencode(asked)}", self._headers(tenant))
        try:
            return _page(json.loads(body))
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise BadRequest(f"{self.shown} gives an answer that is none of Loki's.", remedy="Is it Loki?") from error

    def _headers(self, tenant: str | None) -> dict[str, str]:
        headers = {"Accept": "application/json", "Cache-Control": "no-cache"}
        if tenant is not None:
            headers["X-Scope-OrgID"] = tenant
        if self.access.token:
            headers["Authorization"] = f"Bearer {self.access.token}"
        elif self.access.user:
            login = f"{self.access.user}:{self.access.password or ''}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(login).decode()}"
        return headers

    def _get(self, path: str, headers: Mapping[str, str]) -> bytes:
        """The body of a good answer; comes back a few times where the server is busy or the line breaks."""
        for attempt in range(TRIES):
            try:
                status, later, body = self._ask(path, headers)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                failure, later = str(error) or type(error).__name__, None
                if isinstance(error, ssl.SSLCertVerificationError):
                    raise BadRequest(
                        f"{self.shown} cannot be trusted over TLS.", remedy="Set PAIRMARK_LOKI_CA."
                    ) from error
            else:
                if status == 200:
                    return body
                if status != 429 and status < 500:
                    raise self._refusal(status, body)
                if b"deadline" in body or status == 504:
                    raise TooMuch
                failure = f"status {status}"
            if attempt < TRIES - 1:
                self.pause(_seconds(later, attempt))
        raise Busy(f"{self.shown} cannot be reached: {failure}.", remedy="Is it up, and the address right?")

    def _ask(self, path: str, headers: Mapping[str, str]) -> tuple[int, str | None, bytes]:
        if self._connection is None:
            self._connection = self._connect()
        self._connection.request("GET", path, headers=dict(headers))
        answer = self._connection.getresponse()
        body = answer.read(MOST_BYTES + 1)
        if len(body) > MOST_BYTES:
            self.close()
            raise TooMuch
        return answer.status, answer.getheader("Retry-After"), body

    def _connect(self) -> http.client.HTTPConnection:
        if not self.secure:
            return http.client.HTTPConnection(self.host, timeout=TIMEOUT)
        trusted = ssl.create_default_context(cafile=self.access.certificates)
        return http.client.HTTPSConnection(self.host, timeout=TIMEOUT, context=trusted)

    def _refusal(self, status: int, body: bytes) -> Exception:
        said = body[:300].decode("utf-8", "replace").strip().split("\n")[0]
        allowed = re.search(r"max.entries.limit.*\(\d+ > (\d+)\)", said)
        if allowed:
            return LowerLimit(int(allowed[1]))
        if "range exceeds the limit" in said or "maximum of series" in said:
            return TooMuch()
        if "no org id" in said:
            return BadRequest(f"{self.shown} has several tenants.", remedy="Add &tenant=NAME, or several with commas.")
        if status in {401, 403}:
            return BadRequest(
                f"{self.shown} refuses the login ({status}).",
                remedy="Set PAIRMARK_LOKI_TOKEN, or PAIRMARK_LOKI_USER and PAIRMARK_LOKI_PASSWORD.",
            )
        if 300 <= status < 400:
            return BadRequest(f"{self.shown} sends us elsewhere ({status}).", remedy="Give the address it moved to.")
        return BadRequest(f"{self.shown} refuses the query ({status}): {said}")

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _seconds(said: str | None, attempt: int) -> float:
    wanted = float(said) if said is not None and re.fullmatch(r"\d{1,6}(\.\d+)?", said) else 0.5 * 2**attempt
    return min(wanted, LONGEST_PAUSE)


def _page(answer: Any) -> Page:
    data = answer["data"]
    if data["resultType"] != "streams":
        raise BadRequest("The query counts lines instead of giving them.", remedy="Give a log query: {app=…} |= …")
    lines = []
    for stream in data["result"]:
        labels = stream["stream"]
        for moment, line, *more in stream["values"]:
            lines.append((int(moment), line, labels | _metadata(more[0]) if more else labels))
    summary = data.get("stats", {}).get("summary", {})
    return Page(lines, int(summary.get("totalLinesProcessed", 0)))


def _metadata(told: Any) -> dict[str, str]:
    """What an entry carries beside its line, flat or by kind."""
    flat: dict[str, str] = {}
    for name, value in (told or {}).items():
        flat |= value if isinstance(value, dict) else {name: str(value)}
    return flat
