"""The state of a watch as Prometheus metrics: as text, served on an address, or put into a file for the textfile collector."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from pairmark.audit.watch import Memory, Pass
from pairmark.errors import BadRequest

PREFIX = "pairmark_audit"
VERDICTS = ("clean", "findings", "undetermined")
HELP = {
    "up": ("gauge", "Whether the last pass could look at the source."),
    "passes_total": ("counter", "Passes that looked at the source."),
    "errors_total": ("counter", "Passes that could not."),
    "new_duplicates_total": ("counter", "Duplicates that were not there at the pass before."),
    "repeated_facts": ("gauge", "Facts that were told more than once."),
    "duplicates": ("gauge", "Events beyond the first of each fact."),
    "events": ("gauge", "Events the last pass looked at."),
    "verdict": ("gauge", "1 for the verdict of the last pass; no data is undetermined and never clean."),
    "last_pass_timestamp_seconds": ("gauge", "When the last pass looked."),
    "newest_event_timestamp_seconds": ("gauge", "Time of the newest event that was seen."),
}


@dataclass
class Figures:
    """What is shown; `tell` and `failed` take in what a watch did."""

    source: str
    memory: Callable[[], Memory]
    last: Pass | None = None
    up: bool = False
    errors: int = 0

    def tell(self, done: Pass) -> None:
        """A pass that looked."""
        self.last, self.up = done, True

    def failed(self) -> None:
        """A pass that could not."""
        self.up, self.errors = False, self.errors + 1

    def text(self) -> str:
        """Prometheus' text format. What is not known is left out, never 0."""
        memory, last = self.memory(), self.last
        values: dict[str, float] = {"up": self.up, "errors_total": self.errors, "passes_total": memory.passes,
                                    "new_duplicates_total": memory.new_duplicates}  # fmt: skip
        if last is not None:
            values |= {"repeated_facts": last.repeated_facts, "duplicates": last.duplicates, "events": last.events,
                       "last_pass_timestamp_seconds": last.at.timestamp()}  # fmt: skip
        newest = (last.newest if last else None) or memory.seen_until
        if newest is not None:
            values["newest_event_timestamp_seconds"] = newest.timestamp()
        label = f'source="{_escaped(self.source)}"'
        lines = []
        for name, (kind, words) in HELP.items():
            if name in values or (name == "verdict" and last is not None):
                lines += [f"# HELP {PREFIX}_{name} {words}", f"# TYPE {PREFIX}_{name} {kind}"]
            if name in values:
                lines.append(f"{PREFIX}_{name}{{{label}}} {_number(values[name])}")
            elif name == "verdict" and last is not None:
                lines += [f'{PREFIX}_verdict{{{label},verdict="{one}"}} {int(one == last.verdict)}' for one in VERDICTS]
        return "\n".join(lines) + "\n"

    def write(self, path: Path) -> None:
        """Put the text into a file, whole or not at all, so that the collector never reads half of it."""
        from pairmark.report.files import put  # noqa: PLC0415

        put(path.absolute().parent, {path.name: self.text().encode()})


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return f"{int(value)}" if float(value).is_integer() else f"{value!r}"


@contextmanager
def served(figures: Figures, address: str) -> Iterator[str]:
    """Serve `/metrics` at `host:port` while the block runs; gives the address that was bound (port 0 takes a free one)."""
    host, port = host_and_port(address)

    class Answer(BaseHTTPRequestHandler):
        """One page, nothing else."""

        def do_GET(self) -> None:
            """Send the metrics."""
            known = self.path.partition("?")[0] == "/metrics"
            body = figures.text().encode() if known else b"See /metrics.\n"
            self.send_response(200 if known else 404)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    try:
        server = ThreadingHTTPServer((host, port), Answer)
    except OSError as error:
        raise BadRequest(
            f"{address} cannot be listened on ({error.strerror or error}).", remedy="Give another --listen."
        ) from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"{host}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def host_and_port(address: str) -> tuple[str, int]:
    """`127.0.0.1:9464` in its parts; a port alone means the loopback address."""
    host, _, port = address.rpartition(":")
    if not port.isdigit() or int(port) > 65_535:
        raise BadRequest(f"{address} is no address to listen on.", remedy="Write it as 127.0.0.1:9464.")
    return host.strip("[]") or "127.0.0.1", int(port)
