"""One place in a text that a person should look at, and how it is shown."""

import unicodedata
from dataclasses import dataclass
from typing import Literal, NamedTuple

Kind = Literal[
    "instruction",
    "authority",
    "role_tag",
    "json_ending",
    "delimiter",
    "hidden_characters",
    "text_direction",
    "lookalikes",
    "repetition",
    "encoded",
]
REASONS: dict[Kind, str] = {
    "instruction": "These words read like an instruction to whoever judges the text.",
    "authority": "These words read as if they came from an examiner or from the program itself.",
    "role_tag": "This looks like the marks that programs use to tell speakers apart.",
    "json_ending": "This looks like a judge's answer written into the text.",
    "delimiter": "This looks like the end of the text, although the text goes on or ends here anyway.",
    "hidden_characters": "There are characters here that nobody sees and that this script does not need.",
    "text_direction": "Marks of direction make this passage look other than it is stored.",
    "lookalikes": "Letters of another alphabet stand here for letters that look the same.",
    "repetition": "A long passage stands here more than once, or one character very often.",
    "encoded": "This is written in a code, and decoded it reads like an instruction.",
}
LONGEST_EXCERPT = 200


class Place(NamedTuple):
    """A span of a folded text. `quotable`: an essay may well quote it as something that somebody else said."""

    kind: Kind
    start: int
    end: int
    quotable: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """Characters `start` to `end` of a text, what kind of thing stands there, the passage as it can be shown, and why."""

    kind: Kind
    start: int
    end: int
    excerpt: str
    reason: str


def finding(kind: Kind, text: str, start: int, end: int, note: str = "") -> Finding:
    """The finding at this place; `note` is shown behind the passage."""
    shown = visible(text[start : min(end, start + LONGEST_EXCERPT)])
    shown += f" ({visible(note)})" if note else ""
    if len(shown) > LONGEST_EXCERPT:
        shown = shown[: LONGEST_EXCERPT - 1] + "…"
    return Finding(kind, start, end, shown, REASONS[kind])


def visible(text: str) -> str:
    """The text on one line, with what nobody sees written out."""
    return "".join(_visible(char) for char in text)


def _visible(char: str) -> str:
    if char.isspace():
        return " "
    return char if unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn"} else f"[U+{ord(char):04X}]"
