from collections.abc import Callable
from pathlib import Path

import pytest

from pairmark.errors import BadRequest
from pairmark.reading.texts import read_texts

Build = Callable[..., Path]
Bytes = Callable[..., bytes]


def test_four_kinds_of_files_become_essays_named_by_their_stems(
    folder: Build, docx_bytes: Bytes, pdf_bytes: Bytes
) -> None:
    place = folder(d__pdf=pdf_bytes("On rain"), a__txt="On wind", c__DOCX=docx_bytes("On", "snow"), b__md="# On *fog*")
    collection = read_texts(place)
    assert [(text.essay_id, text.text) for text in collection.texts] == [
        ("a", "On wind"),
        ("b", "# On *fog*"),
        ("c", "On\nsnow"),
        ("d", "On rain"),
    ]
    assert [text.source for text in collection.texts] == [str(place / n) for n in ("a.txt", "b.md", "c.DOCX", "d.pdf")]
    assert [text.compare for text in collection.texts] == [None] * 4
    assert collection.ignored == ()


def test_hidden_files_other_suffixes_and_sub_folders_are_ignored_and_reported(folder: Build) -> None:
    place = folder(a__txt="x", notes__rtf="x", __hidden__txt="x", **{"~$a__docx": "x"})
    (place / "drafts.txt").mkdir()
    (place / "drafts.txt" / "b.txt").write_text("x")
    collection = read_texts(place)
    assert [text.essay_id for text in collection.texts] == ["a"]
    assert collection.ignored == (".hidden.txt", "drafts.txt", "notes.rtf", "~$a.docx")


def test_one_text_is_a_collection(folder: Build) -> None:
    assert len(read_texts(folder(only__txt="alone")).texts) == 1


def test_a_byte_order_mark_is_no_part_of_the_text(folder: Build) -> None:
    assert read_texts(folder(a__txt=b"\xef\xbb\xbfHej")).texts[0].text == "Hej"


def test_identical_texts_are_grouped_after_normalising_and_folding_white_space(folder: Build) -> None:
    place = folder(
        a__txt="Caf\u00e9  au\nlait", b__txt="other", c__md=" Cafe\u0301 au lait\n", d__txt="OTHER", e__txt="other "
    )
    collection = read_texts(place)
    assert collection.identical == (("a", "c"), ("b", "e"))
    assert collection.texts[2].text == " Cafe\u0301 au lait\n"


def test_the_digest_changes_with_ids_and_texts_but_not_with_the_kind_of_source(
    folder: Build, table: Build, tmp_path: Path
) -> None:
    place = folder(b__txt="two", a__md="one")
    digest = read_texts(place).digest
    assert read_texts(table("item,text\nb,two\na,one\n")).digest == digest
    changed = {read_texts(table(f"item,text\n{rows}\n")).digest for rows in ("a,one", "a,two\nb,one", "ab,one\nb,two")}
    assert len(changed | {digest}) == 4


def test_a_text_of_a_million_characters_is_accepted(folder: Build) -> None:
    assert len(read_texts(folder(a__txt="å" * 1_000_000)).texts[0].text) == 1_000_000


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, r"essays has no texts\. Put \.txt, \.md, \.docx, \.pdf files into it\."),
        ({"a__odt": "x"}, "essays has no texts"),
        ({"a__txt": ""}, r"a\.txt is empty\. Remove it or add its text\."),
        ({"a__txt": " \n\t\u00a0\u200b"}, r"a\.txt is empty"),
        ({"a__txt": b"abc\xe5\xe4"}, r"a\.txt is not UTF-8 text: byte 0xe5 at offset 3 .* encoding UTF-8\."),
        ({"a__md": b"\xef\xbb\xbfa\xff"}, r"a\.md is not UTF-8 text: byte 0xff at offset 4"),
        ({"a__txt": "hello".encode("utf-16")}, r"a\.txt is not UTF-8 text: byte 0xff at offset 0"),
        ({"a__txt": b"a\0b"}, r"a\.txt has a NUL byte at offset 1"),
        ({"a__txt": "x" * 1_000_001}, r"a\.txt has more than 1,000,000 characters"),
        ({"a__txt": b"\xf0\x9f\x98\x80" * 1_250_001}, r"a\.txt is larger than 5 MB"),
        ({"a__txt": "x", "a__md": "y"}, r"The essay id 'a' stands twice in .*essays: a\.md and a\.txt\. Rename one\."),
        ({"x" * 201 + "__txt": "x"}, "has an essay id that is not usable"),
        ({"a\nb__txt": "x"}, r"not usable \('a\\nb'\)"),
    ],
)
def test_what_is_no_essay_is_refused_by_name(folder: Build, files: dict[str, str | bytes], said: str) -> None:
    with pytest.raises(BadRequest, match=f"(?s){said}"):
        read_texts(folder(**files))


def test_a_name_that_is_not_utf8_is_refused_in_printable_words(folder: Build) -> None:
    place = folder()
    (place / b"b\xe5t.txt".decode("utf-8", "surrogateescape")).write_text("x")
    with pytest.raises(BadRequest, match="not usable") as refused:
        read_texts(place)
    assert str(refused.value).encode()


def test_a_dangling_link_is_refused_by_name(folder: Build) -> None:
    place = folder()
    (place / "a.txt").symlink_to("nowhere")
    with pytest.raises(BadRequest, match=r"a\.txt is a link that leads to no file"):
        read_texts(place)


def test_paths_that_are_neither_folder_nor_csv_are_refused(folder: Build) -> None:
    place = folder(a__txt="x", b__bin="x")
    for path, said in (
        (place / "c", "c does not exist. Check the path."),
        (place / "a.txt", "a.txt is neither a folder nor a CSV file. Give its folder instead."),
        (place / "b.bin", "b.bin is neither a folder nor a CSV file."),
    ):
        with pytest.raises(BadRequest) as refused:
            read_texts(path)
        assert said in str(refused.value)


@pytest.mark.parametrize("option", ["id_column", "text_column", "compare_column"])
def test_columns_are_refused_for_a_folder(folder: Build, option: str) -> None:
    with pytest.raises(BadRequest, match="is a folder and has no columns"):
        read_texts(folder(a__txt="x"), **{option: "x"})
