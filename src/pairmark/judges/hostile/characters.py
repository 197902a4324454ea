"""Characters that nobody sees, and letters that pass for others. What an honest text of its script needs is left alone.

Joiners belong to Persian, Indic scripts and emoji; marks of direction to Hebrew and Arabic; zero-width spaces to Thai and Khmer,
and they come along when text is copied from a page, between words.
"""

import re
from collections.abc import Iterator

from pairmark.domain.folding import LOOKALIKES, mostly_latin
from pairmark.judges.hostile.finding import Finding, finding

INVISIBLE = "\u200b-\u200d\u2060-\u2064\ufeff\u180e\u034f\u115f\u1160\u3164\uffa0\u2800"
JOINING = (
    "\u0600-\u08ff\u0900-\u0dff\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f"
    "\u1700-\u18af\u1980-\u1aff\ua980-\ua9df\ufb50-\ufdff\ufe70-\ufefc"
)
EMOJI = "\u203c-\u3299\U0001f000-\U0001faff\ufe0f"
SELECTORS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
_LETTER = "A-Za-z\u00c0-\u024f\u0370-\u03ff\u0400-\u052f"
RUN = re.compile(rf"[{INVISIBLE}]{{4,}}")
IN_WORDS = re.compile(rf"(?<=[{_LETTER}])[{INVISIBLE}]+(?=[{_LETTER}])")
JOINER = re.compile(rf"(?<![{JOINING}{EMOJI}\u200b-\u200f])[\u200c\u200d](?![{JOINING}{EMOJI}])")
TAGS = re.compile(
    r"(?<!\U0001f3f4)(?<![\U000e0020-\U000e007f])[\U000e0000-\U000e007f]+|\U0001f3f4[\U000e0020-\U000e007e]{7,}"
)
SELECTED = re.compile(rf"[{SELECTORS}]{{3,}}")
OVERRIDE = re.compile("[\u202d\u202e]")
EMBEDDED = re.compile("[\u202a\u202b\u2066-\u2069]")
RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
WORD = re.compile(r"[^\W\d_]+")
OTHER_ALPHABET = re.compile("[\u0370-\u03ff\u0400-\u052f]")
FEW = 2
"""So many characters inside words may come from a clumsy copy."""
MOST = 5


def characters(text: str) -> Iterator[Finding]:
    """Everything of the kinds hidden_characters, text_direction and lookalikes."""
    if text.isascii():
        return
    yield from _hidden(text)
    yield from _direction(text)
    yield from _lookalikes(text)


def _hidden(text: str) -> Iterator[Finding]:
    for pattern in (RUN, SELECTED):
        for match in _first(pattern, text):
            yield finding("hidden_characters", text, *match.span())
    for match in _first(TAGS, text):
        told = "".join(chr(ord(char) - 0xE0000) for char in match[0] if "\U000e0020" <= char <= "\U000e007e")
        yield finding("hidden_characters", text, match.start(), match.end(), note=told)
    for pattern in (IN_WORDS, JOINER):
        places = list(_first(pattern, text))
        if len(places) > FEW:
            yield finding("hidden_characters", text, places[0].start(), places[-1].end())


def _direction(text: str) -> Iterator[Finding]:
    patterns = (OVERRIDE,) if RIGHT_TO_LEFT.search(text) else (OVERRIDE, EMBEDDED)
    for pattern in patterns:
        for match in _first(pattern, text):
            yield finding("text_direction", text, match.start(), min(match.end() + 60, len(text)))


def _lookalikes(text: str) -> Iterator[Finding]:
    """Words of two alphabets, where the letters of one look like those of the other; one or two may be a slip."""
    if not OTHER_ALPHABET.search(text) or not mostly_latin(text):
        return
    places = []
    for match in WORD.finditer(text):
        word = match[0]
        if not word.isascii() and any(char in LOOKALIKES for char in word) and sum(map(str.isascii, word)) >= FEW:
            places.append(match)
            if len(places) > MOST:
                break
    if len({place[0] for place in places}) > FEW:
        yield finding("lookalikes", text, places[0].start(), places[-1].end())


def _first(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    for number, match in enumerate(pattern.finditer(text)):
        if number == MOST:
            return
        yield match
