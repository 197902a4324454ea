"""Judgements from every known form, from named columns, and everything that can be wrong with a row."""

import csv
import gzip
import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pairmark.errors import BadRequest
from pairmark.reading import judgement_columns, judgements
from pairmark.reading.judgement_forms import FORMS
from pairmark.reading.judgements import Columns, Judgements, read_judgements
from pairmark.report.tables import JUDGEMENT_COLUMNS, judgements_csv
from support.sizes import size

Build = Callable[[str | bytes], Path]

SANGWIN = Path(__file__).parents[2] / "reference" / "data" / "sangwin2021" / "judgement_data.csv"
VOTES = Path(__file__).parents[3] / "examples" / "ukpconvarg1-t31" / "votes.csv"

EXAMPLES = {
    "No More Marking": "judgeName,timeTaken,chosen,notChosen,createdAt\nj1,9120,a,b,29/04/2020 10:35\nj2,21212,a,c,x\n",
    "candidates": "judge,candidate_chosen,candidate_not_chosen,time_taken\nj1,a,b,9.12\nj2,a,c,21.212\n",
    "Moodle": "JudgeID,Won,Lost,TimeTaken\nj1,a,b,9.12\nj2,a,c,21.212\n",
    "winner and loser": "winner;loser;judge;time\na;b;j1;9,12\na;c;j2;21,212\n",
    "Comproved": "assessor,representations.a,representations.b,data.selection,duration\nj1,a,b,a,9.12\nj2,c,a,a,21.212\n",
    "sirt": "id1\tid2\tresult\tjudge\ttime\na\tb\t1\tj1\t9.12\nc\ta\t0\tj2\t21.212\n",
    "votes": "judge,left,right,vote,seconds\nj1,a,b,left,9.12\nj2,c,a,RIGHT,21.212\n",
    "pairmark": ",".join(JUDGEMENT_COLUMNS)
    + "\n1,1,a,b,first,false,j1,verdict,true,2026,9120\n2,1,c,a,second,false,j2,verdict,true,2026,21212\n",
}


def rows(found: Judgements) -> list[tuple[str, str, float]]:
    """First, second and outcome, turned so that the winner of a decided row stands first."""
    ends = [(found.items[i], found.items[j]) for i, j in zip(found.first, found.second, strict=True)]
    return [
        (a, b, 1.0) if o == 1 else (b, a, 1.0) if o == 0 else (*sorted((a, b)), o)
        for (a, b), o in zip(ends, found.outcome.tolist(), strict=True)
    ]


def test_every_form_has_its_example() -> None:
    assert set(EXAMPLES) == {form.name for form in FORMS}


@pytest.mark.parametrize("form", EXAMPLES)
def test_the_known_forms_are_recognised_by_their_header(table: Build, form: str) -> None:
    found = read_judgements(table(EXAMPLES[form]))
    assert found.form == form
    assert rows(found) == [("a", "b", 1.0), ("a", "c", 1.0)]
    assert [found.judges[index] for index in found.judge] == ["j1", "j2"]
    np.testing.assert_allclose(found.seconds, [9.12, 21.212], rtol=1e-6)
    assert found.notes == ()


def test_columns_can_be_named(table: Build) -> None:
    path = table("who;better;worse;took\nj1;a;b;3000\nj2;a;c;4000\n")
    columns = Columns(first="better", second="worse", judge="who", time="took", unit="ms")
    found = read_judgements(path, columns=columns)
    assert rows(found) == [("a", "b", 1.0), ("a", "c", 1.0)]
    assert found.seconds.tolist() == [3, 4]


@pytest.mark.parametrize(
    "content",
    [
        "a,b,left\nc,a,RIGHT\nb,c,tie\n",
        "a,b,1\nc,a,0\nb,c,0.5\n",
        "a,b,a\nc,a,b\nb,c,tie\n",
        "a,b,a\nc,a,a\nb,c,tie\n",
    ],
)
def test_named_votes_are_words_throughout_or_ids_throughout(table: Build, content: str) -> None:
    """The last two: sides called a and b, and texts called a, b and c, told apart by what fits every row."""
    found = read_judgements(table(f"x,y,said\n{content}"), columns=Columns(first="x", second="y", vote="said"))
    assert rows(found) == [("a", "b", 1.0), ("a", "c", 1.0), ("b", "c", 0.5)]


def test_a_file_that_begins_with_ties_is_decided_later(table: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judgement_columns, "ROWS", 2)
    for last, won in (("left", ("a", "b", 1.0)), ("b", ("b", "a", 1.0))):
        found = read_judgements(table(f"left,right,vote\na,b,tie\na,b,tie\na,b,{last}\n"))
        assert rows(found)[-1] == won


def test_words_and_ids_in_one_file_are_refused(table: Build) -> None:
    with pytest.raises(BadRequest, match=r"Row 3 of .* has the winner 'c'.*throughout one of the two ids"):
        read_judgements(table("left,right,vote\na,b,left\nc,a,c\nc,b,right\n"))


def test_real_sessions_are_read_and_told_apart() -> None:
    found = read_judgements(SANGWIN, where=[("dimension", "rigour")])
    assert (len(found), len(found.items), len(found.judges), found.seats) == (438, 13, 24, False)
    votes = read_judgements(VOTES)
    assert len(votes) == 2973
    assert 5 < np.nanmedian(votes.seconds) < 600
    assert votes.notes == ()


def test_times_come_from_begin_and_end_where_there_is_no_duration(table: Build) -> None:
    content = (
        "left,right,vote,accepted_utc,submitted_utc\na,b,left,2016-02-27 17:43:46,2016-02-27 17:44:50\na,b,left,,\n"
    )
    found = read_judgements(
        table(content + "a,b,left,2016-02-27 17:43:46,soon\na,b,left,2016-02-27 17:43:46,2016-02-26\n")
    )
    np.testing.assert_array_equal(found.seconds, [64, np.nan, np.nan, np.nan])
    assert "2 times are not finite numbers of seconds (the first is 'soon' in row 4)" in found.notes[0]


def test_our_own_judgements_come_back_as_shown_with_guarded_names_and_only_what_counts(table: Build) -> None:
    row = {"comparison": 1, "wave": 1, "swapped": False, "kind": "verdict", "recorded_at": "", "response_time_ms": 5}
    written = [
        {**row, "first": "=1+1", "second": "b", "winner": "first", "judge": "j", "counted": True},
        {**row, "first": "=1+1", "second": "b", "winner": "first", "judge": "j", "swapped": True, "counted": True},
        {**row, "first": "=1+1", "second": "b", "winner": "tie", "judge": "j", "counted": False},
    ]
    found = read_judgements(table(judgements_csv(written)))
    assert found.items == ("=1+1", "b")
    assert found.first.tolist() == [0, 1]
    assert found.outcome.tolist() == [1.0, 0.0]
    assert "1 rows are marked as not counted" in found.notes[0]


@pytest.mark.parametrize(
    "content",
    [
        "won,lost\nÅsa,Bø\n".encode("utf-8-sig"),
        "won,lost\nÅsa,Bø\n".encode("utf-16"),
        "won,lost\r\nÅsa,Bø\r\n".encode(),
    ],
)
def test_unicode_files_are_read_whatever_their_encoding(table: Build, content: bytes) -> None:
    found = read_judgements(table(content))
    assert found.items == ("Åsa", "Bø")
    assert found.notes == ()


def test_lines_of_another_encoding_are_read_and_told(table: Build) -> None:
    content = "won,lost\nÅsa,b\n".encode() + "Åsa,c\n".encode("cp1252") + "b,ö\n".encode()
    found = read_judgements(table(content))
    assert rows(found) == [("Åsa", "b", 1.0), ("Åsa", "c", 1.0), ("b", "ö", 1.0)]
    assert "1 lines are not UTF-8 (the first is line 3)" in found.notes[0]


def test_bytes_that_no_code_page_has_still_tell_texts_apart(table: Build) -> None:
    found = read_judgements(table(b"won,lost\n\x81,\x8d\n\xe5,\x81\n"))
    assert set(found.items) == {"\x81", "\x8d", "å"}


def test_lines_that_end_as_on_old_macs_are_read_in_every_encoding(table: Build) -> None:
    for encoding in ("utf-8", "utf-16", "cp1252"):
        found = read_judgements(table("won,lost\rÅsa,b\rb,c\r".encode(encoding)))
        assert rows(found) == [("Åsa", "b", 1.0), ("b", "c", 1.0)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "cp1252"])
def test_a_file_cut_off_inside_its_last_id_is_told(table: Build, encoding: str) -> None:
    bom = "\ufeff" if encoding == "utf-16-le" else ""
    whole = f"{bom}won,lost\nåsa,essay12\nessay12,åsa\nåsa,essay12"
    assert "cut off" not in " ".join(read_judgements(table(whole.encode(encoding))).notes)
    assert "cut off" not in " ".join(read_judgements(table(f"{whole[:-1]}\n".encode(encoding))).notes)
    notes = read_judgements(table(whole[:-1].encode(encoding))).notes
    assert "The last row (4) has no line end and names 'essay1', which stands nowhere else" in notes[-1]


def test_copies_of_rows_are_kept_and_counted_aloud(table: Build) -> None:
    found = read_judgements(table("judge,won,lost\nj,a,b\nj,a,b\nj,b,c\nj,a,b\n"))
    assert len(found) == 4
    assert "2 of 4 rows are exact copies" in found.notes[0]


@pytest.mark.parametrize("cell", ["inf", "nan", "-3", "44I", "1e999"])
def test_a_broken_time_costs_the_time_and_not_the_judgement(table: Build, cell: str) -> None:
    found = read_judgements(table(f"won,lost,timetaken\na,b,5\nb,c,{cell}\nc,a,\n"))
    assert len(found) == 3
    assert found.seconds[0] == 5
    assert np.isnan(found.seconds[1:]).all()
    assert f"1 times are not finite numbers of seconds (the first is '{cell}' in row 3)" in found.notes[0]


def test_milliseconds_taken_for_seconds_are_noticed(table: Build) -> None:
    notes = read_judgements(table("won,lost,timetaken\na,b,5000\nb,c,9000\n")).notes
    assert "--time-unit ms" in notes[0]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("won,lost\na,b\nc,c\n", r"Row 3 of .* compares 'c' with itself"),
        ("won,lost\na,b\n\na,\n", r"Row 4 of .* lacks the id of a text"),
        (
            "left,right,vote\na,b,left\na,b,z\n",
            r"Row 3 of .* has the winner 'z'. A winner is left, right, tie, or throughout",
        ),
        ("id1,id2,result\na,b,2\n", r"Row 2 of .* has the winner '2'. A winner is 1"),
        ("won,lost,weight\na,b,1\na,b,-1\n", r"Row 3 of .* has the weight '-1'"),
        ("won,lost,weight\na,b,0\na,b,1e12\n", r"Row 3 of .* has the weight '1e12'"),
        ("won,lost,weight\na,b,1e-300\n", r"Row 2 of .* has the weight '1e-300'.*from 1e-09 to 1e\+09"),
        ("won,lost,weight\na,b,inf\n", r"Row 2 of .* has the weight 'inf'"),
        ("won,lost,weight\na,b,\n", r"Row 2 of .* has the weight ''"),
        ("won,lost\na,b,c\n", r"Row 2 of .* has 3 cells, but the header has 2. Put quotes"),
        ("won,lost\na,b\na", r"Row 3 of .* has 1 cells, but the header has 2. Fill in .* breaks off there"),
        ("won,lost,Won\na,b,c\n", "has two columns named 'won'. Rename one"),
        (gzip.compress(b"won,lost\na,b\n", mtime=0), "is packed with gzip, not a CSV. Unpack it first"),
        (b"PK\x03\x04,\n", "is an Excel workbook or another ZIP file, not a CSV. Save the sheet as CSV"),
        ("won,lost\na,b\n".encode("utf-32"), "is UTF-32 text, not a CSV. Save it again with the encoding UTF-8"),
        ('won,lost\na,b\n"a,b\n', r"of .* is not valid CSV"),
        ("won,lost\n", "has no judgements"),
        ("won,lost\n,\n\n", "has no judgements"),
        ("", "is empty"),
        (" \n\n", "is empty"),
        ("won,lost\n" + "x" * 300 + ",b\n", "id of more than 200 characters"),
        (b"won,lost\na\0,b\n", "NUL bytes"),
        ("\ufeffwon,lost\na".encode("utf-16-le") + b"\x00", "breaks off inside a character"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_row(table: Build, content: str | bytes, told: str) -> None:
    with pytest.raises(BadRequest, match=told):
        read_judgements(table(content))


def test_an_unknown_header_is_answered_with_what_was_seen_and_what_is_expected(table: Build) -> None:
    with pytest.raises(BadRequest) as refusal:
        read_judgements(table("pupil,text,mark\n1,2,3\n"))
    assert "has the columns pupil, text, mark" in refusal.value.message
    for words in ("No More Marking: chosen, not_chosen", "Moodle: won, lost", "sirt: id1, id2, result"):
        assert words in refusal.value.message
    assert "--won and --lost" in refusal.value.remedy


def test_a_named_column_that_is_not_there_is_told(table: Build) -> None:
    with pytest.raises(BadRequest, match="has the columns won, lost, but no 'winner'"):
        read_judgements(table("won,lost\na,b\n"), columns=Columns(first="winner", second="lost"))
    with pytest.raises(BadRequest, match="has two columns named 'by'"):
        read_judgements(table("won,lost,by,by\na,b,x,y\n"), columns=Columns(judge="by"))
    with pytest.raises(BadRequest, match="but no 'session'"):
        read_judgements(table("won,lost\na,b\n"), where=[("session", "1")])
    with pytest.raises(BadRequest, match="no judgements with these values"):
        read_judgements(table("won,lost,session\na,b,1\n"), where=[("session", "2")])


def test_a_note_on_the_separator_and_blank_lines_before_the_header_are_passed_over(table: Build) -> None:
    assert rows(read_judgements(table("sep=;\r\n\r\nwon;lost\r\na;b\r\n"))) == [("a", "b", 1.0)]
    with pytest.raises(BadRequest, match="Row 4 of"):
        read_judgements(table("sep=;\n\nwon;lost\na;a\n"))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="does not exist"):
        read_judgements(tmp_path / "nothing.csv")
    with pytest.raises(BadRequest, match="is not a file"):
        read_judgements(tmp_path)


def test_rows_keep_their_numbers_over_batches(table: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judgement_columns, "ROWS", 4)
    content = "won,lost\n" + "a,b\n" * 5 + "\n" + "b,c\n" * 5 + "c,c\n"
    with pytest.raises(BadRequest, match="Row 13 of"):
        read_judgements(table(content))
    assert len(read_judgements(table(content.removesuffix("c,c\n")))) == 10


def test_batches_put_together_now_and_then_stay_in_order(table: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    content = "won,lost,time\n" + "".join(f"e{k % 7},f{k % 5},{k}\n" for k in range(61))
    whole = read_judgements(table(content))
    monkeypatch.setattr(judgement_columns, "ROWS", 4)
    monkeypatch.setattr(judgements, "PACKED", 3)
    parts = read_judgements(table(content))
    assert rows(parts) == rows(whole)
    assert parts.seconds.tolist() == list(range(61))
    assert parts.notes == whole.notes


ids = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=20).map(
    str.strip
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(pairs=st.lists(st.tuples(ids, ids).filter(lambda p: all(p) and p[0] != p[1]), min_size=1, max_size=8),
       separator=st.sampled_from(",;\t"))  # fmt: skip
def test_whatever_a_csv_writer_writes_is_read_back(table: Build, pairs: list[tuple[str, str]], separator: str) -> None:
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=separator).writerows([("won", "lost"), *pairs])
    assert [row[:2] for row in rows(read_judgements(table(stream.getvalue())))] == pairs


def test_many_rows_are_read_by_columns(tmp_path: Path) -> None:
    """A hundred thousand rows; full: a million. Memory stays near that of the columns, not of the rows."""
    count, path = size(100_000, 1_000_000), tmp_path / "many.csv"
    with path.open("w") as file:
        file.write("judgeName,timeTaken,chosen,notChosen\n")
        for start in range(0, count, 10_000):
            file.writelines(f"j{k % 30},{k % 9000},e{k % 997},f{k % 991}\n" for k in range(start, start + 10_000))
    tracemalloc.start()
    found = read_judgements(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (len(found), len(found.items), len(found.judges)) == (count, 997 + 991, 30)
    assert peak < 150 * count + 60e6
