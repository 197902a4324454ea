"""Runs of base64, hexadecimal, percent signs, escapes or entities, and what they say when decoded."""

import base64
import binascii
import html
import re
import urllib.parse
from collections.abc import Iterator

MOST = 40
LONGEST = 8_000
"""Characters of one run that are decoded; a longer one may hide nothing that a judge reads at once."""
BASE64 = re.compile(r"(?<![A-Za-z0-9+/_=-])(?:[A-Za-z0-9+/_-]{20,}+[ \t]*+\r?\n?){1,400}+={0,2}")
HEX = re.compile(
    r"[2-7](?<![0-9A-WYZa-wyz].)[0-9a-fA-F][ ,:;]?(?:(?:0x|\\x)?[0-9a-fA-F]{2}[ ,:;]?){11,}(?![0-9A-Za-z])"
)
PERCENT = re.compile(r"(?:%[0-9a-fA-F]{2}|[A-Za-z0-9_.~+-]){16,}")
ESCAPES = re.compile(r"(?:\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|\\[0-7]{3}| ){8,}")
ENTITIES = re.compile(r"(?:&#x?[0-9a-fA-F]{2,6};[ ]?){8,}")
LONG_WORD = 20
"""Characters without a space that base64 has, line by line."""
LEAST_READABLE = 0.9


def encoded(text: str) -> Iterator[tuple[int, int, str]]:
    """Start and end of each run and the readable text it stands for."""
    for sign, pattern, decode in (
        ("", BASE64, _base64) if any(len(word) >= LONG_WORD for word in text.split()) else ("\0", BASE64, _base64),
        ("", HEX, _hex),
        ("%", PERCENT, _percent),
        ("\\", ESCAPES, _escapes),
        ("&#", ENTITIES, html.unescape),
    ):
        if sign and sign not in text:
            continue
        for number, match in enumerate(pattern.finditer(text)):
            if number == MOST:
                break
            told = decode(match[0][:LONGEST])
            if told and told != match[0] and _readable(told):
                yield match.start(), match.end(), told


def _base64(run: str) -> str:
    plain = re.sub(r"\s+", "", run).rstrip("=").translate(str.maketrans("-_", "+/"))
    plain = plain[: len(plain) - 1] if len(plain) % 4 == 1 else plain
    return _utf8(base64.b64decode(plain + "=" * (-len(plain) % 4), validate=False))


def _hex(run: str) -> str:
    digits = re.sub(r"0x|\\x|[^0-9a-fA-F]", "", run)
    return _utf8(binascii.unhexlify(digits[: len(digits) // 2 * 2]))


def _percent(run: str) -> str:
    return urllib.parse.unquote_plus(run) if run.count("%") >= 3 else ""


def _escapes(run: str) -> str:
    return re.sub(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([0-7]{3}))", _character, run)


def _character(match: re.Match[str]) -> str:
    return chr(int(match[3], 8) if match[3] else int(match[1] or match[2], 16))


def _utf8(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return ""


def _readable(text: str) -> bool:
    return sum(1 for char in text if char.isprintable() or char in "\n\t") >= LEAST_READABLE * len(text)
