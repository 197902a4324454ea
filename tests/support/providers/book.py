"""What was asked, how it was answered and what was charged, in memory and line by line in a file."""

from __future__ import annotations

import math
import threading
from pathlib import Path

import msgspec


class Entry(msgspec.Struct):
    """One request for an answer; requests of a batch stand here one by one. Charges are in US dollars."""

    number: int
    provider: str
    model: str
    request_id: str
    status: int
    scenario: str
    way: str = "whole"
    batch: str = ""
    identity: str = ""
    prompt: str = ""
    first: str = ""
    second: str = ""
    better: str = ""
    input_tokens: int = 0
    cached_tokens: int = 0
    written_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    charged: float = 0.0
    refusal: str = ""


class Book:
    """Entries in the order of arrival. A file holds each as soon as it is made, so it outlives this process and others."""

    def __init__(self, path: Path | None = None) -> None:
        self._entries: list[Entry] = []
        self._lock = threading.Lock()
        self._file = path.open("ab", buffering=0) if path else None

    def write(self, entry: Entry) -> None:
        """Add an entry."""
        with self._lock:
            self._entries.append(entry)
            if self._file:
                self._file.write(msgspec.json.encode(entry) + b"\n")

    @property
    def entries(self) -> list[Entry]:
        """All entries by now."""
        with self._lock:
            return list(self._entries)

    def charged(self) -> float:
        """All that was charged."""
        return total(self.entries)

    def of(self, request_id: str) -> list[Entry]:
        """Entries of one client request."""
        return [entry for entry in self.entries if entry.request_id == request_id]

    def cached_share(self) -> float:
        """Which share of all input tokens was read from a cache."""
        entries = self.entries
        return sum(entry.cached_tokens for entry in entries) / max(1, sum(entry.input_tokens for entry in entries))

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()


def total(entries: list[Entry]) -> float:
    """The sum of charges, exactly rounded."""
    return math.fsum(entry.charged for entry in entries)


def read_book(path: Path) -> list[Entry]:
    """The entries of a file; a line that a kill has cut off is left out."""
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [msgspec.json.decode(line, type=Entry) for line in lines]
