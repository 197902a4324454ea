"""Taking names out of texts before anything is stored or sent: every name of a roster becomes `[name]`.

What counts as a name: each part of one (first, middle, last, both halves of a double name), in any case and with or without
accents, also with a genitive s, run together (`annalind`), after initials (`A. Lind`) and in the local part of an e-mail address.
Words that are also ordinary ones (Will, May, Rose) and parts of at most three letters count only with a capital, at the start of a
sentence too: a word too many is better taken out than a name left in. Other inflected forms (Finnish, Russian) and nicknames are
not known.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

from pairmark.domain.folding import Folded, fold
from pairmark.reading.roster import Roster

NAME = "[name]"
ORDINARY = Path(__file__).with_name("ordinary_words.txt").read_text(encoding="utf-8")
SHORT = 3
"""Parts of so few letters are treated as ordinary words."""
_PARTICLES = (
    "al af ap av bin bint da das de del della den der des di do dos du el het ibn la las le los mac mc ni o of san "
    "santa st te ten ter the to van von vom zu zum zur y e "
)
PARTICLES = frozenset(_PARTICLES.split())
"""Parts that are taken out only beside the name they belong to."""
RUN_TOGETHER = re.compile("[\u0900-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
"""Scripts without spaces between words, or with vowel signs that are no letters: names in them are sought anywhere."""
PICTURES = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
"""Scripts in which family and given name of one or two signs each follow each other without a space."""
BROKEN = re.compile(r"[-\u2010\u00ad][ \t]*\n[ \t]*")
WORD = re.compile(r"[^\W\d_]+")
_LAST_WORD = re.compile(r"[^\W\d_]+\Z")
BETWEEN = re.compile(r"[ \t.'\-,]{0,3}\n?[ \t]{0,2}")
ADDRESS = re.compile(r"([\w.+'-]{1,64})@(?=[\w-]{1,63}\.)")
ARABIC_PREFIXES = ("و", "ف", "ب", "ل", "ك")
MOST_PARTS = 8
INITIALS = 4
"""Letters of a first or last name that an address may be made of, as in `annlin`."""


@dataclass(frozen=True)
class Redacted:
    """Texts without the names, and how many places were taken out of each."""

    texts: list[str]
    counts: list[int]


def redact(texts: Sequence[str], roster: Roster) -> Redacted:
    """Put `[name]` in the place of every name of the roster."""
    names = _Names(roster)
    done = [_redacted(text, names) for text in texts]
    return Redacted([text for text, _ in done], [count for _, count in done])


class _Names:
    """What to look for: parts of names, forms run together, and what may stand beside a part."""

    def __init__(self, roster: Roster) -> None:
        self.parts: set[str] = set()
        self.ordinary: set[str] = set()
        self.joined: set[str] = set()
        self.beside: dict[str, set[str]] = {}
        self.anywhere: re.Pattern[str] | None = None
        self.mailboxes = {_letters(box) for box in roster.mailboxes} - {""}
        unspaced: set[str] = set()
        for name in roster.names:
            folded = fold(name, lookalikes=False)
            unspaced |= {form for part in folded.split() if RUN_TOGETHER.search(part) for form in _pieces(part)}
            self._add([part for part in WORD.findall(folded) if not RUN_TOGETHER.search(part)][:MOST_PARTS])
        if unspaced:
            self.anywhere = re.compile("|".join(map(re.escape, sorted(unspaced, key=len, reverse=True))))

    def _add(self, parts: list[str]) -> None:
        alone = {part for part in parts if len(part) > 1 and part not in PARTICLES}
        if not alone:  # a name of nothing but short words
            alone = {part for part in parts if len(part) > 1}
        for part in alone:
            (self.ordinary if part in _ORDINARY or len(part) <= SHORT else self.parts).add(part)
            self.beside.setdefault(part, set()).update(one for one in parts if one not in alone)
            self.beside[part].update(one[0] for one in parts)
        for one, other in permutations(parts, 2):
            self.joined.add(one + other)
            for first in range(1, INITIALS + 1):
                self.mailboxes.update(one[:first] + other[:last] for last in (*range(1, INITIALS + 1), len(other)))

    def has(self, word: str, original: str) -> bool:
        """Whether this word is a name: `original` is how it is written."""
        capital = not original[0].islower()
        known = (self.parts, self.joined, self.ordinary) if capital else (self.parts, self.joined)
        return any(form in names for form in _forms(word) for names in known)

    def at_home(self, mailbox: str) -> bool:
        """Whether the local part of an address is made of a name."""
        letters = _letters(mailbox)
        if letters in self.mailboxes or letters in self.joined:
            return True
        known = self.parts | self.ordinary
        longest = min(len(letters), 40)
        pieces = (
            letters[start : start + size]
            for size in range(SHORT, longest + 1)
            for start in range(len(letters) - size + 1)
        )
        return letters in known or any(piece in known for piece in pieces)


_ORDINARY = frozenset(fold(ORDINARY).split())


def _pieces(part: str) -> Iterator[str]:
    """A name in a script without spaces, and what may be a given or a family name in it: its beginnings and ends."""
    shortest = 2 if PICTURES.search(part) else len(part)
    for size in range(max(shortest, 2), len(part) + 1):
        yield part[:size]
        yield part[-size:]


def _letters(mailbox: str) -> str:
    return "".join(WORD.findall(fold(mailbox, lookalikes=False)))


def _forms(word: str) -> Iterator[str]:
    """The word, and what it may be a form of."""
    yield word
    if word.endswith("s") and len(word) > SHORT:
        yield word[:-1]
    if "\u0600" <= word[0] <= "\u06ff" and word.startswith(ARABIC_PREFIXES):
        yield word[1:]


def _redacted(text: str, names: _Names) -> tuple[str, int]:
    folded = Folded(text, lookalikes=False)
    found = (
        _words(text, folded, names),
        _broken(text, folded, names),
        _addresses(folded, names),
        _anywhere(folded, names),
    )
    spans = sorted(span for kind in found for span in kind)
    pieces, reached, count = [], 0, 0
    for start, end in _merged(folded.text, spans):
        begin, stop = folded.span(start, end)
        pieces += [text[reached:begin], NAME]
        reached, count = stop, count + 1
    return "".join([*pieces, text[reached:]]), count


def _broken(text: str, folded: Folded, names: _Names) -> Iterator[tuple[int, int]]:
    """Names that a line end breaks, as texts taken out of pages have them."""
    for gap in BROKEN.finditer(folded.text):
        before, after = (
            _LAST_WORD.search(folded.text, max(gap.start() - 40, 0), gap.start()),
            WORD.match(folded.text, gap.end()),
        )
        if before and after and names.has(before[0] + after[0], text[folded.span(*before.span())[0]]):
            yield before.start(), after.end()


def _words(text: str, folded: Folded, names: _Names) -> Iterator[tuple[int, int]]:
    """Places of names, each with the initials and particles that belong to it."""
    words = list(WORD.finditer(folded.text))
    for number, match in enumerate(words):
        if not names.has(match[0], text[folded.span(*match.span())[0]]):
            continue
        beside = set().union(*(names.beside.get(form, set()) for form in _forms(match[0])))
        start, end = match.span()
        before = number - 1
        while before >= 0 and words[before][0] in beside and BETWEEN.fullmatch(folded.text, words[before].end(), start):
            start, before = words[before].start(), before - 1
        after = number + 1
        while after < len(words) and _follows(words[after], beside, folded.text, end):
            end, after = words[after].end(), after + 1
        yield start, end


def _follows(word: re.Match[str], beside: set[str], text: str, end: int) -> bool:
    """Whether an initial with its full stop comes after the name, as in `Lind, A.`"""
    initial = len(word[0]) == 1 and word[0] in beside and text[word.end() : word.end() + 1] == "."
    return initial and bool(BETWEEN.fullmatch(text, end, word.start()))


def _addresses(folded: Folded, names: _Names) -> Iterator[tuple[int, int]]:
    if "@" in folded.text:
        for match in ADDRESS.finditer(folded.text):
            if names.at_home(match[1]):
                yield match.span(1)


def _anywhere(folded: Folded, names: _Names) -> Iterator[tuple[int, int]]:
    if names.anywhere is not None:
        yield from (match.span() for match in names.anywhere.finditer(folded.text))


def _merged(text: str, spans: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Parts of a name that stand side by side are one place."""
    current: tuple[int, int] | None = None
    for start, end in spans:
        if current is not None and (start <= current[1] or _one_name(text, current[1], start)):
            current = current[0], max(current[1], end)
            continue
        if current is not None:
            yield current
        current = start, end
    if current is not None:
        yield current


def _one_name(text: str, end: int, start: int) -> bool:
    return text[end:start] in {" ", "-", "'", ". ", ".", "_"}
