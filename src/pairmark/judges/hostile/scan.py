"""All looks at one text, in one list: what overlaps is told once, and what is only quoted is left out."""

import re
from collections.abc import Iterable

from pairmark.domain.folding import Folded
from pairmark.judges.hostile.characters import characters
from pairmark.judges.hostile.copies import copies
from pairmark.judges.hostile.encoded import encoded
from pairmark.judges.hostile.finding import Finding, Place, finding
from pairmark.judges.hostile.marks import marks
from pairmark.judges.hostile.orders import orders

MOST_FINDINGS = 20
QUOTES = {'"': '"', "“": "”", "„": "“”", "«": "»", "”": "”", "‘": "’", "「": "」"}
BEFORE = 200
"""Characters before a passage in which a quotation may begin."""
REPORTING = re.compile(
    r"\b(?:such as|like|phrases?|sentences?|words?|writ(?:e|es|ing|ten)|wrote|says?|said|example|called|"
    r"skriva|skriver|skrev|säger|meningen|satsen?|Satz|schreibt|schrieb|sagt|Worte|phrases?|écrit|écrire|dit|frase|escribe|dice)\b"
    r"[^.!?\n]{0,40}$",
    re.IGNORECASE,
)


def scan(text: str) -> list[Finding]:
    """What a person should look at before a model judges this text, in the order of the text; empty for most texts."""
    folded = Folded(text)
    places = (*orders(folded), *marks(folded), *copies(folded))
    found = [_shown(text, folded, place) for place in places if not (place.quotable and _reported(text, folded, place))]
    found += characters(text)
    for start, end, told in encoded(text):
        hidden = Folded(told)
        if any(True for _ in (*orders(hidden), *marks(hidden))):
            found.append(finding("encoded", text, start, end, note=told))
    return _apart(found)[:MOST_FINDINGS]


def _reported(text: str, folded: Folded, place: Place) -> bool:
    """Whether the passage stands inside quotation marks and the words before these say that somebody else said it."""
    start, end = folded.span(place.start, place.end)
    before = text[max(start - BEFORE, 0) : start]
    opens = max((before.rfind(mark) for mark in QUOTES), default=-1)
    if opens < 0 or "\n" in before[opens:]:
        return False
    closing = QUOTES[before[opens]]
    return any(mark in text[end : end + BEFORE] for mark in closing) and bool(REPORTING.search(before[:opens]))


def _shown(text: str, folded: Folded, place: Place) -> Finding:
    return finding(place.kind, text, *folded.span(place.start, place.end))


def _apart(found: Iterable[Finding]) -> list[Finding]:
    """In order, without those that lie within one of the same kind."""
    kept: list[Finding] = []
    reached: dict[str, int] = {}
    for one in sorted(found, key=lambda one: (one.start, -one.end)):
        if one.end > reached.get(one.kind, -1):
            kept.append(one)
            reached[one.kind] = one.end
    return kept
