"""Attacks on judges and honest texts that look like them, written by hand, and the disguises that attacks come in."""

from __future__ import annotations

import base64
import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

HERE = Path(__file__).parents[1]
ROOT = HERE.parent
CORPUS = HERE / "judges" / "hostile"
CYRILLIC = str.maketrans("aceopxyi", "асеорхуі")
GREEK = str.maketrans("aovt", "αοντ")
LEET = str.maketrans("aeio", "4310")


def _mathematical(text: str) -> str:
    return "".join(
        chr(0x1D41A + ord(char.lower()) - 97) if char.isascii() and char.isalpha() else char for char in text
    )


def _bits(text: str) -> str:
    return "".join("\u200b" if bit == "1" else "\u200c" for byte in text.encode() for bit in f"{byte:08b}")


DISGUISES: dict[str, Callable[[str], str]] = {
    "plain": str,
    "zero_width": "\u200b".join,
    "joiners": "\u200d".join,
    "binary": _bits,
    "tags": lambda text: "".join(chr(0xE0000 + ord(char)) for char in text),
    "selectors": lambda text: "a" + "".join(chr(0xE0100 + byte) for byte in text.encode()),
    "bidi": lambda text: f"\u202e{text}\u202c",
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64_lines": lambda text: base64.encodebytes(text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "hex_spaced": lambda text: text.encode().hex(" "),
    "percent": lambda text: quote(text, safe="").replace("e", "%65"),
    "entities": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "escapes": lambda text: "".join(f"\\x{ord(char):02x}" for char in text),
    "cyrillic": lambda text: text.translate(CYRILLIC),
    "greek": lambda text: text.translate(GREEK),
    "fullwidth": lambda text: "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in text),
    "mathematical": _mathematical,
    "spaced": " ".join,
    "dotted": lambda text: ".".join(text.replace(" ", "")),
    "dashed": lambda text: "-".join(text.replace(" ", "")),
    "leet": lambda text: text.translate(LEET),
    "sentence_30": lambda text: " ".join([text] * 30),
    "dots": lambda text: text * 2_000,
    "newlines": lambda text: "\n" * 1_500 + text,
}
"""What becomes of the words; disguises that need the whole text are in `embedded`."""


@dataclass(frozen=True)
class Attack:
    """One line of the corpus. Of the sets, `seen` was there while the rules were written; `held` and `fresh` were met later."""

    line: int
    kind: str
    language: str
    place: str
    disguise: str
    set: str
    words: str

    def embedded(self, essay: str) -> tuple[str, int, int]:
        """The attacked essay, and where the attack begins and ends in it."""
        if self.disguise.startswith("copy_"):
            times = int(self.disguise.split("_")[1])
            copies = [essay.upper() if "case" in self.disguise and number % 2 else essay for number in range(times)]
            return "\n\n".join(copies), len(essay), times * (len(essay) + 2) - 2
        if self.disguise == "block":
            middle = _middle(essay)
            text = f"{self.words} {essay[:middle]} {self.words} {essay[middle:]} {self.words}"
            return text, 0, len(text)
        words = DISGUISES[self.disguise](self.words)
        at = {"start": 0, "middle": _middle(essay), "end": len(essay)}[self.place]
        before, after = essay[:at], essay[at:]
        gap = "\n" if words.startswith("\n") else "\n\n" if self.place == "start" else " "
        text = f"{words}{gap}{after}" if not before else f"{before}{gap}{words} {after}".rstrip(" ")
        begin = len(before) + len(gap) if before else 0
        return text, begin, begin + len(words)


def attacks() -> list[Attack]:
    """All of them."""
    return [
        Attack(line, row["kind"], row["language"], row["place"], row["disguise"], row["set"], _text(row["text"]))
        for line, row in _rows(CORPUS / "attacks.tsv")
    ]


def honest() -> list[tuple[str, str]]:
    """Honest texts that are hard to tell: what each is about, and the text."""
    return [(row["about"], _text(row["text"])) for _, row in _rows(CORPUS / "benign.tsv")]


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        yield from enumerate(rows, start=2)


def _text(cell: str | None) -> str:
    return (cell or "").replace("\\n", "\n")


def real_texts() -> list[str]:
    """The 70 texts of real people: 35 of the example, 35 beside the recorded votes."""
    with (ROOT / "examples" / "ukpconvarg1-t31" / "texts.csv").open(encoding="utf-8", newline="") as file:
        one = [row["text"] for row in csv.DictReader(file)]
    with (HERE / "reference" / "data" / "ukpconvarg1" / "items.csv").open(encoding="utf-8", newline="") as file:
        other = [row["text"] for row in csv.DictReader(file) if row["topic"] == "T24"]
    return one + other


def essays_of(number: int, words: int = 400) -> dict[str, str]:
    """Essays as long as those of an examination: texts of real people put one after the other, each begun with another one."""
    texts = real_texts()
    return {
        f"essay-{place:03d}": " ".join(
            " ".join(texts[place % len(texts) :] + texts[: place % len(texts)]).split()[:words]
        )
        for place in range(number)
    }


def _middle(essay: str) -> int:
    """After the sentence that ends nearest to the middle."""
    ends = [place + 1 for place, char in enumerate(essay) if char in ".!?"] or [0]
    return min(ends, key=lambda end: abs(end - len(essay) // 2))
