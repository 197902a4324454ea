import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pairmark.errors import BadRequest
from pairmark.reading.texts import read_texts

Build = Callable[[str | bytes], Path]

EXAMPLE = Path(__file__).parents[3] / "examples" / "ukpconvarg1-t31" / "texts.csv"


def pairs(path: Path, **columns: str) -> list[tuple[str, str]]:
    return [(text.essay_id, text.text) for text in read_texts(path, **columns).texts]


@pytest.mark.parametrize(
    "content",
    [
        "essay_id,text\na,one\nb,two\n",
        "Item,ESSAY\r\na,one\r\nb,two\r\n",
        "n;id;content\n1;a;one\n2;b;two\n",
        "body\tid\none\ta\ntwo\tb",
        "\ufefftext,item\none,a\n\n,\ntwo, b \n",
        "id,item,essay_id,body,text\nx,y,a,-,one\nx,y,b,-,two\n",
    ],
)
def test_id_and_text_columns_are_recognised(table: Build, content: str) -> None:
    assert pairs(table(content)) == [("a", "one"), ("b", "two")]


def test_other_columns_can_be_named(table: Build) -> None:
    path = table("text,Pupil,final\nx,a,one\ny,b,two\n")
    assert pairs(path, id_column="pupil", text_column="final") == [("a", "one"), ("b", "two")]


def test_a_text_keeps_its_lines_and_separators(table: Build) -> None:
    assert pairs(table('id,text\na,"one, ""two""\r\n\r\nthree"\n')) == [("a", 'one, "two"\r\n\r\nthree')]


def test_a_text_longer_than_the_csv_library_takes_by_default_is_read(table: Build) -> None:
    assert len(pairs(table("id,text\na," + "x" * 1_000_000))[0][1]) == 1_000_000


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Cs"]), min_size=1).filter(str.strip)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(texts=st.lists(words, min_size=1, max_size=6), separator=st.sampled_from(",;\t"))
def test_whatever_a_csv_writer_writes_is_read_back(table: Build, texts: list[str], separator: str) -> None:
    stream = io.StringIO(newline="")
    rows = [(str(number), text) for number, text in enumerate(texts)]
    csv.writer(stream, delimiter=separator).writerows([("id", "text"), *rows])
    assert pairs(table(stream.getvalue())) == rows


def test_a_score_to_compare_with_is_kept_and_may_be_missing(table: Build) -> None:
    path = table("id,text,Mark\na,one,3\nb,two, \nc,three,-1.5e1\n")
    assert [text.compare for text in read_texts(path, compare_column="mark").texts] == [3.0, None, -15.0]
    assert [text.compare for text in read_texts(path).texts] == [None] * 3


def test_the_example_has_35_texts_a_published_score_each_and_identical_ones() -> None:
    collection = read_texts(EXAMPLE, compare_column="published_rank_score")
    assert len(collection.texts) == 35
    assert all(text.compare is not None for text in collection.texts)
    assert collection.identical == (("arg167721", "arg168788"), ("arg168769", "arg168771"), ("arg168803", "arg168814"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "texts.csv is empty. The first row must name the columns."),
        ("\n\n", "texts.csv is empty."),
        ("id,text\n", "texts.csv has no texts. Each row after the header is one text."),
        ("name,text\n", "has the columns name, text, but no column of ids named essay_id or item or id. Name it with"),
        ("name,text\n", "Name it with --id-column."),
        ("id,words\n", "no column of texts named text or essay or content or body. Name it with --text-column."),
        ("id,text,ID\na,b,c\n", "texts.csv has two columns named 'id'. Rename one."),
        ("id,text\na,one\nb,two,three\n", "Row 3 of"),
        ("id,text\na,one\nb,two,three\n", "has 3 cells, but the header has 2. Put quotes around cells"),
        ("id,text\n\na\n", "texts.csv has 1 cells"),
        ('id,text\na,"one\n', "is not valid CSV (unexpected end of data). Check its quotes."),
        ('id,text\na,"one" more\n', "Row 2 of"),
        ("id,text\n ,one\n", "has no essay id. Give every text an id."),
        ("id,text\na,one\nb, \n", "texts.csv is empty. Remove it or add its text."),
        ("id,text\na,one\na,two\n", "The essay id 'a' stands twice: row 2 of"),
        ("id,text\na," + "x" * 1_000_001, "has more than 1,000,000 characters."),
        ("id,text\na," + "x" * 5_000_001, "is not valid CSV (field larger than field limit (5000000))."),
        (b"id,text\na,\xe5\n", "is not UTF-8 text: byte 0xe5 at offset 10 cannot be decoded."),
        (b"id,text\na,o\0e\n", "has a NUL byte at offset 11."),
    ],
)
def test_what_is_no_table_of_essays_is_refused_by_file_and_row(table: Build, content: str | bytes, said: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_texts(table(content))
    assert said in str(refused.value)
    assert "texts.csv" in str(refused.value)


@pytest.mark.parametrize("cell", ["good", "nan", "inf", "1,5"])
def test_a_column_that_is_not_numeric_is_refused_by_row(table: Build, cell: str) -> None:
    path = table(f'id,text,mark\na,one,1\nb,two,"{cell}"\n')
    with pytest.raises(BadRequest, match=f"Row 3 of .* has '{cell}' in mark. A column to compare with must be numeric"):
        read_texts(path, compare_column="mark")


def test_a_column_asked_for_but_missing_is_refused(table: Build) -> None:
    path = table("id,text\na,one\n")
    for option in ("id_column", "text_column", "compare_column"):
        with pytest.raises(BadRequest, match=r"has the columns id, text, but no column of .* named mark\."):
            read_texts(path, **{option: "mark"})


def test_rows_are_counted_as_a_spreadsheet_counts_them(table: Build) -> None:
    path = table('id,text\na,"one\ntwo\nthree"\n\nb, \n')
    with pytest.raises(BadRequest, match=r"row 4 of .* is empty"):
        read_texts(path)


def test_a_table_over_100_mb_is_refused_unread(table: Build) -> None:
    path = table("id,text\n")
    with path.open("r+b") as stream:
        stream.truncate(100_000_001)
    with pytest.raises(BadRequest, match=r"texts\.csv is larger than 100 MB"):
        read_texts(path)
