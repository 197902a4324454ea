"""Counting words, for the length baseline and for the reports. Nothing here judges."""

import re

# Letters and digits with inner apostrophes or hyphens: "don't" and "well-known" are one word each.
_WORD = re.compile(r"[^\W_]+(?:['\u2019\u2010-][^\W_]+)*")


def count_words(text: str) -> int:
    """Number of words in `text`."""
    return sum(1 for _ in _WORD.finditer(text))


def count_distinct_words(text: str) -> int:
    """Number of different words in `text`, letter case ignored."""
    return len({match.group().casefold() for match in _WORD.finditer(text)})
