"""Documents as people hand them over, built from scratch."""

from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import docx
import pytest

Pages = Sequence[str | None]


@pytest.fixture
def docx_bytes() -> Callable[..., bytes]:
    """A Word document with these paragraphs."""

    def build(*paragraphs: str) -> bytes:
        document, stream = docx.Document(), BytesIO()
        for paragraph in paragraphs:
            document.add_paragraph(paragraph)
        document.save(stream)
        return stream.getvalue()

    return build


@pytest.fixture
def pdf_bytes() -> Callable[..., bytes]:
    """A PDF with one line of text per page (None: a page without text), written by hand after ISO 32000-1, 7.5."""

    def build(*pages: str | None, trailer: str = "") -> bytes:
        kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
        objects = [
            "<< /Type /Catalog /Pages 2 0 R >>",
            f"<< /Type /Pages /Count {len(pages)} /Kids [{kids}] >>",
            "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        ]
        for number, page in enumerate(pages):
            drawn = "" if page is None else f"BT /F1 12 Tf 72 720 Td ({page}) Tj ET"
            objects += [
                f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * number} 0 R "
                "/Resources << /Font << /F1 3 0 R >> >> >>",
                f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream",
            ]
        body, offsets = b"%PDF-1.4\n", []
        for number, content in enumerate(objects, start=1):
            offsets.append(len(body))
            body += f"{number} 0 obj\n{content}\nendobj\n".encode("latin-1")
        table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
        size = len(objects) + 1
        end = f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R {trailer} >>\n"
        return body + f"{end}startxref\n{len(body)}\n%%EOF\n".encode("latin-1")

    return build


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """A folder with these files."""

    def build(**files: str | bytes) -> Path:
        place = tmp_path / "essays"
        place.mkdir()
        for name, content in files.items():
            data = content if isinstance(content, bytes) else content.encode()
            (place / name.replace("__", ".")).write_bytes(data)
        return place

    return build


@pytest.fixture
def table(tmp_path: Path) -> Callable[[str | bytes], Path]:
    """A CSV with this content."""

    def build(content: str | bytes) -> Path:
        path = tmp_path / "texts.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return build
