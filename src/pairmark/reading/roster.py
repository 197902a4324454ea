"""A list of names from a file: a CSV with columns of names, or one name a line. Taking them out of texts is in `redaction`.

The order of first and last names does not matter: every part of a name counts by itself.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from pairmark.domain.folding import fold
from pairmark.errors import BadRequest
from pairmark.reading.files import MEGABYTE, decode_utf8, read_bounded, refuse_packed

MAX_ROSTER = MEGABYTE
MAX_NAMES = 50_000
MAX_NAME = 200  # characters
NAME_COLUMNS = frozenset(
    [
        "first",
        "last",
        "middle",
        "given",
        "family",
        "preferred",
        "student",
        "pupil",
        "elev",
        "eleve",
        "schuler",
        "alumno",
        "aluno",
    ]
)
_NAME_WORDS = (
    "name names fullname firstname forename lastname surname nickname namn fornamn efternamn slaktnamn vorname nachname "
    "familienname rufname nom prenom nombre nombres apellido apellidos nome cognome sobrenome apelido "
    "navn fornavn etternavn efternavn naam voornaam achternaam imie nazwisko nimi etunimi sukunimi"
)
NAME_WORDS = frozenset(_NAME_WORDS.split())
"""One of these in the header of a column, as in `Primer apellido`: a column too many is better taken than one left out."""
MAIL_COLUMNS = frozenset(("e_post", "epost", "correo", "courriel"))
MAIL_WORDS = frozenset(("email", "mail"))
MOST_CELLS = 2
"""A line without a header: a name, or a last and a first name."""
ADDRESS = re.compile(r"([^\s@,;<>]{1,64})@[^\s@,;<>]+")


@dataclass(frozen=True)
class Roster:
    """Names as they were written, and local parts of e-mail addresses that stand beside them."""

    names: tuple[str, ...]
    mailboxes: tuple[str, ...] = ()


def read_roster(path: Path) -> Roster:
    """Read the names of `path`; raises `BadRequest` in one sentence when it is missing, too large, or holds none."""
    data = read_bounded(path, MAX_ROSTER)
    refuse_packed(data[:16], path)
    lines = [line for line in decode_utf8(data, path).splitlines() if line.strip()]
    rows = list(_rows(lines, path))
    mailboxes = {found for row in rows for cell in row for found in ADDRESS.findall(cell)}
    names = dict.fromkeys(" ".join(ADDRESS.sub(" ", " ".join(row)).split()) for row in rows)
    kept = tuple(name for name in names if any(map(str.isalpha, name)))
    if not kept and not mailboxes:
        raise BadRequest(f"{path} holds no names.", remedy="Write one name a line, or a CSV with a column `name`.")
    if len(kept) > MAX_NAMES:
        raise BadRequest(f"{path} holds {len(kept):,} names; the most is {MAX_NAMES:,}.", remedy="Split the batch.")
    if any(len(name) > MAX_NAME for name in kept):
        raise BadRequest(
            f"{path} has a name of more than {MAX_NAME} characters, so it may be no list of names.",
            remedy="Write one name a line.",
        )
    return Roster(kept, tuple(sorted(mailboxes)))


def _rows(lines: list[str], path: Path) -> Iterator[list[str]]:
    """The cells of each line that hold names or addresses."""
    if not lines:
        return
    delimiter = next((one for one in ("\t", ";", ",") if one in lines[0]), ",")
    table = csv.reader(StringIO("\n".join(lines)), delimiter=delimiter)
    try:
        cells = list(table)
    except csv.Error as error:
        raise BadRequest(f"{path} cannot be read as a CSV ({error}).", remedy="Write one name a line.") from error
    header = [re.sub(r"\W+", "_", fold(cell).strip()) for cell in cells[0]]
    wanted = [place for place, column in enumerate(header) if _is_wanted(column)]
    if wanted:
        yield from ([row[place] for place in wanted if place < len(row)] for row in cells[1:])
        return
    wide = next((number for number, row in enumerate(cells, start=1) if len(row) > MOST_CELLS), None)
    if wide is not None:
        raise BadRequest(
            f"Row {wide} of {path} has {len(cells[wide - 1])} columns, and no header says which of them are names.",
            remedy="Give the columns of names a header such as `first_name` and `last_name`.",
        )
    yield from cells


def _is_wanted(column: str) -> bool:
    """Whether a column of this header holds names or addresses."""
    return column in NAME_COLUMNS | MAIL_COLUMNS or not (NAME_WORDS | MAIL_WORDS).isdisjoint(column.split("_"))
