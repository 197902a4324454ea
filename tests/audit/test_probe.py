"""Consumers with known faults, probed from outside: real HTTP, a real table of effects."""

import json
import sqlite3
import threading
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pairmark.audit.consumers import Effect
from pairmark.audit.probe import AT_ONCE, WAYS, probe
from pairmark.errors import BadRequest, Busy
from support.command import Pairmark

AT_ONCE_PLACES = [place for place, way in enumerate(WAYS) if way.endswith("at once")]
UNIQUE = {"by fact": "fact", "by id": "id"}


class Consumer:
    """A table of effects behind an endpoint that deduplicates by `way`."""

    def __init__(self, folder: Path, way: str) -> None:
        self.path, self.way, self.forgotten = folder / "effects.db", way, False
        self.facts: dict[str, int] = {}
        self.lock = threading.Lock()
        self.together = threading.Barrier(AT_ONCE)
        with closing(sqlite3.connect(self.path)) as store:
            unique = f", UNIQUE ({UNIQUE[way]})" if way in UNIQUE else ""
            store.execute(f"CREATE TABLE effect (fact TEXT, id TEXT{unique})")
            store.commit()

    @property
    def address(self) -> str:
        return f"sqlite:{self.path}?table=effect"

    def take(self, fact: str, identity: str) -> int:
        with closing(sqlite3.connect(self.path, timeout=60)) as store:
            if self.way == "looks first":
                self.place(fact)
                there = store.execute("SELECT 1 FROM effect WHERE fact = ?", (fact,)).fetchone()
                if self.place(fact) in AT_ONCE_PLACES:  # all of them have looked before any of them writes
                    self.together.wait(30)
                if there:
                    return 200
            seen = store.execute("SELECT 1 FROM effect WHERE fact = ?", (fact,)).fetchone()
            if self.way == "forgets" and not self.forgotten and seen:
                return 200
            if self.way == "loses":
                return 200
            done = store.execute("INSERT OR IGNORE INTO effect VALUES (?, ?)", (fact, identity))
            store.commit()
            return 201 if done.rowcount else 409

    def place(self, fact: str) -> int:
        """The how manieth fact this is."""
        with self.lock:
            return self.facts.setdefault(fact, len(self.facts))

    @contextmanager
    def served(self):
        consumer = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(consumer.take(event["data"]["entity_id"], event["event_id"]))
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/events"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


EFFECTS = {
    "by fact": ([1, 1, 1, 1, 1, 1, 1], "clean", "the fact"),
    "by id": ([1, 1, 2, 1, AT_ONCE, 1, 2], "findings", "the event id"),
    "never": ([1, 2, 2, AT_ONCE, AT_ONCE, 2, 2], "findings", "none"),
    "forgets": ([1, 1, 1, None, None, 2, 2], "findings", "the fact"),
    "loses": ([0] * 7, "undetermined", "not known"),
}


@pytest.mark.parametrize("way", EFFECTS)
def test_what_a_consumer_does_is_found_from_outside(tmp_path, way):
    consumer, (effects, verdict, key) = Consumer(tmp_path, way), EFFECTS[way]

    def pause(_: float) -> None:
        consumer.forgotten = True

    with consumer.served() as target:
        found = probe(target, Effect("effect", consumer.address, "fact"), pause=pause)
    assert [one.sent for one in found.ways] == [1, 2, 2, AT_ONCE, AT_ONCE, 2, 2]
    known = [(one.effects, wanted) for one, wanted in zip(found.ways, effects, strict=True) if wanted is not None]
    assert [seen for seen, _ in known] == [wanted for _, wanted in known], found
    assert (found.verdict, found.key) == (verdict, key)
    assert any("forgotten" in line for line in found.says) == (way == "forgets")


def test_one_that_looks_first_and_writes_then_holds_only_one_after_the_other(tmp_path):
    consumer = Consumer(tmp_path, "looks first")
    with consumer.served() as target:
        found = probe(target, Effect("effect", consumer.address, "fact"), pause=lambda _: None)
    assert [one.effects for one in found.ways] == [1, 1, 1, AT_ONCE, AT_ONCE, 1, 1]
    assert any("it looks first and writes then" in line for line in found.says)


def test_nothing_is_sent_to_another_machine_unless_it_is_allowed(tmp_path):
    consumer = Consumer(tmp_path, "never")
    for host in ("192.0.2.7", "example.org", "127.0.0.1.example.org"):
        with pytest.raises(BadRequest, match=f"--allow {host}"):
            probe(f"http://{host}/", Effect("effect", consumer.address, "fact"), pause=lambda _: None)
    for target in ("ftp://127.0.0.1/", "127.0.0.1", "http://"):
        with pytest.raises(BadRequest, match="no endpoint"):
            probe(target, Effect("effect", consumer.address, "fact"), pause=lambda _: None)
    with pytest.raises(Busy, match="cannot be reached"):
        probe("http://localhost:1/", Effect("effect", consumer.address, "fact"), pause=lambda _: None)


def test_the_command(tmp_path):
    consumer = Consumer(tmp_path, "by id")
    pairmark = Pairmark(tmp_path)
    (tmp_path / "m.json").write_text('{"event_id": "{{id}}", "data": {"entity_id": "{{fact}}"}}', encoding="utf-8")
    with consumer.served() as target:
        words = (
            "audit",
            "probe",
            "--to",
            target,
            "--database",
            consumer.address,
            "--pause",
            "0.1s",
            "--settle",
            "0.1s",
        )
        done = pairmark.run(*words, "--key-column", "fact", "--message", tmp_path / "m.json")
        pairmark.run(*words, "--key-column", "fakt").refused("no column 'fakt'")
        (tmp_path / "m.json").write_text("{}", encoding="utf-8")
        pairmark.run(*words, "--key-column", "fact", "--message", tmp_path / "m.json").refused("no place for {{fact}}")
    assert done.code == 1
    assert "It deduplicates by the event id" in done.out
