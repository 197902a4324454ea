"""Writers of somebody's outbox, run as a program: each a process of its own, all of them inserting until stdin ends.

Then the program says what all of them together were acknowledged, as one line of JSON.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from collections import Counter

import psycopg

INSERT = b"INSERT INTO event_outbox (aggregate_id, event_type, writer) VALUES (%s, 'done', %s)"
FAMILIAR = 0.5
"""The share of inserts that tell a fact which is there already."""


def write(url: str, name: str, known: int, answers: int) -> None:
    """Insert new facts and known ones, each in a transaction of its own, until told to stop."""
    going = [True]
    signal.signal(signal.SIGTERM, lambda *_: going.clear())
    os.nice(5)  # the repair, not the load, should have the processor
    chance, counts = random.Random(name), Counter[str]()
    with psycopg.connect(url, autocommit=True, application_name=f"writer {name}") as connection:
        os.write(answers, b"ready\n")
        while going:
            familiar = chance.random() < FAMILIAR
            fact = f"a{chance.randrange(known)}" if familiar else f"{name}-{counts['new']}"
            try:
                rows = connection.execute(INSERT, [fact, name]).rowcount
            except psycopg.errors.UniqueViolation:
                counts["refused"] += 1
            else:
                counts["stored" if rows else "diverted"] += 1
                counts["new"] += not familiar
    os.write(answers, json.dumps(counts).encode() + b"\n")


def main(url: str, number: int, known: int) -> None:
    """Fork them, wait for the end of stdin, and add up."""
    reading, writing = os.pipe()
    children = []
    for index in range(number):
        child = os.fork()
        if child == 0:
            write(url, f"w{index}", known, writing)
            os._exit(0)
        children.append(child)
    os.close(writing)
    lines = os.fdopen(reading)
    for _ in children:
        assert lines.readline() == "ready\n"
    print("ready", flush=True)
    sys.stdin.read()
    for child in children:
        os.kill(child, signal.SIGTERM)
    print(json.dumps(sum((Counter(json.loads(lines.readline())) for _ in children), Counter())), flush=True)
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
