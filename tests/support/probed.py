"""A consumer with a known fault and a table of effects, to be probed from outside: behind HTTP, or at a topic of Kafka."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import confluent_kafka

from pairmark.audit.probe import AT_ONCE, WAYS

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
    def served(self) -> Iterator[str]:
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

    @contextmanager
    def reading(self, bootstrap: str, topic: str) -> Iterator["Reading"]:
        """Take what arrives at the topic."""
        reading = Reading(self, bootstrap, topic)
        try:
            yield reading
        finally:
            reading.close()


class Reading:
    """A thread that consumes one partition from its begin."""

    def __init__(self, consumer: Consumer, bootstrap: str, topic: str) -> None:
        self.consumer, self.topic = consumer, topic
        self.taken, self.more, self.ended = 0, threading.Condition(), threading.Event()
        self.headers: list[dict[str, str]] = []
        settings = {"bootstrap.servers": bootstrap, "group.id": "probed", "enable.auto.commit": False, "log_level": 0}
        self.kafka = confluent_kafka.Consumer({**settings, "fetch.wait.max.ms": 10})
        self.looking = confluent_kafka.Consumer(settings)
        self.kafka.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        while not self.ended.is_set():
            message = self.kafka.poll(0.05)
            if message is None or message.error():
                continue
            event = json.loads(message.value())
            self.headers.append({name: value.decode() for name, value in message.headers()})
            self.consumer.take(event["data"]["entity_id"], event["event_id"])
            with self.more:
                self.taken += 1
                self.more.notify_all()

    def caught_up(self, _: float = 0) -> None:
        """Wait until all is taken that was sent."""
        _, end = self.looking.get_watermark_offsets(confluent_kafka.TopicPartition(self.topic, 0), timeout=30)
        with self.more:
            assert self.more.wait_for(lambda: self.taken >= end, 30)

    def close(self) -> None:
        self.ended.set()
        self.thread.join()
        self.kafka.close()
        self.looking.close()
