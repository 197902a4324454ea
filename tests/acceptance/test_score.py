"""`pairmark score` as installed: from a CSV to files and one screen, refusals in one sentence, and no database anywhere."""

import csv
import gzip
import json
from pathlib import Path

import pytest

from support.command import ROOT, T31, VOTES, Pairmark

SANGWIN = ROOT / "tests" / "reference" / "data" / "sangwin2021" / "judgement_data.csv"


@pytest.fixture
def pairmark(tmp_path: Path) -> Pairmark:
    return Pairmark(tmp_path / "home", PAIRMARK_DATABASE="postgresql://nobody@nowhere.invalid/none")


def test_judgements_become_a_report_without_a_database(pairmark: Pairmark, tmp_path: Path) -> None:
    done = pairmark.run("score", VOTES, "--out", tmp_path / "out")
    assert done.code == 0, done.err
    assert "35 essays scored from 2,973 judgements by 753 judges (votes form)." in done.out
    assert "Fit for ranking" in done.out
    assert len(done.out.splitlines()) < 50
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "judges.csv",
        "report.html",
        "results.csv",
        "results.json",
    ]
    assert not (tmp_path / "home").exists()


def test_grades_and_json_come_from_the_same_result(pairmark: Pairmark, tmp_path: Path) -> None:
    options = ("--anchors", T31 / "anchors.csv", "--scale", T31 / "thirds.toml", "--out", tmp_path / "out")
    document = pairmark.json("score", VOTES, *options)
    assert document == json.loads((tmp_path / "out" / "results.json").read_text())
    assert document["grades"]["grades"] == ["weak", "fair", "strong"]
    assert {essay["grade"] for essay in document["essays"]} == {"weak", "fair", "strong"}


def test_the_example_anchors_are_thirds_of_the_published_ranking() -> None:
    with (T31 / "texts.csv").open(newline="") as file:
        ranked = sorted(csv.DictReader(file), key=lambda row: -float(row["published_rank_score"]))
    third = {row["item"]: ("weak", "fair", "strong")[place * 3 // len(ranked)] for place, row in enumerate(ranked)}
    with (T31 / "anchors.csv").open(newline="") as file:
        found = [(row["item"], row["grade"]) for row in csv.DictReader(file)]
    assert found == [(row["item"], third[row["item"]]) for row in ranked[1::4]]


def test_published_numbers_are_reproduced(pairmark: Pairmark) -> None:
    document = pairmark.json("score", SANGWIN, "--where", "dimension=insight", "--compatible", "sirt")
    assert round(document["ssr"], 3) == 0.889


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["score", str(SANGWIN)], ["2 unconnected groups", "--where COLUMN=VALUE"]),
        (["score", str(T31 / "texts.csv")], ["has the columns item, published_rank_score, text", "No More Marking"]),
        (["score", str(VOTES), "--anchors", "x.csv"], ["--scale"]),
        (["score", str(VOTES), "--anchors", str(T31 / "anchors.csv"), "--scale", "cefr"], ["Row 2", "A1, A2"]),
        (["score", str(VOTES), "--won", "left"], ["--won and --lost"]),
        (["score", str(VOTES), "--left", "left"], ["--left, --right and --vote"]),
        (["score", str(VOTES), "--where", "topic"], ["--where dimension=rigour"]),
        (["score", "nothing.csv"], ["does not exist"]),
    ],
)
def test_what_cannot_be_scored_is_refused_in_one_sentence(
    pairmark: Pairmark, words: list[str], told: list[str]
) -> None:
    pairmark.run(*words).refused(*told)


BAD_FILES: list[tuple[str, bytes, tuple[str, ...]]] = [
    ("self-pair", b"won,lost\na,b\nc,c\n", ("Row 3", "compares 'c' with itself", "Remove the row")),
    ("unknown-winner", b"left,right,vote\na,b,left\na,b,z\n", ("Row 3", "winner 'z'", "left, right, tie")),
    (
        "negative-weight",
        b"won,lost,weight\na,b,1\na,b,-1\n",
        ("Row 3", "weight '-1'", "A weight is 0, or a number from 1e-09"),
    ),
    ("one-text", b"won,lost\na,a\n", ("Row 2", "with itself")),
    ("no-rows", b"won,lost\n", ("has no judgements", "one judgement")),
    ("nothing", b"", ("is empty", "name the columns")),
    ("nul", b"won,lost\na\0,b\n", ("NUL bytes", "UTF-8")),
    ("ragged", b"won,lost\na,b,c\n", ("Row 2", "3 cells", "quotes")),
    ("cut-off-row", b"won,lost\na,b\na", ("Row 3", "1 cells", "export the file again")),
    ("open-quote", b'won,lost\na,b\n"a,b\nc,d\n', ("Row 3", "not valid CSV", "quotes")),
    ("gzip", gzip.compress(b"won,lost\na,b\n"), ("packed with gzip", "Unpack")),
    ("workbook", b"PK\x03\x04\x14\0", ("Excel workbook", "as CSV")),
    ("cut-off-utf-16", "won,lost\na,b\n".encode("utf-16")[:-1], ("breaks off inside a character", "UTF-8")),
    ("escape", b"won,lost\n\x1b[31mred,\x1b[31mred\n", ("Row 2", "with itself")),
]


@pytest.mark.parametrize(("content", "told"), [case[1:] for case in BAD_FILES], ids=[case[0] for case in BAD_FILES])
def test_a_file_that_cannot_be_used_leaves_nothing(
    pairmark: Pairmark, tmp_path: Path, content: bytes, told: tuple[str, ...]
) -> None:
    path, out = tmp_path / "votes.csv", tmp_path / "deep" / "out"
    path.write_bytes(content)
    said = pairmark.run("score", path, "--out", out).refused("votes.csv", *told)
    assert "\x1b" not in said
    assert not out.parent.exists()


def test_what_can_be_kept_is_kept_and_told(pairmark: Pairmark, tmp_path: Path) -> None:
    rows = b'judge,won,lost,time\nj,=1+1,b,inf\nj,b,=1+1,5\nj,b,=1+1,5\nj,\xe5sa,b,nan\nj,"b\nb",\xe5sa,1\n'
    (tmp_path / "votes.csv").write_bytes(rows)
    done = pairmark.run("score", tmp_path / "votes.csv", "--out", tmp_path / "out")
    assert done.code == 0, done.err
    said = " ".join(done.out.split())
    for note in (
        "1 of 5 rows are exact copies",
        "2 times are not finite",
        "2 lines are not UTF-8 (the first is line 5)",
    ):
        assert note in said
    with (tmp_path / "out" / "results.csv").open(newline="", encoding="utf-8") as file:
        assert {row["essay_id"] for row in csv.DictReader(file)} == {"'=1+1", "b", "åsa", "b\nb"}


def test_a_batch_of_our_own_is_scored_again_to_the_same_scores(pairmark: Pairmark, tmp_path: Path) -> None:
    home = Pairmark(tmp_path / "server")
    options = ("--judge", "simulated:sd=1,seed=3", "--comparisons-per-essay", "6", "--out", tmp_path / "first")
    assert home.run("assess", T31 / "texts.csv", *options).code == 0
    first = json.loads((tmp_path / "first" / "results.json").read_text())
    again = pairmark.json("score", tmp_path / "first" / "judgements.csv")
    scores = {essay["essay_id"]: essay["theta"] for essay in again["essays"]}
    assert again["source"]["form"] == "pairmark"
    assert {essay["essay_id"]: essay["theta"] for essay in first["essays"]} == pytest.approx(scores, abs=1e-6)
