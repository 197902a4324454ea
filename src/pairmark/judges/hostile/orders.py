"""Words that tell a judge what to do, or speak with an authority that a text does not have.

Patterns run over the letters of `words`, one letter a word, so that they hold for every language and need no backtracking over
text. Chinese has no spaces between words; it has patterns of its own.
"""

import re
from collections.abc import Iterator

from pairmark.domain.folding import Folded
from pairmark.judges.hostile.chinese import ANY, PATTERNS
from pairmark.judges.hostile.finding import Kind, Place
from pairmark.judges.hostile.words import TOKEN, Letters

_GO = r"(?<![^|,:\"P&d].)"  # the word before begins a request: it stands after a stop, a comma, "please", "must", "and"
_HEAD = r"(?<![^|,].)"  # the word before begins a line or a clause
_MINE = r"(?:D[^|]?[Tw]|U)"
_ONE = r"(?:T[Oo]|o[Tw])"
_MODEL = r"(?<!j)(?:J|lL|L[^|]?l|x[^|]?[HuL]|[Hu][^|]?x|k[uL])"
_TOLD = r"(?:[Qu][^|]{0,2}[NnB]|[NnB][^|]{0,3}Q|A[^|]{0,2}N|B|kn|v[^|]?Q)"
ORDERS: tuple[tuple[Kind, str], ...] = (
    ("instruction", rf"[Vp]{_GO}[^|]{{0,4}}{_TOLD}|y[^|]{{0,3}}[Vp][^|]{{0,4}}{_TOLD}|I[^|]{{0,4}}{_TOLD}"),
    ("instruction", rf"(?:z[^|]?f|f[^|]{{0,2}}z)[^|]{{0,3}}{_TOLD}|f[^|]{{0,3}}B[^|]{{0,2}}z"),
    ("instruction", rf"[Cc]{_GO}[^|]{{0,2}}{_MINE}"),
    ("instruction", rf"P[^|]?[Cc][^|]{{0,3}}(?:T[Oo]|oT)|[Cc]{_GO}[^|]{{0,2}}{_ONE}[^|]{{0,3}}S"),
    ("instruction", rf"[Gg]{_GO}[^|]{{0,3}}{_MINE}[^|]{{0,4}}(?:S|9(?=[|,:\"]|$))"),
    (
        "instruction",
        rf"[Gg]{_GO}[^|]{{0,3}}S[^|]?[Mgb][^|]{{0,3}}{_MINE}",
    ),
    ("instruction", rf"[Gg]{_GO}[^|]?[De][^|]{{0,2}}S[^|]?[Mgb]"),
    ("instruction", rf"{_MINE}[^|]?d[^|]{{0,2}}[XW]|{_MINE}d[^|]?S|d[^|]{{0,2}}W[^|]{{0,2}}{_MINE}|{_MINE}W(?!z)"),
    ("instruction", rf"{_MINE}[^|]{{0,2}}(?:[^|]{{0,2}}S[^|]?X|X[^|]{{0,3}}S)"),
    (
        "instruction",
        rf"S[Tw][^|]?=[^|]{{0,2}}(?:{_MINE}|T[^|]?[OD])|ST=O|[7w]=TO|A7d.{{0,4}}[TO]|TO(?:=[^|]?S(?=[|,:\"]|$)|W)",
    ),
    ("instruction", rf"[Rrw]{_GO}[^|]{{0,2}}[Ph][^|]{{0,3}}O(?=[|,:\"&]|$)"),
    ("instruction", rf"t[^|]{{0,4}}{_MODEL}[^|]{{0,6}}[:,|].{{0,25}}(?:{_MINE}|(?<=[|,:\"P&])[CcGgVp])"),
    ("instruction", rf"(?<![^|,]){_MODEL}H?:|[mNb][^|]?t[^|]{{0,3}}(?:{_MODEL}|[HL])[^|]{{0,3}}:"),
    ("instruction", rf"[Rrw]{_GO}[^|]{{0,4}}{_MINE}[^|]{{0,3}}S|[dy][^|]{{0,2}}[Rrw][^|]{{0,4}}{_MINE}[^|]{{0,3}}S"),
    (
        "instruction",
        rf"[Rr]{_GO}[^|]?wO|5[^|]{{0,2}}A?[NB].{{0,6}}{_MINE}",
    ),
    ("instruction", rf"P[^|]?[Rrw][^|]{{0,6}}{_MINE}|AZ[^|]?s|As=P|(?:y=|E)P[^|]{{0,3}}[HJ]"),
    ("instruction", rf"q[^|]?(?:y|E)[^|]{{0,3}}{_MODEL}.{{0,14}}(?:{_MINE}|{_ONE}|(?<=[|,:\"Pd&])[CcGgVpRw])"),
    ("authority", r"a[^|]{0,4}[Hu][^|]{0,2}(?:i[^|]{0,2}c|ci|K)"),
    ("authority", r"H[^|]{0,2}ci|[ie][=f,][^|]{0,4}[Hu][^|]{0,8}[cK](?=.{0,14}[TwUS])|i[^|]{0,6}K(?=.{0,8}[TwUS])"),
    ("authority", rf"[Hu][^|]{{0,5}}[FX][^|]{{0,2}}{_MINE}|8{_HEAD}7[^|:]{{0,2}}:"),
    ("authority", rf"{_MINE}[^|]{{0,4}}[FX][^|]{{0,4}}[uH]|{_MINE}[^|]{{0,3}}F[^|]{{0,3}}S"),
    ("authority", rf"[YumM]{_HEAD}(?:(?<=Y)|(?<=u)[mNbp]|(?<=[mM])[^|]{{0,2}}u)[^|:]{{0,2}}:|u{_HEAD}4"),
    ("authority", rf"Z{_HEAD}[^|]?N[^|:]{{0,2}}:"),
)
_ORDERS = [(kind, re.compile(pattern)) for kind, pattern in ORDERS]
SPELT = re.compile(r"(?<![^\W_])[^\W\d_](?:[ .\-_*·|]{1,3}[^\W\d_]){4,}(?![^\W_])")
TOGETHER = re.compile(
    "(?:ignor(?:e|era|iere|ieren|ez|a)|disregard|forget)(?:all|alla|alle|any|your|the|toutesles|todaslas)?.{0,10}"
    "(?:instruction|instruktion|anweisung|instruccion|consigne|rubric|prompt)"
    "|(?:choose|pick|select|prefer)(?:this|my)(?:text|essay|answer)|give(?:this|my)(?:text|essay|answer)"
    "|valj(?:denhar|min)(?:text|uppsats)|wahle(?:diesen|meinen)(?:text|aufsatz)|(?:elige|escoge)(?:este|mi)(?:texto|ensayo)"
    "|(?:choisi(?:s|ssez))(?:ce|mon)texte"
)
MOST = 20
"""Findings of one pattern; a text full of them needs no more."""
QUOTABLE = 2
"""So many patterns at the head of `ORDERS` speak of instructions only and not of the verdict."""


def orders(folded: Folded) -> Iterator[Place]:
    """Instructions and claims of authority, in any of the languages, also where letters stand apart."""
    text = folded.text
    letters = "".join(map(Letters().__getitem__, TOKEN.findall(text)))
    found = [(number, match.span()) for number, (_, pattern) in enumerate(_ORDERS) for match in _some(pattern, letters)]
    if found:
        spans = [match.span() for match in TOKEN.finditer(text)]
        for number, (start, end) in found:
            yield Place(_ORDERS[number][0], spans[start][0], spans[end - 1][1], number < QUOTABLE)
    for kind, pattern in PATTERNS if ANY.search(text) else ():
        for match in _some(pattern, text):
            yield Place(kind, *match.span())
    for match in _some(SPELT, text):
        if TOGETHER.search("".join(filter(str.isalpha, match[0]))):
            yield Place("instruction", *match.span())


def _some(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    for number, match in enumerate(pattern.finditer(text)):
        if number == MOST:
            return
        yield match
