import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import docx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from pairmark.errors import BadRequest
from pairmark.reading.documents import MAX_PAGES, MAX_PARTS, MAX_UNPACKED, docx_text, pdf_text

Bytes = Callable[..., bytes]
WORD, PDF = Path("a.docx"), Path("a.pdf")


def saved(document: docx.document.Document) -> bytes:
    stream = BytesIO()
    document.save(stream)
    return stream.getvalue()


def with_part(data: bytes, name: str, content: bytes) -> bytes:
    stream = BytesIO(data)
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return stream.getvalue()


def test_paragraphs_tables_tabs_and_line_breaks_are_read() -> None:
    document = docx.Document()
    document.add_paragraph("First\tline\nbroken")
    document.add_table(1, 2).rows[0].cells[1].text = "cell"
    document.add_paragraph("Last åäö")
    document.sections[0].header.paragraphs[0].text = "Name of the pupil"
    assert docx_text(saved(document), WORD).split("\n") == ["First\tline", "broken", "", "cell", "Last åäö"]


def test_inserted_passages_count_and_deleted_or_moved_ones_do_not() -> None:
    document = docx.Document()
    run = "<w:r><w:t>{}</w:t></w:r>"
    changes = (
        f"<w:p {nsdecls('w')}>" + run.format("kept ") + f"<w:ins w:id='1' w:author='x'>{run.format('added')}</w:ins>"
        "<w:del w:id='2' w:author='x'><w:r><w:delText>dropped</w:delText></w:r></w:del>"
        f"<w:moveFrom w:id='3' w:author='x'>{run.format('old place')}</w:moveFrom>"
        f"<w:sdt><w:sdtContent>{run.format(' in a field')}</w:sdtContent></w:sdt></w:p>"
    )
    document.element.body.insert(0, parse_xml(changes))
    assert docx_text(saved(document), WORD) == "kept added in a field"


def test_a_zip_bomb_is_refused_by_what_it_unpacks_to(docx_bytes: Bytes) -> None:
    bomb = with_part(docx_bytes("x"), "word/media/image.bmp", bytes(MAX_UNPACKED))
    assert len(bomb) < MAX_UNPACKED / 100
    with pytest.raises(BadRequest, match=r"a\.docx unpacks to more than 50 MB"):
        docx_text(bomb, WORD)


def test_a_zip_bomb_that_lies_about_its_size_is_refused(docx_bytes: Bytes) -> None:
    size = MAX_UNPACKED + 7
    bomb = with_part(docx_bytes("x"), "word/media/image.bmp", bytes(size))
    lying = bomb.replace(size.to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    assert lying != bomb
    with pytest.raises(BadRequest, match=r"a\.docx cannot be read as a Word document"):
        docx_text(lying, WORD)


def test_an_archive_of_too_many_parts_is_refused(docx_bytes: Bytes) -> None:
    stream = BytesIO(docx_bytes("x"))
    with zipfile.ZipFile(stream, "a") as archive:
        for number in range(MAX_PARTS):
            archive.writestr(str(number), b"")
    with pytest.raises(BadRequest, match="has more than 5000 parts"):
        docx_text(stream.getvalue(), WORD)


def test_entities_are_not_expanded(docx_bytes: Bytes) -> None:
    stream = BytesIO()
    with zipfile.ZipFile(BytesIO(docx_bytes("harmless"))) as old, zipfile.ZipFile(stream, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "word/document.xml":
                content = content.replace(b"<w:document", b'<!DOCTYPE d [<!ENTITY e "boom">]><w:document', 1)
                content = content.replace(b"harmless", b"&e;harmless")
            new.writestr(name, content)
    assert "boom" not in docx_text(stream.getvalue(), WORD)


@pytest.mark.parametrize("data", [b"", b"\xd0\xcf\x11\xe0 old or protected", b"PK\x03\x04 cut"])
def test_what_is_no_word_document_is_refused(data: bytes) -> None:
    with pytest.raises(BadRequest, match=r"a\.docx cannot be read as a Word document .* open it and save it again"):
        docx_text(data, WORD)


def test_a_zip_of_something_else_is_refused() -> None:
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("readme.txt", "x")
    with pytest.raises(BadRequest, match="cannot be read as a Word document"):
        docx_text(stream.getvalue(), WORD)


def test_pages_of_a_pdf_are_read_in_order(pdf_bytes: Bytes) -> None:
    assert pdf_text(pdf_bytes("First page", None, "Third page"), PDF, 1000) == "First page\n\nThird page"


def test_reading_a_pdf_stops_beyond_the_limit(pdf_bytes: Bytes) -> None:
    text = pdf_text(pdf_bytes(*["ten chars."] * 50), PDF, 25)
    assert 25 < len(text) < 50


def test_a_pdf_without_text_is_called_a_scan(pdf_bytes: Bytes) -> None:
    with pytest.raises(BadRequest, match=r"a\.pdf contains no text, perhaps it is a scan\. Run text recognition"):
        pdf_text(pdf_bytes(None, None), PDF, 1000)


def test_an_encrypted_pdf_is_refused(pdf_bytes: Bytes) -> None:
    key = "<" + "00" * 32 + ">"
    lock = f"/Encrypt << /Filter /Standard /V 1 /R 2 /O {key} /U {key} /P -4 >> /ID [<00> <00>]"
    with pytest.raises(BadRequest, match=r"a\.pdf is encrypted\. Save it without a password"):
        pdf_text(pdf_bytes("secret", trailer=lock), PDF, 1000)


def test_a_pdf_of_too_many_pages_is_refused(pdf_bytes: Bytes) -> None:
    with pytest.raises(BadRequest, match="has more than 2000 pages"):
        pdf_text(pdf_bytes(*[None] * (MAX_PAGES + 1)), PDF, 1000)


@pytest.mark.parametrize("data", [b"", b"hello", b"%PDF-1.4\nnothing follows"])
def test_what_is_no_pdf_is_refused(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(BadRequest, match=r"a\.pdf cannot be read as a PDF"):
        pdf_text(data, PDF, 1000)
    assert not caplog.records
