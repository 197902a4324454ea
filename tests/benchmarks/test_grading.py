"""Grades against known truth over a realistic range of simulated sessions, and what grading and reading cost.

The reliability diagram is recorded bin by bin, and written as a Vega-Lite specification with its table: of all statements "this
essay has that grade with probability p", how often each bin of p came true.
"""

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from pairmark.stats.anchors import grading
from pairmark.stats.calibration import reliability_diagram
from pairmark.stats.threads import one_blas_thread
from support.graded import diagram as diagram_of
from support.graded import tallied

pytestmark = pytest.mark.benchmark

SESSIONS = 1000
DIAGRAM = Path(__file__).with_name("reliability_diagram.vl.json")
ROWS = 10_000_000
READ = """
import resource, sys, time
from pathlib import Path
from pairmark.reading.judgements import read_judgements
began = time.perf_counter()
found = read_judgements(Path(sys.argv[1]))
print(len(found), time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_intervals_and_probabilities_against_truth(record):
    with one_blas_thread():
        tally = tallied(range(SESSIONS))
    against = f"{SESSIONS} simulated sessions, {len(tally.covered):,} boundaries, {len(tally.right):,} essays"
    record(
        "grade boundaries covered by their 95 % interval",
        float(100 * np.mean(tally.covered)),
        "%",
        between=(93, 97),
        against=against,
    )
    record_by_group(record, tally)
    top = reliability_diagram(tally.stated, tally.right)
    record(
        "calibration error of the most probable grade",
        top.expected_calibration_error,
        "",
        at_most=0.03,
        against=against,
    )
    diagram = reliability_diagram(tally.each_stated, tally.each_right)
    record("calibration error of all grades", diagram.expected_calibration_error, "", at_most=0.03, against=against)
    DIAGRAM.write_text(json.dumps(diagram_of(diagram), indent=2) + "\n", encoding="utf-8")
    for stated, observed, count in zip(
        *map(np.ndarray.tolist, (diagram.stated, diagram.observed, diagram.count)), strict=True
    ):
        what = f"grades stated with probability {stated:.2f} that came true"
        record(what, 100 * observed, "%", peer=100 * stated, against=f"the statement; {count:,} statements")
    record(
        "sessions of good anchors with one flagged",
        float(100 * np.mean(tally.false_alarms)),
        "%",
        at_most=1,
        against=f"{len(tally.false_alarms)} simulated sessions",
    )
    found = float(100 * np.mean(tally.wrong_found))
    record("wrong anchors flagged", found, "%", against=f"{len(tally.wrong_found)} sessions with a grade drawn blindly")


def record_by_group(record, tally):
    """The average may look right where neither part is."""
    covered, per_grade, wrong = np.array(tally.covered), np.array(tally.per_grade), np.array(tally.wrong)
    for what, group in (
        ("about one anchor per grade", per_grade == 1),
        ("about two", per_grade == 2),
        ("three or four", per_grade == 3),
        ("good anchors only", ~wrong),
        ("a wrong anchor", wrong),
    ):
        share, against = float(100 * np.mean(covered[group])), f"{int(group.sum()):,} boundaries"
        record(f"of these, in sessions with {what}", share, "%", between=(91, 98), against=against)
    record(
        "sessions whose judgements do not tell the size of the scale",
        tally.unknown,
        "",
        against="they have no intervals",
    )


def test_the_range_before_against_truth(record):
    """Exemplars only, half of the sessions without noise, none with a wrong anchor: why it was changed stands in anchors.md."""
    with one_blas_thread():
        tally = tallied(range(SESSIONS), before=True)
    against = f"{SESSIONS} sessions of the range before, {len(tally.covered):,} boundaries"
    covered = float(100 * np.mean(tally.covered))
    record("boundaries covered, range before", covered, "%", between=(93, 97), against=against)
    top = reliability_diagram(tally.stated, tally.right)
    against = f"{SESSIONS} sessions of the range before, {len(tally.right):,} essays"
    error = top.expected_calibration_error
    record("calibration error of the most probable grade, range before", error, "", at_most=0.03, against=against)


def test_cost_of_grading(record):
    draw = np.random.default_rng(1)
    theta = np.sort(draw.normal(0, 1.5, 1000))
    anchors = np.arange(25, 1000, 50)
    known = anchors // 100

    def run():
        result = grading(theta, np.full(1000, 0.4), anchors, known, 10)
        result.probabilities(theta, np.full(1000, 0.4))
        result.displacement()

    run()
    spent = median(timed(run) for _ in range(5))
    record("grading 1,000 essays, 10 grades, 20 anchors", 1000 * spent, "ms", at_most=1000)


def test_reading_ten_million_judgements(record, tmp_path):
    path = tmp_path / "many.csv"
    write(path)
    command = [sys.executable, "-c", READ, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows, seconds, kilobytes = done.stdout.split()
    assert int(rows) == ROWS
    against = f"{path.stat().st_size / 1e6:.0f} MB of CSV, 1,000 texts"
    record("reading 10,000,000 judgements", float(seconds), "s", at_most=120, against=against)
    scale = 1 if sys.platform == "darwin" else 1024
    record("memory of reading them", float(kilobytes) * scale / 1e9, "GB", at_most=2, against=against)


def write(path: Path) -> None:
    draw = random.Random(1)
    with path.open("w", encoding="utf-8") as file:
        file.write("judgeName,timeTaken,chosen,notChosen,createdAt\n")
        for number in range(ROWS):
            won, lost = draw.sample(range(1000), 2)
            file.write(
                f"j{number % 50},{number * 7919 % 900_000},E{won:05},E{lost:05},2020-01-26 13:02:{number % 60:02}\n"
            )


def timed(job) -> float:
    began = time.perf_counter()
    job()
    return time.perf_counter() - began
