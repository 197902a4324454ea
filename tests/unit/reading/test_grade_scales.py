"""Scales that come with Pairmark, the user's own, and what is wrong with a scale file or an anchor table."""

from pathlib import Path

import pytest

from pairmark.errors import BadRequest
from pairmark.reading.anchor_table import read_anchors
from pairmark.reading.grade_scales import read_scale, shipped


@pytest.mark.parametrize(
    ("key", "grades"),
    [
        ("swedish-a-f", "F E D D+ C C+ B A"),
        ("eng5-national", "0 1 2 3 4 5 6 7 8 9"),
        ("gcse-9-1", "U 1 2 3 4 5 6 7 8 9"),
        ("cefr", "A1 A2 B1 B2 C1 C2"),
        ("pass-fail", "fail pass"),
    ],
)
def test_shipped_scales_run_from_the_lowest_grade(key: str, grades: str) -> None:
    scale = read_scale(key)
    assert scale.key == key
    assert scale.grades == tuple(grades.split())
    assert scale.place(f" {scale.grades[-1].lower()} ") == len(scale.grades) - 1
    assert scale.place("Z") is None


def test_nothing_else_is_shipped() -> None:
    assert sorted(shipped()) == ["cefr", "eng5-national", "gcse-9-1", "pass-fail", "swedish-a-f"]


def test_an_own_scale_is_read_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_text('name = "Our scale"\ngrades = ["not yet", "yes", "more than that"]\npass_grade = "yes"\n')
    scale = read_scale(str(path))
    assert (scale.name, scale.grades, scale.pass_grade) == ("Our scale", ("not yet", "yes", "more than that"), "yes")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("grades = [", r"is not valid TOML: .*line 1"),
        ('name = "x"\n', "has no grades"),
        ('name = "x"\n\ngrades = ["a"]\n', "Line 3 of .* must have a list of 2 to 50 grades"),
        ('grades = "a b"\n', "Line 1 of .* must have a list"),
        ("# ours\ngrades = [1, 2]\n", "Line 2 of .* has the grade 1, which is not a text"),
        ('grades = ["a", ""]\n', "Line 1 of .* has the grade ''"),
        ('grades = ["a", "b", "A"]\n', "Line 1 of .* lists the grade 'a' twice"),
        ('grades = ["a", "b"]\npass_grade = "c"\n', "Line 2 of .* has the pass_grade 'c'"),
        ('grades = ["a", "b"]\nname = 7\n', "Line 2 of .* has a name that is no text"),
        ('grades = ["a", "b"]\nname = "a\\u001b[2J"\n', "Line 2 of .* printable characters"),
        ('grades = ["a", "b"]\ngrade = 7\n', "Line 2 of .* has the unknown key 'grade'"),
        (b"grades = ['\xff', 'b']", "is not UTF-8"),
    ],
)
def test_a_broken_scale_is_refused_with_file_line_and_remedy(tmp_path: Path, content: str | bytes, told: str) -> None:
    path = tmp_path / "ours.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(BadRequest, match=told) as refusal:
        read_scale(str(path))
    assert str(path) in refusal.value.message
    assert refusal.value.remedy


def test_an_unknown_scale_is_answered_with_those_that_exist() -> None:
    with pytest.raises(BadRequest, match="There is no scale 'gcse'; there are cefr, eng5-national, gcse-9-1"):
        read_scale("gcse")
    with pytest.raises(BadRequest, match="does not exist"):
        read_scale("nothing/ours.toml")


def anchors(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "anchors.csv"
    path.write_text(content)
    return path


def test_anchors_are_read_with_their_grades_as_numbers(tmp_path: Path) -> None:
    found = read_anchors(anchors(tmp_path, "item;grade\na; b2\nb;C1\n"), read_scale("cefr"))
    assert [(anchor.essay_id, anchor.grade, anchor.row) for anchor in found] == [("a", 3, 2), ("b", 4, 3)]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("name,mark\na,1\n", "has the columns name, mark, but anchors need essay_id and grade"),
        ("id,grade\na,B2\nb,B9\n", "Row 3 of .* has the grade 'B9', which CEFR A1.C2 does not have. Its grades are A1"),
        ("id,grade\na,B2\n,B1\n", "Row 3 of .* has no essay id"),
        ("id,grade\na,B2\nb,B1\na,B2\n", "Rows 2 and 4 of .* both give a grade to 'a'"),
        ("id,grade\na,B2\nb,B2\n", "has anchors of 1 grade"),
        ("id,grade\n", "has anchors of 0 grade"),
    ],
)
def test_broken_anchors_are_refused_with_their_row(tmp_path: Path, content: str, told: str) -> None:
    with pytest.raises(BadRequest, match=told):
        read_anchors(anchors(tmp_path, content), read_scale("cefr"))
