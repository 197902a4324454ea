"""Grade scales from TOML files: those that come with Pairmark, and the user's own.

A scale file has a `name`, its `grades` lowest first, and perhaps a `pass_grade`. What grades mean is up to people.
"""

import re
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

from pairmark.domain.grades import GradeScale
from pairmark.errors import BadRequest
from pairmark.reading.files import decode_utf8, read_bounded

MAX_SCALE = 100_000  # bytes
MOST_GRADES = 50
LONGEST_GRADE = 40  # characters
LONGEST_NAME = 200
KEYS = ("name", "grades", "pass_grade")
EXAMPLE = 'grades = ["fail", "pass"]'


def shipped() -> dict[str, Path]:
    """The scales that come with Pairmark, by the name to ask for them."""
    folder = Path(str(files("pairmark.reading") / "scales"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def read_scale(asked: str) -> GradeScale:
    """A shipped scale by its name, or the scale in the file at a path; raises `BadRequest` naming file, line and remedy."""
    known = shipped()
    if asked in known:
        return _scale(asked, known[asked])
    path = Path(asked)
    if path.suffix.lower() != ".toml" and not path.exists():
        raise BadRequest(
            f"There is no scale {asked!r}; there are {', '.join(known)}.",
            remedy="Give one of these, or the path of your own scale as a .toml file.",
        )
    return _scale(path.stem, path)


def _scale(key: str, path: Path) -> GradeScale:
    text = decode_utf8(read_bounded(path, MAX_SCALE), path)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadRequest(
            f"{path} is not valid TOML: {_told(error, text)}.", remedy=f"A scale is written like {EXAMPLE}."
        ) from error
    for name in content:
        if name not in KEYS:
            raise _fault(path, text, name, f"has the unknown key {name!r}", f"The keys are {', '.join(KEYS)}.")
    grades = _grades(content, path, text)
    pass_grade = content.get("pass_grade")
    if pass_grade is not None and pass_grade not in grades:
        told = f"has the pass_grade {pass_grade!r}, which is not one of its grades"
        raise _fault(path, text, "pass_grade", told, f"Give one of {', '.join(grades)}.")
    name = content.get("name", key)
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        told = f"has a name that is no text of 1 to {LONGEST_NAME} printable characters"
        raise _fault(path, text, "name", told, 'Write it like name = "Our scale".')
    return GradeScale(key, name, grades, pass_grade)


def _grades(content: dict[str, Any], path: Path, text: str) -> tuple[str, ...]:
    grades = content.get("grades")
    remedy = f"List them, lowest first, like {EXAMPLE}."
    if grades is None:
        raise BadRequest(f"{path} has no grades.", remedy=remedy)
    if not isinstance(grades, list) or not 2 <= len(grades) <= MOST_GRADES:
        raise _fault(path, text, "grades", f"must have a list of 2 to {MOST_GRADES} grades", remedy)
    for grade in grades:
        if not isinstance(grade, str) or not grade.strip() or len(grade) > LONGEST_GRADE or not grade.isprintable():
            told = f"has the grade {grade!r}, which is not a text of 1 to {LONGEST_GRADE} printable characters"
            raise _fault(path, text, "grades", told, 'Put each grade in quotes, like "5".')
    named = [grade.strip() for grade in grades]
    folded = [grade.casefold() for grade in named]
    for grade in named:
        if folded.count(grade.casefold()) > 1:
            raise _fault(path, text, "grades", f"lists the grade {grade!r} twice", "Keep one.")
    return tuple(named)


def _fault(path: Path, text: str, key: str, told: str, remedy: str) -> BadRequest:
    match = re.search(rf"^\s*{re.escape(key)}\s*=", text, flags=re.MULTILINE)
    line = text.count("\n", 0, match.end()) + 1 if match else 1
    return BadRequest(f"Line {line} of {path} {told}.", remedy=remedy)


def _told(error: tomllib.TOMLDecodeError, text: str) -> str:
    sentence = str(error).replace("at end of document", f"at the end, line {len(text.splitlines()) or 1}")
    return sentence[:1].lower() + sentence[1:]
