"""What a model must answer, and reading what it did answer: a verdict, or that there is none.

Only an answer that names its choice in the one agreed form is a verdict; nothing is guessed. How the answer was got, and
what a call that brought none is called, is not here.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Literal
from unicodedata import normalize

from pairmark.judges.question import MAX_JUSTIFICATION

LONGEST_QUOTE = 300
LONGEST_ANSWER = 20_000
MOST_OPENINGS = 500  # brackets tried in an answer with words around its object; each try may cost a whole reading

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "evidence_1": {"type": "string", "description": "At most 25 words copied exactly from Text 1."},
        "evidence_2": {"type": "string", "description": "At most 25 words copied exactly from Text 2."},
        "reason": {"type": "string", "description": "At most 60 words: why the better text is better."},
        "instructions_found": {"type": "boolean", "description": "Whether a text speaks to whoever judges it."},
        "better": {"type": "string", "enum": ["1", "2"], "description": "The number of the better text."},
    },
    "required": ["evidence_1", "evidence_2", "reason", "instructions_found", "better"],
    "additionalProperties": False,
}
"""The answer, evidence first, so that a model writes down what it saw before it decides."""
SCHEMA_TEXT = json.dumps(SCHEMA, separators=(",", ":"))

_DECODER = json.JSONDecoder(object_pairs_hook=lambda pairs: _Pairs(pairs))  # noqa: PLW0108 - defined below
_FENCE = re.compile(r"\A```(?:json)?\s*|\s*```\Z")
_FLAGS = {"true": True, "1": True, "false": False, "0": False, "none": False}
"""What servers that hold nobody to the schema make of true and false; a key that is not there is None."""
_OPENING = re.compile(r"[{\[]")
_SPACE = re.compile(r"\s+")
_QUOTES = "\"'`\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb\u2039\u203a"
_SAME = str.maketrans(
    {"\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201c": '"', "\u201d": '"', "\u201e": '"', "`": "'"}
)
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a valid answer says; `better` is 1 or 2, quotes are empty where the text does not hold them."""

    better: Literal[1, 2]
    reason: str
    evidence: tuple[str, str]
    instructions_found: bool


@dataclass(frozen=True, slots=True)
class Invalid:
    """Why an answer is no verdict, in a few words."""

    why: str


class _Pairs(list[tuple[str, Any]]):
    """An object of JSON with all its keys, also those that are there twice."""


def read_verdict(answer: str, texts: tuple[str, str], *, strict: bool) -> Verdict | Invalid:
    """Read an answer about these two texts.

    `strict` is for providers that hold the model to the schema: the answer is one object with exactly its keys.
    Otherwise further keys are ignored. Of an object that stands alone, fenced or not, only `better` must be there; within other
    words, which may quote a text that hopes for that, it must have every key.
    """
    alone = _only_object(answer if strict else _unfenced(answer))
    found = _object_within(answer) if isinstance(alone, Invalid) and not strict else alone
    if isinstance(found, Invalid):
        return found
    told = dict(found)
    if len(told) < len(found):
        return Invalid("a key stands in the answer twice")
    fault = _fault(told) if strict else _lacking(told) if found is not alone else None
    if fault is not None:
        return Invalid(fault)
    better, spoken_to = told.get("better"), _FLAGS.get(str(told.get("instructions_found")).lower())
    if spoken_to is None:
        return Invalid("instructions_found is neither true nor false")
    if better not in ("1", "2"):
        return Invalid(f"better is {storable(repr(better))[:40]}, not '1' or '2'")
    return Verdict(
        better=1 if better == "1" else 2,
        reason=_shortened(told.get("reason"), MAX_JUSTIFICATION),
        evidence=(_quoted(told.get("evidence_1"), texts[0]), _quoted(told.get("evidence_2"), texts[1])),
        instructions_found=spoken_to,
    )


def storable(text: str) -> str:
    """The text without what no database takes: NUL and halves of characters."""
    return _UNSTORABLE.sub("\ufffd", text)


def _only_object(answer: str) -> _Pairs | Invalid:
    try:
        found = _DECODER.decode(answer.strip())
    except (ValueError, RecursionError):
        return Invalid("the answer is no JSON")
    return found if isinstance(found, _Pairs) else Invalid("the answer is no JSON object")


def _unfenced(answer: str) -> str:
    return _FENCE.sub("", answer.strip())


def _object_within(answer: str) -> _Pairs | Invalid:
    """The one object that has `better`; with two that differ nobody knows which is meant."""
    found: list[_Pairs] = []
    opening, tries = _OPENING.search(answer), 0
    while opening is not None:
        tries += 1
        if tries > MOST_OPENINGS:
            return Invalid(f"the answer has more than {MOST_OPENINGS} brackets that open")
        try:
            value, end = _DECODER.raw_decode(answer, opening.start())
        except (ValueError, RecursionError):
            end = opening.end()
        else:
            if isinstance(value, _Pairs) and any(key == "better" for key, _ in value):
                found.append(value)
        opening = _OPENING.search(answer, end)
    if not found:
        return Invalid("the answer holds no JSON object with 'better'" if answer.strip() else "the answer is empty")
    if any(dict(one).get("better") != dict(found[0]).get("better") for one in found):
        return Invalid("the answer holds two objects that differ")
    return found[-1]


def _lacking(told: dict[str, Any]) -> str | None:
    lacking = [key for key in SCHEMA["required"] if key not in told]
    return f"the answer lacks {', '.join(lacking)}" if lacking else None


def _fault(told: dict[str, Any]) -> str | None:
    """What the schema would not allow, `better` apart."""
    if lacks := _lacking(told):
        return lacks
    further = [storable(key)[:40] for key in told if key not in SCHEMA["properties"]]
    if further:
        return f"the answer has the key {further[0]!r}, which the schema does not allow"
    wrong = [key for key in ("evidence_1", "evidence_2", "reason") if not isinstance(told[key], str)]
    if not isinstance(told["instructions_found"], bool):
        wrong.append("instructions_found")
    return f"{wrong[0]} is of the wrong type" if wrong else None


def _shortened(value: object, limit: int) -> str:
    text = storable(value).strip() if isinstance(value, str) else ""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "\u2026"


def _quoted(value: object, text: str) -> str:
    """The quote, if the text holds it: letter case, white space and the form of quotation marks do not matter."""
    if not isinstance(value, str):
        return ""
    quote = _SPACE.sub(" ", normalize("NFC", storable(value))).strip(_QUOTES + " .\u2026")
    held = bool(quote) and (quote in text or _folded(quote) in _folded(text))
    return _shortened(quote, LONGEST_QUOTE) if held else ""


def _folded(text: str) -> str:
    return _SPACE.sub(" ", text).translate(_SAME).casefold()
