"""Committed results: a run of a part replaces that part only, and every number keeps its own run."""

import json

from support.recorded import keep


def rows(*files):
    return [{"file": file, "value": number} for number, file in enumerate(files)]


def test_a_run_of_a_part_replaces_what_was_told_of_that_part_only(tmp_path):
    path = tmp_path / "results.json"
    keep(path, {"commit": "first"}, rows("a", "a", "b"))
    keep(path, {"commit": "second"}, rows("b", "c"))
    runs = json.loads(path.read_text(encoding="utf-8"))["runs"]
    assert [(run["commit"], [row["file"] for row in run["rows"]]) for run in runs] == [
        ("second", ["b", "c"]),
        ("first", ["a", "a"]),
    ]


def test_a_run_of_which_nothing_is_left_goes(tmp_path):
    path = tmp_path / "results.json"
    keep(path, {"commit": "first"}, rows("a"))
    keep(path, {"commit": "second"}, rows("a"))
    assert [run["commit"] for run in json.loads(path.read_text(encoding="utf-8"))["runs"]] == ["second"]
