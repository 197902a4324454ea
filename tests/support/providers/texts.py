"""Finding the two texts in a prompt, naming a text by its words alone, and the simplest question with two texts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b, sha256
from typing import Any

NONCE = re.compile(r"\b(?=[0-9a-f]*[0-9])[0-9a-f]{12,64}\b")
LONGEST_MARKER = 160  # characters
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "evidence_1": {"type": "string"},
        "evidence_2": {"type": "string"},
        "reason": {"type": "string"},
        "instructions_found": {"type": "boolean"},
        "better": {"type": "string", "enum": ["1", "2"]},
    },
    "required": ["evidence_1", "evidence_2", "reason", "instructions_found", "better"],
    "additionalProperties": False,
}


@lru_cache(4_096)
def digest(text: str) -> str:
    """Names a text; white space and the form of its accents do not count."""
    words = " ".join(unicodedata.normalize("NFC", text).split())
    return blake2b(words.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def two_texts(prompt: str) -> tuple[str, str]:
    """The two texts of a prompt, in the order in which they stand: each between two lines that carry the same nonce.

    Of more than two such blocks the largest are taken; raises `ValueError` if there are fewer.
    """
    lines = prompt.split("\n")
    largest = sorted(blocks(lines), key=lambda block: block[0] - block[1])[:2]
    if len(largest) < 2:
        raise ValueError("There are no two texts between lines with a nonce in the prompt.")
    first, second = ("\n".join(lines[start + 1 : end]).strip("\n") for start, end in sorted(largest))
    return first, second


def blocks(lines: list[str]) -> Iterator[tuple[int, int]]:
    """First and last line of each block, one after the other."""
    marked = [(n, set(NONCE.findall(line))) for n, line in enumerate(lines) if len(line) <= LONGEST_MARKER]
    edges = [(number, tokens) for number, tokens in marked if tokens]
    place = 0
    while place < len(edges):
        start, tokens = edges[place]
        end = next((other for other in range(place + 1, len(edges)) if tokens & edges[other][1]), None)
        if end is not None:
            yield start, edges[end][0]
        place = place + 1 if end is None else end + 1


def quote(text: str, words: int = 8) -> str:
    """The first words of a text, as they stand there."""
    found = re.match(rf"\s*(\S+(?:[^\S\n]+\S+){{0,{words - 1}}})", text)
    return found[1] if found else ""


def question(first: str, second: str) -> str:
    """Two texts between lines with a nonce."""
    parts = []
    for seat, text in enumerate((first, second), start=1):
        code = sha256(text.encode()).hexdigest()[:16]
        parts.append(f"<<<TEXT {seat} {code}>>>\n{text}\n<<<END OF TEXT {seat} {code}>>>")
    return "\n".join(parts) + "\nWhich one is better?"
