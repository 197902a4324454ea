"""A collection of essays, whatever it was read from, and the rules every essay keeps.

Where the essays come from (a folder, a table) is decided in the modules beside this one.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from pairmark.errors import BadRequest

MAX_CHARACTERS = 1_000_000
MAX_ID = 200  # characters


@dataclass(frozen=True)
class Text:
    """One essay. `source` says where it stands, for people; `compare` is a score that came with it."""

    essay_id: str
    text: str
    source: str
    compare: float | None = None


@dataclass(frozen=True)
class TextCollection:
    """Essays in the order of the folder or table, at least one.

    `identical` groups the ids of essays with the same text once characters are normalised (NFC) and white space is
    folded; `digest` is the sha256 over the sorted ids and texts, in hexadecimal; `ignored` names what was not read.
    """

    texts: tuple[Text, ...]
    identical: tuple[tuple[str, ...], ...]
    digest: str
    ignored: tuple[str, ...] = ()


def collect(texts: Sequence[Text], ignored: Sequence[str] = ()) -> TextCollection:
    """Check every essay and put them together; raises `BadRequest` for unusable and repeated ones."""
    sources: dict[str, str] = {}
    for text in texts:
        _check_id(text)
        _check_text(text)
        if text.essay_id in sources:
            raise BadRequest(
                f"The essay id {text.essay_id!r} stands twice: {sources[text.essay_id]} and {text.source}.",
                remedy="Rename one.",
            )
        sources[text.essay_id] = text.source
    return TextCollection(tuple(texts), _identical(texts), _digest(texts), tuple(ignored))


def _check_id(text: Text) -> None:
    if not text.essay_id:
        raise BadRequest(f"{text.source} has no essay id.", remedy="Give every text an id.")
    if not text.essay_id.isprintable() or len(text.essay_id) > MAX_ID:
        raise BadRequest(
            f"{text.source} has an essay id that is not usable ({text.essay_id[:40]!a}).",
            remedy=f"Use at most {MAX_ID} printable characters.",
        )


def _check_text(text: Text) -> None:
    if len(text.text) > MAX_CHARACTERS:
        raise BadRequest(f"{text.source} has more than {MAX_CHARACTERS:,} characters.", remedy="Split or shorten it.")
    # Format characters (Cf) such as the zero-width space show nothing.
    if all(char.isspace() or unicodedata.category(char) == "Cf" for char in text.text):
        raise BadRequest(f"{text.source} is empty.", remedy="Remove it or add its text.")
    if "\0" in text.text or not _encodable(text.text):
        raise BadRequest(
            f"{text.source} contains characters that no text has (NUL or half a surrogate pair).",
            remedy="Save it again as plain UTF-8 text.",
        )


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _identical(texts: Sequence[Text]) -> tuple[tuple[str, ...], ...]:
    same: dict[bytes, list[str]] = {}
    for text in texts:
        folded = " ".join(unicodedata.normalize("NFC", text.text).split())
        same.setdefault(sha256(folded.encode()).digest(), []).append(text.essay_id)
    return tuple(tuple(ids) for ids in same.values() if len(ids) > 1)


def _digest(texts: Sequence[Text]) -> str:
    digest = sha256()
    for essay_id, text in sorted((text.essay_id, text.text) for text in texts):
        digest.update(f"{essay_id}\0{text}\0".encode())  # neither contains a NUL
    return digest.hexdigest()
