"""A text as a machine reads it, whatever it is dressed in: one case, no accents, nothing invisible, Latin for what looks Latin.

Every place in the folded text leads back to the place in the original.
"""

import unicodedata
from bisect import bisect_right
from functools import cached_property, lru_cache
from itertools import accumulate

INVISIBLE = {"Cf", "Mn", "Me", "Cc"}
FILLERS = frozenset("\u115f\u1160\u3164\uffa0\u2800\u0640")
SAME = str.maketrans(
    "‘’‚‛ʼ´“”„‟«»‹›–—−‐‑‒―⁄∕…",
    "'" * 6 + '"' * 8 + "-" * 7 + "//.",
)
CYRILLIC = "аеорсухіјѕԁԛԝһӏьгпктмнвАВЕКМНОРСТХІЈЅУ"
CYRILLIC_AS = "aeopcyxijsdqwhlbrnktmhbabekmhopctxijsy"
GREEK = "αορντικυχεηωΑΒΕΖΗΙΚΜΝΟΡΤΥΧ"
GREEK_AS = "aopvtikuxenwabezhikmnoptyx"
SMALL = "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ"
SMALL_AS = "abcdefghijklmnoprstuvwyz"
STROKES = dict(zip("øłđħŧıæœþð", ["o", "l", "d", "h", "t", "i", "ae", "oe", "th", "d"], strict=True))
"""Letters with a stroke or joined, which are no letter and accent to Unicode."""
LOOKALIKES = dict(zip(CYRILLIC + GREEK, CYRILLIC_AS + GREEK_AS, strict=True))
ENOUGH_LATIN = 0.6


class Folded:
    """The folded text and the way back. `lookalikes`: letters of other alphabets in a Latin text become what they look like."""

    def __init__(self, text: str, *, lookalikes: bool = True) -> None:
        self.original = text
        self._latin = lookalikes and not text.isascii() and mostly_latin(text)
        self.text = text.lower() if text.isascii() else text.translate(self._table())

    def _table(self) -> dict[int, str]:
        return {ord(char): _folded(char, self._latin) for char in set(self.original)}

    @cached_property
    def _ends(self) -> list[int]:
        """Where each character of the original ends in the folded text."""
        lengths = {chr(code): len(folded) for code, folded in self._table().items()}
        return list(accumulate(map(lengths.__getitem__, self.original)))

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where these characters of the folded text stand in the original."""
        if self.original.isascii():
            return start, end
        return bisect_right(self._ends, start), bisect_right(self._ends, max(end - 1, start)) + 1


def fold(text: str, *, lookalikes: bool = True) -> str:
    """The folded text alone."""
    return Folded(text, lookalikes=lookalikes).text


def mostly_latin(text: str) -> bool:
    """Whether letters of other alphabets are the exception here; judged by the beginning and the end of long texts."""
    sample = text if len(text) <= 20_000 else text[:10_000] + text[-10_000:]
    letters = [char for char in sample if char.isalpha()]
    return sum(1 for char in letters if is_latin(char)) >= ENOUGH_LATIN * len(letters)


def is_latin(char: str) -> bool:
    """Whether it is a Latin letter, of any style and width."""
    return char < "\u0250" or unicodedata.normalize("NFKD", char)[0] < "\u0250"


@lru_cache(maxsize=20_000)
def _folded(char: str, latin: bool) -> str:
    if char == "\n":
        return char
    if char.isspace():
        return " "
    if char in FILLERS or unicodedata.category(char) in INVISIBLE:
        return ""
    if latin and char in LOOKALIKES:
        return LOOKALIKES[char]
    if char in SMALL:
        return SMALL_AS[SMALL.index(char)]
    plain = unicodedata.normalize("NFKD", char.casefold().translate(SAME))
    kept = "".join(one for one in plain if unicodedata.category(one) not in INVISIBLE)
    return STROKES.get(kept.casefold()) or unicodedata.normalize("NFC", kept.casefold())
