"""A Loki on loopback that keeps the contract of the real one: it refuses what that refuses and drops what that drops.

Log queries with a selector (`=`, `=~`), line filters (`|=`, `!=`) and `| json`; of metric queries only their limits.
"""

import json
import re
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

LONGEST = (30 * 24 + 1) * 3_600 * 10**9
MOST_SERIES = 500
Labels = tuple[tuple[str, str], ...]


class FakeLoki:
    """The server. `address` is one for an audit; `faults` are answers to give first; `asked` are the windows of all queries."""

    def __init__(self) -> None:
        self.streams: dict[str, dict[Labels, set[tuple[int, str]]]] = defaultdict(lambda: defaultdict(set))
        self.faults: list[tuple[int, dict[str, str], str]] = []
        self.asked: list[tuple[int, int]] = []
        self.seen: list[Mapping[str, str]] = []
        self.authorization: str | None = None
        self.tenants = False
        self.most_lines = 5_000
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Without a query."""
        return f"loki+http://127.0.0.1:{self._server.server_port}"

    def push(self, line: str, ns: int, tenant: str = "fake", **labels: str) -> None:
        """Take a line in; the same time and text a second time is dropped silently, as Loki does."""
        self.streams[tenant][tuple(sorted(labels.items()))].add((ns, line))

    def answer(self, path: str, headers: Mapping[str, str]) -> tuple[int, dict[str, str], str]:
        """Status, headers and body for a request."""
        self.seen.append(dict(headers))
        if self.faults:
            return self.faults.pop(0)
        if self.authorization is not None and headers.get("Authorization") != self.authorization:
            return 401, {}, "invalid login"
        tenant = headers.get("X-Scope-OrgID", "" if self.tenants else "fake")
        if not tenant:
            return 401, {}, "no org id"
        parts = urlsplit(path)
        if parts.path != "/loki/api/v1/query_range":
            return 404, {}, "404 page not found"
        try:
            return 200, {}, json.dumps(self._query(tenant, {k: v[0] for k, v in parse_qs(parts.query).items()}))
        except Refused as refused:
            return 400, {}, str(refused)

    def _query(self, tenant: str, asked: Mapping[str, str]) -> dict[str, Any]:
        end = int(asked["end"])
        begin, limit = int(asked.get("start", end - 3_600 * 10**9)), int(asked.get("limit", 100))
        if end <= begin:
            raise Refused("end timestamp must not be before or equal to start time")
        if limit > self.most_lines:
            raise Refused(
                f"max entries limit per query exceeded, limit > max_entries_limit_per_query ({limit} > {self.most_lines})"
            )
        if end - begin > LONGEST:
            raise Refused(
                f"the query time range exceeds the limit (query length: {(end - begin) // 10**9}s, limit: 30d1h)"
            )
        self.asked.append((begin, end))
        query = asked["query"]
        if not query.startswith("{"):
            return self._count(tenant, query)
        within = [
            (ns, line, labels)
            for labels, lines in self._selected(tenant, query)
            for ns, line in lines
            if begin <= ns < end
        ]
        kept = sorted(one for one in within if _passes(one[1], query))
        if asked.get("direction", "backward") != "forward":
            kept.reverse()
        return _streams(kept[:limit], len(within), "| json" in query)

    def _selected(self, tenant: str, query: str) -> Iterator[tuple[Labels, set[tuple[int, str]]]]:
        found = re.search(r"\{([^}]*)\}", query)
        wanted = re.findall(r'(\w+)\s*(=~|=)\s*"([^"]*)"', found[1]) if found else []
        if not wanted:
            raise Refused("parse error at line 1, col 1: queries require at least one matcher")
        for labels, lines in self.streams[tenant].items():
            told = dict(labels)
            if all(re.fullmatch(v if how == "=~" else re.escape(v), told.get(name, "")) for name, how, v in wanted):
                yield labels, lines

    def _count(self, tenant: str, query: str) -> dict[str, Any]:
        series = list(self._selected(tenant, query))
        if len(series) > MOST_SERIES:
            raise Refused(f"maximum of series ({MOST_SERIES}) reached for a single query")
        result = [{"metric": dict(labels), "values": [[0, str(len(lines))]]} for labels, lines in series]
        return {"status": "success", "data": {"resultType": "matrix", "result": result}}

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Refused(Exception):
    """Status 400 and why."""


def _passes(line: str, query: str) -> bool:
    filters = re.findall(r'(\|=|!=)\s*"((?:[^"\\]|\\.)*)"', query.partition("}")[2])
    return all((text.replace('\\"', '"') in line) == (how == "|=") for how, text in filters)


def _streams(lines: list[tuple[int, str, Labels]], processed: int, parsed: bool) -> dict[str, Any]:
    found: dict[Labels, list[list[str]]] = defaultdict(list)
    for ns, line, labels in lines:
        found[_extracted(line, labels) if parsed else labels].append([str(ns), line])
    result = [{"stream": dict(labels), "values": values} for labels, values in found.items()]
    stats = {"summary": {"totalLinesProcessed": processed}}
    return {"status": "success", "data": {"resultType": "streams", "result": result, "stats": stats}}


def _extracted(line: str, labels: Labels) -> Labels:
    """What `| json` adds: keys joined by _, beside a label of the same name with _extracted, and an error for other lines."""
    told = dict(labels)
    try:
        body = json.loads(line)
    except ValueError:
        return tuple(sorted({**told, "__error__": "JSONParserErr"}.items()))

    def flat(value: Any, above: str) -> None:
        for name, inner in value.items():
            path = f"{above}_{name}" if above else name
            if isinstance(inner, dict):
                flat(inner, path)
            else:
                told[f"{path}_extracted" if path in dict(labels) else path] = str(inner)

    flat(body, "")
    return tuple(sorted(told.items()))


def _handler(loki: FakeLoki) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, headers, body = loki.answer(self.path, dict(self.headers))
            raw = body.encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(raw)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *words: Any) -> None:
            pass

    return Handler


@pytest.fixture
def loki() -> Iterator[FakeLoki]:
    """An empty one for one test."""
    server = FakeLoki()
    yield server
    server.close()
