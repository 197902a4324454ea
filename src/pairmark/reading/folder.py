"""Essays from a folder of .txt, .md, .docx and .pdf files: one essay per file, its id the name without the suffix.

Sub-folders are not entered. Hidden files and other suffixes are left out and reported.
"""

from pathlib import Path

from pairmark.errors import BadRequest
from pairmark.reading.collection import MAX_CHARACTERS, Text
from pairmark.reading.documents import docx_text, pdf_text
from pairmark.reading.files import MEGABYTE, decode_utf8, read_bounded

SUFFIXES = (".txt", ".md", ".docx", ".pdf")
MAX_PLAIN = 5 * MEGABYTE
MAX_DOCUMENT = 20 * MEGABYTE
MAX_FOLDER = 1_000 * MEGABYTE


def read_folder(folder: Path) -> tuple[list[Text], list[str]]:
    """The essays of a folder in the order of their names, and the names left out; raises `BadRequest`."""
    try:
        entries = sorted(folder.iterdir())
        files = [entry for entry in entries if _is_essay(entry)]
        size = sum(file.stat().st_size for file in files if file.is_file())
    except OSError as error:
        raise BadRequest(f"{folder} cannot be read ({error.strerror}).", remedy="Check its permissions.") from error
    if not files:
        seen = (
            f" (only {', '.join(entry.name for entry in entries[:3])}{', ...' if len(entries) > 3 else ''})"
            if entries
            else ""
        )
        raise BadRequest(f"{folder} has no texts{seen}.", remedy=f"Put {', '.join(SUFFIXES)} files into it.")
    if size > MAX_FOLDER:
        raise BadRequest(f"{folder} has more than {MAX_FOLDER // MEGABYTE} MB of texts.", remedy="Split it.")
    _refuse_doubles(files)
    kept = set(files)
    return [_read(file) for file in files], [entry.name for entry in entries if entry not in kept]


def _is_essay(entry: Path) -> bool:
    # "~$" begins the lock file that Word leaves beside an open document.
    return entry.suffix.lower() in SUFFIXES and not entry.name.startswith((".", "~$")) and not entry.is_dir()


def _refuse_doubles(files: list[Path]) -> None:
    """Said before any file is read."""
    seen: dict[str, Path] = {}
    for file in files:
        if (other := seen.setdefault(file.stem, file)) is not file:
            raise BadRequest(
                f"The essay id {file.stem!r} stands twice in {file.parent}: {other.name} and {file.name}.",
                remedy="Rename one.",
            )


def _read(file: Path) -> Text:
    suffix = file.suffix.lower()
    if suffix == ".docx":
        text = docx_text(read_bounded(file, MAX_DOCUMENT), file)
    elif suffix == ".pdf":
        text = pdf_text(read_bounded(file, MAX_DOCUMENT), file, MAX_CHARACTERS)
    else:
        text = decode_utf8(read_bounded(file, MAX_PLAIN), file)
    # A name that is not UTF-8 on disk has half surrogates, which no terminal prints.
    return Text(file.stem, text, str(file).encode(errors="backslashreplace").decode())
