"""What cannot be used is refused in one sentence that names the place and the remedy; nothing is begun and nothing is left."""

import csv
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command import VOTES, Done, Pairmark, data_folder, essays, write_texts

JUDGE = ("--judge", "simulated:seed=1")
PAIRS = [("a", "b", "left"), ("a", "c", "left"), ("b", "c", "right"), ("b", "c", "tie")]
THREE = [("a", "Text a."), ("b", "Text b."), ("c", "Text c.")]


@pytest.fixture(scope="module")
def pairmark() -> Iterator[Pairmark]:
    with data_folder() as pairmark:
        yield pairmark


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    return write_texts(tmp_path / "texts.csv", THREE)


def refused(pairmark: Pairmark, tmp_path: Path, path: Path, *options: str | Path) -> Done:
    """Run `assess`, which must leave neither a batch nor an output folder."""
    out = tmp_path / "deep" / "out"
    before = pairmark.rows("SELECT count(*) FROM lifecycle.batch")
    judge = () if "--judge" in options else JUDGE
    done = pairmark.run("assess", path, *judge, "--out", out, *options)
    assert pairmark.rows("SELECT count(*) FROM lifecycle.batch") == before
    assert not out.parent.exists()
    return done


def votes(folder: Path, rows: list[tuple[str, str, str]]) -> str:
    path = folder / "votes.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("left", "right", "vote"), *rows])
    return f"replay:{path}"


FILES: list[tuple[str, dict[str, bytes], tuple[str, ...]]] = [
    ("no-file", {}, ("has no texts", ".txt")),
    ("nothing-to-read", {"a.jpg": b"x", ".b.txt": b"x"}, ("has no texts", ".docx")),
    ("empty", {"a.txt": b"good", "b.txt": b""}, ("b.txt is empty", "Remove it")),
    ("white-space", {"a.txt": b"good", "b.txt": b" \n\t\n"}, ("b.txt is empty",)),
    ("zero-width", {"a.txt": b"good", "b.txt": "\u200b\ufeff".encode()}, ("b.txt is empty",)),
    ("undecodable", {"a.txt": b"good", "b.txt": b"caf\xe9"}, ("b.txt is not UTF-8", "0xe9", "offset 3", "UTF-8")),
    ("utf-16", {"a.txt": "good".encode("utf-16")}, ("a.txt is not UTF-8",)),
    ("nul", {"a.txt": b"good", "b.txt": b"one\0two"}, ("b.txt has a NUL byte at offset 3",)),
    ("surrogate", {"a.txt": b"good", "b.txt": b"\xed\xa0\x80"}, ("b.txt is not UTF-8",)),
    ("5-mb", {"a.txt": b"good", "b.txt": b"word " * 1_000_001}, ("b.txt", "larger than 5 MB", "shorten")),
    ("1-mb", {"a.txt": b"good", "b.txt": b"word " * 200_001}, ("b.txt", "more than 1,000,000 characters")),
    ("same-id", {"a.txt": b"one", "a.md": b"two"}, ("'a' stands twice", "a.txt", "a.md", "Rename")),
    ("no-word", {"a.docx": b"not a zip"}, ("a.docx cannot be read as a Word document",)),
    ("no-pdf", {"a.pdf": b"not a pdf"}, ("a.pdf cannot be read as a PDF",)),
    ("long-id", {"x" * 201 + ".txt": b"good"}, ("essay id that is not usable", "200 printable")),
    ("control-in-id", {"a\x1b[31m\nb.txt": b"good"}, ("essay id that is not usable", "printable")),
]


@pytest.mark.parametrize(("files", "words"), [case[1:] for case in FILES], ids=[case[0] for case in FILES])
def test_a_folder_that_cannot_be_used(
    pairmark: Pairmark, tmp_path: Path, files: dict[str, bytes], words: tuple[str, ...]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    said = refused(pairmark, tmp_path, folder).refused(*words)
    assert "\x1b" not in said


TABLES: list[tuple[str, str, tuple[str, ...]]] = [
    ("empty", "", ("is empty", "first row must name the columns")),
    ("only-a-header", "id,text\n", ("has no texts",)),
    ("no-id-column", "name,text\na,b\n", ("has the columns name, text", "--id-column")),
    ("no-text-column", "id,answer\na,b\n", ("has the columns id, answer", "--text-column")),
    ("two-text-columns", "id,text,text\na,b,c\n", ("two columns named 'text'",)),
    ("same-id", "id,text\na,b\nc,d\na,e\n", ("'a' stands twice", "row 2", "row 4")),
    ("no-id", "id,text\n,b\n", ("row 2", "no essay id")),
    ("empty-text", "id,text\na,b\nc,\n", ("row 3", "is empty")),
    ("ragged", "id,text\na,b\nc,d,e\n", ("Row 3", "3 cells", "header has 2")),
    ("open-quote", 'id,text\na,"b\n', ("not valid CSV", "quotes")),
]


@pytest.mark.parametrize(("content", "words"), [case[1:] for case in TABLES], ids=[case[0] for case in TABLES])
def test_a_table_that_cannot_be_used(pairmark: Pairmark, tmp_path: Path, content: str, words: tuple[str, ...]) -> None:
    (tmp_path / "texts.csv").write_text(content, encoding="utf-8")
    refused(pairmark, tmp_path, tmp_path / "texts.csv").refused("texts.csv", *words)


def test_more_texts_than_one_batch_takes(pairmark: Pairmark, tmp_path: Path) -> None:
    path = write_texts(tmp_path / "texts.csv", essays(20_001))
    refused(pairmark, tmp_path, path).refused("holds 20001 texts", "at most 20000", "Split")


def test_two_identical_texts_are_accepted_and_said_aloud(pairmark: Pairmark, tmp_path: Path) -> None:
    path = write_texts(tmp_path / "texts.csv", [("a", "Same text."), ("b", "Same  text.")])
    done = pairmark.run("assess", path, *JUDGE)
    assert done.code == 0, done.err
    assert "a = b" in done.out


VOTE_FILES: list[tuple[str, list[tuple[str, str, str]], tuple[str, ...]]] = [
    ("pair-missing", PAIRS[:2], ("votes.csv", "b", "c")),
    ("unknown-id", [*PAIRS, ("a", "stranger", "left")], ("votes.csv", "stranger", "6")),
    ("self-pair", [*PAIRS, ("a", "a", "left")], ("votes.csv", "6")),
    ("unknown-word", [*PAIRS, ("a", "b", "perhaps")], ("votes.csv", "perhaps", "6")),
    ("no-votes", [], ("votes.csv",)),
]


@pytest.mark.parametrize(("rows", "words"), [case[1:] for case in VOTE_FILES], ids=[case[0] for case in VOTE_FILES])
def test_recorded_votes_that_cannot_be_used(
    pairmark: Pairmark, tmp_path: Path, texts: Path, rows: list[tuple[str, str, str]], words: tuple[str, ...]
) -> None:
    refused(pairmark, tmp_path, texts, "--judge", votes(tmp_path, rows)).refused(*words)


@pytest.mark.parametrize(
    ("judge", "words"),
    [
        ("nobody", ("There is no judge 'nobody'", "simulated")),
        ("", ("No judge is named",)),
        ("anthropic:claude", ("There is no key for", "ANTHROPIC_API_KEY")),
        ("antropic:claude", ("There is no judge 'antropic'", "anthropic")),
        ("surface:x=1", ("takes no options",)),
        ("simulated:sd=-1", ("sd", "0 to 100")),
        ("simulated:seed=9223372036854775808", ("seed", "whole number")),
        ("simulated:mood=2", ("no option 'mood=2'", "order_bias")),
        ("replay:missing.csv", ("missing.csv does not exist",)),
        ("replay:", ("needs a file of votes",)),
    ],
)
def test_a_judge_that_does_not_exist(
    pairmark: Pairmark, tmp_path: Path, texts: Path, judge: str, words: tuple[str, ...]
) -> None:
    refused(pairmark, tmp_path, texts, "--judge", judge).refused(*words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--budget", "0"), ("budget of 0", "--budget 2")),
        (("--budget", "1"), ("cannot connect 3 texts", "--budget 2")),
        (("--budget", "-5"), ("budget of -5", "--budget 2")),
        (("--budget", "99999999999999999999999"), ("over the limit of 2,000,000", "--budget")),
        (("--comparisons-per-essay", "0"), ("cannot connect", "2 or more")),
        (("--comparisons-per-essay", "1"), ("cannot connect", "2 or more")),
        (("--comparisons-per-essay", "99999999999999"), ("too many for 3 texts", "smaller")),
        (("--target-reliability", "1.5"), ("1.5 cannot be reached", "between 0 and 1")),
        (("--target-reliability", "nan"), ("nan cannot be reached", "between 0 and 1")),
        (("--seed", "-1"), ("seed -1 is out of range",)),
        (("--seed", "9223372036854775808"), ("is out of range", "9223372036854775807")),
        (("--name", "n" * 10_000), ("name", "200 printable")),
        (("--name", "a\x1b[2Jb"), ("name", "printable")),
        (("--user", "u" * 201), ("user", "200 printable")),
        (("--organisation", "a\nb"), ("organisation", "printable")),
        (("--id-column", "nothing"), ("no column of ids named nothing", "--id-column")),
        (("--compare", "text"), ("Row 2", "numeric")),
    ],
    ids=lambda value: str(value[0])[:24] if isinstance(value, tuple) else None,
)
def test_a_design_that_cannot_be_carried_out(
    pairmark: Pairmark, tmp_path: Path, texts: Path, options: tuple[str, ...], words: tuple[str, ...]
) -> None:
    said = refused(pairmark, tmp_path, texts, *options).refused(*words)
    assert "\x1b" not in said
    assert len(said) < 500


def test_a_path_that_is_no_folder_and_no_table(pairmark: Pairmark, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "one.txt").write_text("A text.", encoding="utf-8")
    os.mkfifo(tmp_path / "pipe.csv")
    for path, word in (
        (Path("/dev/null"), "neither a folder nor a CSV file"),
        (tmp_path / "loop", "loop"),
        (tmp_path / "one.txt", "Give its folder instead"),
        (tmp_path / "pipe.csv", "is not a file"),
        (tmp_path / "\x1b[31mred\n", "\\u001b[31mred\\u000a does not exist"),
        (tmp_path / ("x" * 300), "x"),
        (tmp_path / "one.txt" / "below", "does not exist"),
    ):
        refused(pairmark, tmp_path, path).refused(word)


def test_a_folder_without_permission(pairmark: Pairmark, tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o000)
    if os.access(folder, os.R_OK):
        words = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all", "true")
        if not shutil.which("setpriv") or subprocess.run(words, capture_output=True, check=False).returncode:
            pytest.skip("this user may read everything and cannot give that up")
        wrapped = Pairmark(pairmark.home)
        command = [words[0], words[1], words[2], str(wrapped_command()), "assess", str(folder), *JUDGE]
        ran = subprocess.run(command, env=wrapped.environment, capture_output=True, text=True, check=False)
        done = Done(ran.returncode, ran.stdout, ran.stderr)
    else:
        done = refused(pairmark, tmp_path, folder)
    done.refused("closed cannot be read", "permissions")


def wrapped_command() -> Path:
    from support.command import COMMAND  # noqa: PLC0415 - only here

    return COMMAND


def test_an_output_folder_that_cannot_be_written(pairmark: Pairmark, tmp_path: Path, texts: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    (tmp_path / "half" / "report.html").mkdir(parents=True)
    before = pairmark.rows("SELECT count(*) FROM lifecycle.batch")
    for out, words in (
        (tmp_path / "file", ("is not a folder", "--out")),
        (tmp_path / "file" / "below", ("file is not a folder", "--out")),
        (tmp_path / "half", ("a folder of that name is in the way",)),
        (Path("/proc/pairmark"), ("/proc/pairmark cannot be written", "--out")),
        (tmp_path / ("y" * 300), ("cannot be written", "--out")),
    ):
        pairmark.run("assess", texts, *JUDGE, "--out", out).refused(*words)
    assert pairmark.rows("SELECT count(*) FROM lifecycle.batch") == before
    assert [path.name for path in (tmp_path / "half").iterdir()] == ["report.html"]


def test_votes_that_changed_since_are_another_batch_and_a_removed_file_is_named(
    pairmark: Pairmark, tmp_path: Path, texts: Path
) -> None:
    judge = votes(tmp_path, [*PAIRS, *PAIRS])
    first = pairmark.json("assess", texts, "--judge", judge, "--comparisons-per-essay", "4")
    votes(tmp_path, [*PAIRS, *PAIRS, *PAIRS])
    second = pairmark.json("assess", texts, "--judge", judge, "--comparisons-per-essay", "4")
    assert first["batch_id"] != second["batch_id"]
    (tmp_path / "votes.csv").unlink()
    refused(pairmark, tmp_path, texts, "--judge", judge).refused("votes.csv does not exist")


def test_real_votes_on_other_texts_are_refused(pairmark: Pairmark, tmp_path: Path, texts: Path) -> None:
    refused(pairmark, tmp_path, texts, "--judge", f"replay:{VOTES}").refused("votes.csv")


@pytest.mark.parametrize("name", ["", " "])
def test_a_report_goes_into_no_folder_without_a_name(pairmark: Pairmark, tmp_path: Path, name: str) -> None:
    told = ("argument --out", "it is empty", "name a folder")
    pairmark.run("assess", write_texts(tmp_path / "texts.csv", THREE), *JUDGE, "--out", name).refused(*told)
    pairmark.run("score", VOTES, "--out", name).refused(*told)
    pairmark.run("retry", "some-batch", "--out", name).refused(*told)
