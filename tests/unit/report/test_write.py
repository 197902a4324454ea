"""The files of a report: whole or not there, exact as JSON, harmless in a spreadsheet."""

import csv
import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pairmark.errors import BadRequest, Busy
from pairmark.report import tables
from pairmark.report.write import NAMES, check_writable, write_report
from support import report_samples as samples


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_all_four_files_are_written_and_nothing_else(tmp_path: Path) -> None:
    paths = write_report(samples.ranked(), samples.judgements(), tmp_path / "a" / "b")
    assert [path.name for path in paths] == list(NAMES)
    assert sorted(os.listdir(tmp_path / "a" / "b")) == sorted(NAMES)
    assert all(path.stat().st_size > 0 for path in paths)


def test_files_are_as_readable_as_any_other_file_the_user_makes(tmp_path: Path) -> None:
    ordinary = tmp_path / "ordinary"
    ordinary.write_text("x")
    paths = write_report(samples.ranked(), [], tmp_path / "out")
    assert {path.stat().st_mode for path in paths} == {ordinary.stat().st_mode}


def test_json_reads_back_as_the_same_result(tmp_path: Path) -> None:
    for result in (samples.ranked(), samples.hostile(), samples.failed()):
        write_report(result, [], tmp_path)
        assert json.loads((tmp_path / "results.json").read_text(encoding="utf-8")) == result.as_dict()


def test_json_has_null_for_what_is_not_a_finite_number(tmp_path: Path) -> None:
    write_report(samples.single(), [], tmp_path)
    text = (tmp_path / "results.json").read_text(encoding="utf-8")
    essay = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))["essays"][0]
    assert (essay["theta"], essay["standard_error"], essay["ci_low"]) == (0.0, None, None)


def test_results_csv_has_every_digit_best_first(tmp_path: Path) -> None:
    result = samples.ranked()
    write_report(replace(result, essays=result.essays[::-1]), [], tmp_path)
    rows = rows_of(tmp_path / "results.csv")
    assert [row["essay_id"] for row in rows] == [essay.essay_id for essay in result.essays]
    assert [float(row["theta"]) for row in rows] == [essay.theta for essay in result.essays]
    assert [int(row["comparisons"]) for row in rows] == [essay.comparisons for essay in result.essays]


def test_judgements_csv_has_the_documented_columns(tmp_path: Path) -> None:
    write_report(samples.ranked(), samples.judgements(), tmp_path)
    rows = rows_of(tmp_path / "judgements.csv")
    assert list(rows[0]) == list(tables.JUDGEMENT_COLUMNS)
    assert rows[0]["first"] == "'=1+1"
    assert [row["swapped"] for row in rows] == ["false", "true", "false"]
    assert [row["response_time_ms"] for row in rows] == ["", "1200", "1200"]


@pytest.mark.parametrize(
    "cell", ["=1+1", "+cmd|'/C calc'!A0", "-2+3", "@SUM(A1)", "\tx", "\rx", "\nx", "\uff1d1", "-", "+"]
)
def test_formulas_are_disarmed(cell: str) -> None:
    assert tables.guard(cell) == f"'{cell}"


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        (-1.25, "-1.25"),
        ("-1.25", "-1.25"),
        ("+3", "+3"),
        ("-1e-05", "-1e-05"),
        (-7, "-7"),
        (1e-17, "1e-17"),
        (True, "true"),
        (None, ""),
        (float("nan"), ""),
        ("a=b", "a=b"),
        ("'quoted", "'quoted"),
        ("", ""),
    ],
)
def test_numbers_and_harmless_text_stay(cell: object, written: str) -> None:
    assert tables.guard(cell) == written


def test_a_second_report_replaces_the_first(tmp_path: Path) -> None:
    write_report(samples.failed(), [], tmp_path)
    write_report(samples.ranked(), [], tmp_path)
    assert len(rows_of(tmp_path / "results.csv")) == 35
    assert sorted(os.listdir(tmp_path)) == sorted(NAMES)


def test_a_full_disk_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_report(samples.failed(), [], tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    calls = []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Busy, match="is full, so no report was written"):
        write_report(samples.ranked(), [], tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_file_the_system_refuses_to_grow_leaves_nothing(tmp_path: Path) -> None:
    script = f"""
import resource
from pathlib import Path
from support import report_samples as samples
from pairmark.errors import Busy
from pairmark.report.write import write_report
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
try:
    write_report(samples.ranked(), [], Path({str(tmp_path)!r}))
except Busy as error:
    print(error)
"""
    tests = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(tests)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(f"The disk that holds {tmp_path} is full"), done.stderr
    assert os.listdir(tmp_path) == []


def test_check_writable_makes_nothing_that_stays(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "deeper")
    assert os.listdir(tmp_path) == []
    (tmp_path / "kept").mkdir()
    check_writable(tmp_path / "kept")
    assert os.listdir(tmp_path) == ["kept"]
    assert os.listdir(tmp_path / "kept") == []


def test_check_writable_names_the_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for out in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(BadRequest, match=r"file is not a folder\. Choose another folder"):
            check_writable(out)
    assert (tmp_path / "file").read_text() == "x"


def test_check_writable_sees_a_folder_where_a_report_should_go(tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(BadRequest, match=r"report\.html, because a folder of that name"):
        check_writable(tmp_path)
    with pytest.raises(BadRequest, match=r"report\.html, because a folder of that name"):
        write_report(samples.ranked(), [], tmp_path)
    assert os.listdir(tmp_path) == ["report.html"]


@pytest.mark.parametrize("out", [Path("/proc/nowhere/out"), Path("/tmp") / ("x" * 300)])
def test_check_writable_says_what_the_system_said(out: Path) -> None:
    with pytest.raises(BadRequest, match="cannot be written"):
        check_writable(out)


@pytest.fixture
def ordinary_user() -> Iterator[None]:
    """Root may write everywhere, so it becomes nobody for the time of the test."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield
    if root:
        os.seteuid(0)


@pytest.mark.usefixtures("ordinary_user")
def test_check_writable_without_permission() -> None:
    for out in (Path("/etc"), Path("/etc/new/deeper")):
        with pytest.raises(BadRequest, match=r"cannot be written \(permission denied\)"):
            check_writable(out)
    assert not Path("/etc/new").exists()
