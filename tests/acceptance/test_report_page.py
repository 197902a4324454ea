"""The page in a real browser: charts are drawn under the page's own security policy, hostile names do nothing."""

import re
from pathlib import Path

import pytest

from pairmark.domain.scored import ScoreResult
from pairmark.report.compared import write_page
from pairmark.report.scored.write import write_report as write_scored
from pairmark.report.write import write_report
from support import report_samples as samples
from support import score_samples
from support.browser import load

ASSESSED = ["dial", "caterpillar", "reliability", "change", "degrees"]


@pytest.mark.parametrize("essays", [2, 35, 1000])
def test_all_charts_are_drawn_without_a_complaint(chromium: str, tmp_path: Path, essays: int) -> None:
    result = samples.ranked(essays)
    page, *_ = write_report(result, [], tmp_path / "out")
    loaded = load(chromium, page, tmp_path / "profile")
    assert loaded.console == []
    assert loaded.charts() == ASSESSED
    points = re.search(r'point_marks".*?</g>', loaded.dom, re.DOTALL)
    assert points is not None
    assert points.group().count("<path") == essays


def test_hostile_names_are_drawn_and_do_nothing(chromium: str, tmp_path: Path) -> None:
    page, *_ = write_report(samples.hostile(), samples.judgements(), tmp_path / "out")
    loaded = load(chromium, page, tmp_path / "profile")
    assert loaded.console == []
    assert loaded.charts() == ASSESSED
    assert loaded.title() != "owned"
    assert "img" not in loaded.tags()


def test_a_script_that_is_not_ours_would_not_run(chromium: str, tmp_path: Path) -> None:
    page, *_ = write_report(samples.ranked(), [], tmp_path / "out")
    attack = "<body><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    page.write_text(page.read_text(encoding="utf-8").replace("<body>", attack, 1), encoding="utf-8")
    loaded = load(chromium, page, tmp_path / "profile")
    assert loaded.title() != "owned"
    assert any("Content Security Policy" in line for line in loaded.console)
    assert loaded.charts() == ASSESSED


def test_the_page_of_model_judges_draws_people_beside_them(chromium: str, tmp_path: Path) -> None:
    page, *_ = write_report(samples.judged_by_models(), [], tmp_path / "out")
    loaded = load(chromium, page, tmp_path / "profile")
    assert loaded.console == []
    assert loaded.charts() == [*ASSESSED[:2], "humans", *ASSESSED[2:]]
    assert loaded.title() != "owned"
    for promised in (
        "openai:large",
        "First-seat advantage",
        "waits for a person",
        "cleared by anna",
        "and more",
        "suspended",
    ):
        assert promised in loaded.dom


@pytest.mark.parametrize("people", [True, False])
def test_the_page_of_compared_judges_draws_its_charts(chromium: str, tmp_path: Path, people: bool) -> None:
    page = tmp_path / "page.html"
    write_page(page, samples.compared(people=people))
    loaded = load(chromium, page, tmp_path / "profile")
    assert loaded.console == []
    assert loaded.charts() == [*(["people"] * people), "between"]
    assert loaded.title() == "Judges side by side · Pairmark"
    assert "img" not in loaded.tags()


def test_a_batch_without_scores_loads_quietly(chromium: str, tmp_path: Path) -> None:
    page, *_ = write_report(samples.failed(), [], tmp_path / "out")
    loaded = load(chromium, page, tmp_path / "profile")
    assert loaded.console == []
    assert "The account local has 12 credits and needs 350." in loaded.dom


@pytest.mark.parametrize("result", [score_samples.scored(), score_samples.graded(200), score_samples.hostile()])
def test_the_page_of_a_scored_session_draws_all_its_charts(chromium: str, tmp_path: Path, result: ScoreResult) -> None:
    page, *_ = write_scored(result, tmp_path / "out")
    loaded = load(chromium, page, tmp_path / "profile")
    assert loaded.console == []
    graded = result.grades is not None
    misfit = [f"{who}{what}" for who in ("essay", "judge") for what in ("infit", "outfit")]
    shown = [
        "dial",
        "reliability",
        "change",
        "caterpillar",
        *misfit[:2],
        *(["distribution"] * graded),
        *misfit[2:],
        "degrees",
    ]
    assert loaded.charts() == [*shown, *(["length"] * graded)]
    assert "img" not in loaded.tags()
