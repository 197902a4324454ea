"""Grades where the judgements do not tell the size of the scale, or the anchors go against it."""

import csv
import json

import numpy as np
import pytest

from pairmark.errors import BadRequest
from pairmark.scoring import Options, score
from pairmark.stats.simulation import simulate


def judged(path, *, essays=30, rounds=24, apart=0.0):
    """A CSV of judgements of essays `apart` logits from one to the next, each essay in `rounds` of them."""
    draw = np.random.default_rng(1)
    pairs = np.concatenate([draw.permutation(essays) for _ in range(rounds)]).reshape(-1, 2)
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["left", "right", "vote"])
        for pair, won in zip(pairs, simulate(apart * np.arange(essays), pairs, 1), strict=True):
            out.writerow([*(f"e{number:02}" for number in pair), "left" if won else "right"])


@pytest.fixture
def options(tmp_path):
    (tmp_path / "anchors.csv").write_text("essay_id,grade\ne02,fail\ne06,fail\ne22,pass\ne26,pass\n")
    return Options(anchors=tmp_path / "anchors.csv", scale="pass-fail")


def test_boundaries_of_coin_tosses_have_no_interval_and_the_reason_is_told(tmp_path, options):
    judged(tmp_path / "votes.csv")
    result = score(tmp_path / "votes.csv", out=tmp_path / "out", options=options)
    (boundary,) = result.grades.boundaries
    assert (boundary.low, boundary.high) == (None, None)
    assert any("do not tell how far apart the essays are" in warning for warning in result.warnings)
    saved = json.loads((tmp_path / "out" / "results.json").read_text())["grades"]["boundaries"]
    assert (saved[0]["low"], saved[0]["high"]) == (None, None)


def test_boundaries_between_essays_that_differ_have_one(tmp_path, options):
    judged(tmp_path / "votes.csv", apart=0.15)
    result = score(tmp_path / "votes.csv", options=options)
    (boundary,) = result.grades.boundaries
    assert boundary.low < boundary.theta < boundary.high
    assert not any("do not tell how far" in warning for warning in result.warnings)


def test_hundreds_of_anchors_upside_down_are_refused_in_one_sentence(tmp_path, options):
    judged(tmp_path / "votes.csv", essays=600, rounds=10, apart=0.01)
    rows = "".join(f"e{number:02},{'pass' if number < 300 else 'fail'}\n" for number in range(600))
    options.anchors.write_text("essay_id,grade\n" + rows)
    with pytest.raises(BadRequest, match=r"600 anchors go so much against their scores.*lowest grade first"):
        score(tmp_path / "votes.csv", options=options)
