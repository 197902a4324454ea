"""Marks that belong to programs and not to essays: tags of roles, answers in JSON, made-up ends of the text."""

import re
from collections.abc import Iterator

from pairmark.domain.folding import Folded
from pairmark.judges.hostile.finding import Kind, Place

_TAGS = r"system|assistant|instructions?|admin|developer|verdict|judge?ment|rubric|grader|prompt"
_TURNS = r"start_of_turn|end_of_turn|end_of_text"
_TEXTS = r"(?:text|essay)[ _-]?[12ab]|essay|submission|student[ _-]?(?:text|essay|answer)"
_VALUE = r"(?:1|2|a|b|first|second|(?:text|essay|option|response)[ _]?[12ab])"
_THINGS = r"text(?:s|e|en|es|o)?|essays?|uppsats(?:en)?|aufsatz(?:es)?|ensayo|copie|redaction|document|input"
_THINGS += r"|submission|prompt|instructions?"
_BY = r"(?:of |du |de la |del |des |der |av |pa )?(?:the |student'?s? )?"
MARKS: tuple[tuple[Kind, str, str], ...] = (  # kind, what must be there at all, pattern
    ("role_tag", "|", r"<\|[a-z_]{2,30}\|?>|\|im_(?:start|end)\|"),
    ("role_tag", "[", r"\[/?(?:inst|system|sys|assistant|admin)\]"),
    ("role_tag", "<", rf"<</?sys>>|</?(?:{_TAGS}|{_TURNS})(?:\s[^<>\n]{{0,80}})?>"),
    (
        "role_tag",
        "#",
        r"^[ \t]{0,9}#{2,6} {0,3}(?:system|assistant|instruction|human|user)s?(?: prompt| message)?:?[ \t]{0,9}$"
        r"|#{2,6} {0,3}(?:system|assistant|human|user) ?:",
    ),
    (
        "role_tag",
        ":",
        r"^[ \t]{0,9}(?:system|assistant) {0,2}:[^\n]{0,100}?\b"
        r"(?:essay|text|instructions?|grader|judge|you are|du ar|du bist|tu es|eres)\b",
    ),
    (
        "json_ending",
        ":",
        r"[\"'](?:better|winner|verdict|preferred|preference|instructions_found|evidence_[12])[\"'] {0,3}:",
    ),
    (
        "json_ending",
        ":",
        rf"[\"'](?:choice|decision|answer|result|best)[\"'] {{0,3}}: {{0,3}}[\"']?{_VALUE}[\"',}}\]\s]",
    ),
    (
        "json_ending",
        "",
        rf"[bwv](?<!\w.)(?<!\w .)(?:etter|inner|erdict) {{0,3}}[:=] {{0,3}}[\"']?{_VALUE}[\"']? {{0,3}}[,.;}}]?[ \t]{{0,9}}$",
    ),
    ("delimiter", "<", rf"</?(?:{_TEXTS})>"),
    (
        "delimiter",
        "",
        rf"(?:[-=*#~<>_]{{2}}|[\[<{{(]) {{0,3}}(?:end|begin|start|ende|anfang|fin|slut|borjan|inicio)[ _]{{1,3}}"
        rf"{_BY}(?:{_THINGS})\b",
    ),
)
_MARKS = [(kind, sign, re.compile(pattern, re.MULTILINE)) for kind, sign, pattern in MARKS]
MOST = 20


def marks(folded: Folded) -> Iterator[Place]:
    """All of these marks, as spans of the folded text."""
    for kind, sign, pattern in _MARKS:
        if sign in folded.text:
            for number, match in enumerate(pattern.finditer(folded.text)):
                if number == MOST:
                    break
                yield Place(kind, *match.span())
