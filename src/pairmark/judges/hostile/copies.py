"""Long passages that stand in a text more than once, and one character said very often.

Refrains, lists and figures of speech repeat lines; what is looked for repeats paragraphs. Works on the letters alone, so that case,
spaces and signs between the copies change nothing.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pairmark.domain.folding import Folded
from pairmark.judges.hostile.finding import Kind, Place

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WINDOW = 32
"""Letters that must agree; of scripts that write a word with one or two signs, half of that."""
LONG = 160
"""Letters of a passage that no refrain has, more than thirty words."""
SHARE = 0.2
"""How much of the text it must be at least, unless it is four times as long."""
SHORT = 60
"""Letters of a whole short text that is said again."""
WHOLE = 0.45
"""Share of the text that is repeated when all of it is said twice."""
SAME_CHARACTER = re.compile(r"([^\s])\1{15,}|\s{16,}")
MANY_LETTERS, MANY_SIGNS = 100, 400
"""So often a letter, and a sign or space, stands in no drawing, form or table of contents."""
DENSE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
SLOTS = 22
"""Bits of the table of hashes."""
FACTOR = 6364136223846793005
"""An odd multiplier for hashes of windows (Knuth's for 64 bits)."""


def copies(folded: Folded) -> Iterator[Place]:
    """The longest repeated passage if it is long, and runs of one character."""
    text = folded.text
    kind: Kind = "repetition"
    for match in SAME_CHARACTER.finditer(text):
        if len(match[0]) >= (MANY_LETTERS if match[0][0].isalnum() else MANY_SIGNS):
            yield Place(kind, *match.span())
            break
    dense = len(DENSE.findall(text)) * 2 > len(text)
    scale = 2 if dense else 1
    window = WINDOW // scale
    if len(text) < 2 * window:
        return
    kept, letters = _letters(text)
    if len(letters) < 2 * window:
        return
    start, end, repeated = _longest_repeat(letters, window)
    long = (end - start) * scale >= LONG and (
        (end - start) >= SHARE * len(letters) or (end - start) * scale >= 4 * LONG
    )
    whole = (
        repeated >= WHOLE * len(letters) and (end - start) * scale >= SHORT and (end - start) >= WHOLE * len(letters)
    )
    if long or whole:
        yield Place(kind, int(kept[start]), int(kept[end - 1]) + 1)


def _letters(text: str) -> "tuple[NDArray[np.int64], NDArray[np.uint64]]":
    """Places and codes of what is a letter or digit."""
    import numpy as np  # noqa: PLC0415 - start-up time

    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    known = np.zeros(int(codes.max()) + 1, dtype=bool)
    known[[ord(char) for char in set(text) if char.isalnum()]] = True
    kept = np.flatnonzero(known[codes])
    return kept, codes[kept].astype(np.uint64)


def _seen_before(hashes: "NDArray[np.uint64]") -> "NDArray[np.bool_]":
    """Which hashes stood before. A slot keeps its first hash only, so a few are missed; their neighbours are not."""
    import numpy as np  # noqa: PLC0415

    slots, order = (hashes >> np.uint64(64 - SLOTS)).astype(np.int64), np.arange(len(hashes), dtype=np.int32)
    table = np.zeros(1 << SLOTS, dtype=np.int32)
    table[slots[::-1]] = order[::-1]
    first = table[slots]
    return np.asarray((first < order) & (hashes[first] == hashes))


def _longest_repeat(letters: "NDArray[np.uint64]", window: int) -> tuple[int, int, int]:
    """First and last letter of the longest passage that stood before, and how many letters are in such passages at all."""
    import numpy as np  # noqa: PLC0415

    hashes, width, factor = letters.copy(), 1, FACTOR
    while width < window:  # a hash of 2w letters from two of w; overflow is meant
        hashes = hashes[:-width] * np.uint64(factor) + hashes[width:]
        width, factor = 2 * width, factor * factor % 2**64
    again = _seen_before(hashes)
    steps = np.zeros(len(letters) + 1, dtype=np.int64)
    np.add.at(steps, np.flatnonzero(again), 1)
    np.add.at(steps, np.flatnonzero(again) + window, -1)
    covered = np.cumsum(steps[:-1]) > 0
    if not covered.any():
        return 0, 0, 0
    edges = np.flatnonzero(np.diff(np.r_[False, covered, False].astype(np.int8)))
    begins, ends = edges[::2], edges[1::2]
    longest = int(np.argmax(ends - begins))
    return int(begins[longest]), int(ends[longest]), int(covered.sum())
