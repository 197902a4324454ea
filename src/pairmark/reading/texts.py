"""The one way in for essays: a folder or a CSV becomes a checked collection.

Formats and rules are in the modules beside this one; nothing is stored here.
"""

from pathlib import Path

from pairmark.errors import BadRequest
from pairmark.reading.collection import Text, TextCollection, collect
from pairmark.reading.essay_table import read_essay_table
from pairmark.reading.folder import SUFFIXES, read_folder

__all__ = ["Text", "TextCollection", "read_texts"]

TABLES = (".csv", ".tsv")


def _exists(path: Path) -> bool:
    """Whether something is there; a name that the system cannot look up is not."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def read_texts(
    path: Path, *, id_column: str | None = None, text_column: str | None = None, compare_column: str | None = None
) -> TextCollection:
    """Read essays from a folder of .txt, .md, .docx and .pdf files or from a CSV with ids and texts.

    In a CSV the columns essay_id, item or id and text, essay, content or body are recognised in this order; the
    arguments name others. `compare_column` names a column of numbers, kept beside each text; empty cells become None.
    One text is a collection too. Raises `BadRequest` with one sentence naming file, row and remedy.
    """
    if not _exists(path):
        raise BadRequest(f"{path} does not exist.", remedy="Check the path.")
    if path.is_dir():
        if id_column or text_column or compare_column:
            raise BadRequest(f"{path} is a folder and has no columns.", remedy="Name columns for a CSV only.")
        texts, ignored = read_folder(path)
        return collect(texts, ignored)
    if path.suffix.lower() not in TABLES:
        hint = "Give its folder instead." if path.suffix.lower() in SUFFIXES else "Check the path."
        raise BadRequest(f"{path} is neither a folder nor a CSV file.", remedy=hint)
    return collect(read_essay_table(path, id_column=id_column, text_column=text_column, compare_column=compare_column))
