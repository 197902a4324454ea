"""The characters of one Word or PDF document. Hostile files are bounded: sizes, unpacked sizes, pages.

Headers, footers, footnotes, comments, deleted passages and field codes are left out. What makes an essay is decided
elsewhere.
"""

import logging
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from pairmark.errors import BadRequest
from pairmark.reading.files import MEGABYTE

MAX_UNPACKED = 50 * MEGABYTE
MAX_PARTS = 5_000
MAX_PAGES = 2_000

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MATH_TEXT = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
# The fallback of a text box repeats the text box; moveFrom is the old place of a moved passage.
_LEFT_OUT = {
    *(_W + name for name in ("del", "moveFrom", "pPr", "rPr", "sectPr")),
    "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback",
}
_SIGNS = {_W + "tab": "\t", _W + "br": "\n", _W + "cr": "\n", _W + "noBreakHyphen": "-"}


def docx_text(data: bytes, path: Path) -> str:
    """The running text of a .docx file, one line per paragraph; `path` is only named in errors."""
    with _translated(path, "Word document (.docx)"):
        import docx  # noqa: PLC0415 - slow to load, needed for Word files only

        return "".join(_pieces(docx.Document(_unpacked(data, path)).element.body)).strip("\n")


def pdf_text(data: bytes, path: Path, limit: int) -> str:
    """The text of a .pdf file, page by page; reading stops beyond `limit` characters; `path` is named in errors."""
    with _translated(path, "PDF"):
        import pypdf  # noqa: PLC0415 - slow to load, needed for PDF files only

        # The library reports each oddity of a file as a log line, which would mix with our own output.
        logging.getLogger("pypdf").setLevel(logging.CRITICAL)
        reader = pypdf.PdfReader(BytesIO(data))
        if reader.is_encrypted:
            raise BadRequest(f"{path} is encrypted.", remedy="Save it without a password and without restrictions.")
        if len(reader.pages) > MAX_PAGES:
            raise BadRequest(f"{path} has more than {MAX_PAGES} pages.", remedy="Split or shorten it.")
        text = _up_to(limit, (page.extract_text() for page in reader.pages))
    if not text.strip():
        raise BadRequest(f"{path} contains no text, perhaps it is a scan.", remedy="Run text recognition on it first.")
    return text


@contextmanager
def _translated(path: Path, kind: str) -> Iterator[None]:
    try:
        yield
    except BadRequest:
        raise
    except Exception as error:  # zipfile, lxml and pypdf let many kinds through on a broken file
        raise BadRequest(
            f"{path} cannot be read as a {kind} ({type(error).__name__}).",
            remedy="It may be damaged or protected; open it and save it again.",
        ) from error


def _unpacked(data: bytes, path: Path) -> BytesIO:
    """The same archive, not compressed: sizes are counted while unpacking, because the stated ones may lie."""
    plain = BytesIO()
    left = MAX_UNPACKED
    with zipfile.ZipFile(BytesIO(data)) as packed, zipfile.ZipFile(plain, "w") as written:
        parts = {part.filename: part for part in packed.infolist()}
        if len(parts) > MAX_PARTS:
            raise BadRequest(f"{path} has more than {MAX_PARTS} parts.", remedy="Save it again as plain text.")
        for name, part in parts.items():
            with packed.open(part) as stream:
                content = stream.read(left + 1)
            left -= len(content)
            if left < 0:
                raise BadRequest(
                    f"{path} unpacks to more than {MAX_UNPACKED // MEGABYTE} MB.",
                    remedy="Remove its pictures or save it as plain text.",
                )
            written.writestr(name, content)
    return plain


def _pieces(node: Any) -> Iterator[str]:
    for child in node.iterchildren():
        if child.tag in _LEFT_OUT:
            continue
        if child.tag in (_W + "t", _MATH_TEXT):
            yield child.text or ""
        elif child.tag in _SIGNS:
            yield _SIGNS[child.tag]
        else:
            yield from _pieces(child)
            if child.tag == _W + "p":
                yield "\n"


def _up_to(limit: int, pages: Iterator[str]) -> str:
    kept: list[str] = []
    length = 0
    for page in pages:
        kept.append(page)
        length += len(page) + 1
        if length > limit + 1:
            break
    return "\n".join(kept)
