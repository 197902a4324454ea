"""The summary as text: complete at 60 and at 100 columns, harmless whatever the essays are called."""

import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.console import Console

from pairmark.domain.result import AssessmentResult
from pairmark.report.terminal import print_summary
from support import report_samples as samples


def text_of(result: AssessmentResult, width: int = 100, *, terminal: bool = False) -> str:
    target = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
    console = Console(file=target, width=width, force_terminal=terminal, legacy_windows=False)
    print_summary(result, console)
    target.seek(0)
    return target.read()


@pytest.mark.parametrize("width", [60, 100])
def test_every_essay_with_score_and_interval_fits_the_width(width: int) -> None:
    result = samples.ranked()
    lines = text_of(result, width).splitlines()
    for essay in result.essays:
        [line] = [line for line in lines if line.split()[:2] == [str(essay.rank), essay.essay_id]]
        assert line.split()[2:6] == [f"{essay.theta:.2f}", f"{essay.ci_low:.2f}", "to", f"{essay.ci_high:.2f}"]
    assert max(len(line.rstrip()) for line in lines) <= width


@pytest.mark.parametrize("width", [60, 100])
def test_the_whole_story_is_told(width: int) -> None:
    text = " ".join(text_of(samples.ranked(), width).split())
    for part in (
        "35 essays ranked from 350 comparisons by 12 judges.",
        "Finished: the target reliability was reached. (COMPLETE_STABLE)",
        "Reliability 0.87 (empirical-bayes); 0.87 reaches the target of 0.85.",
        "350 in 10 waves, 20.0 per essay",
        "Spearman 0.92 with the column published_rank_score (smaller is better there)",
        "CJ_ASSESSMENT_COMPLETE; essays: 35 SCORED",
        "Results 35 rows, published 2026-11-23T10:15:04Z",
        "Account local, without limit",
        "reserved 490, charged 350, released 140, balance -350 (cj_comparison)",
        "1 huleedu.cj_assessment.completed.v1",
        "350 huleedu.llm_provider.comparison_result.v1",
        "Warning: Two pairs of texts are identical word for word.",
    ):
        assert part in text


def test_identical_texts_are_named() -> None:
    result = samples.ranked()
    text = text_of(result)
    for group in result.identical_texts:
        assert " = ".join(group) in text


@pytest.mark.parametrize("width", [20, 60, 100])
@pytest.mark.parametrize("terminal", [True, False])
def test_the_verdict_is_a_line_of_its_own(width: int, terminal: bool) -> None:
    found = {"duplicates": 94, "lost": 1, "charged_twice": 2, "findings": ["83 rows of one batch"]}
    plain = text_of(samples.ranked(), width)
    assert "0 duplicates, 0 lost, 0 charged twice" in plain.splitlines()
    coloured = text_of(replace(samples.ranked(), self_check=found), width, terminal=terminal)
    assert "94 duplicates, 1 lost, 2 charged twice" in coloured
    assert "83 rows" in coloured


def test_a_self_check_that_did_not_run_is_not_called_clean() -> None:
    text = text_of(replace(samples.ranked(), self_check={}))
    assert "The self-check was not run." in text
    assert "duplicates" not in text


def test_many_essays_are_cut_to_first_and_last() -> None:
    result = samples.ranked(1000)
    text = text_of(result)
    assert "The first 25 and the last 10 of 1,000; all of them are in results.csv." in text
    shown = [essay.rank for essay in result.essays if f" {essay.essay_id} " in text]
    assert shown == [*range(1, 26), *range(991, 1001)]


def test_sixty_essays_are_all_shown() -> None:
    result = samples.ranked(60)
    text = text_of(result)
    assert all(essay.essay_id in text for essay in result.essays)
    assert "results.csv" not in text


def test_intervals_are_drawn_to_scale_where_there_is_room() -> None:
    wide, narrow = text_of(samples.ranked(), 100), text_of(samples.ranked(), 60)
    assert wide.count("●") == 35
    assert "●" not in narrow
    first, last = (line for line in wide.splitlines() if "●" in line and line.split()[0] in {"1", "35"})
    assert first.index("●") > last.index("●")


@pytest.mark.parametrize("terminal", [True, False])
def test_names_cannot_steer_the_terminal(terminal: bool) -> None:
    text = text_of(samples.hostile(), terminal=terminal)
    assert "\x1b[2J" not in text
    assert "\u202e" not in text
    assert "\\u001b[2J" in text
    assert "[bold red]not markup" in text


@pytest.mark.parametrize("make", [samples.failed, samples.cancelled])
def test_a_batch_without_scores_says_why_and_what_to_do(make: Callable[[], AssessmentResult]) -> None:
    result = make()
    text = " ".join(text_of(result, 60).split())
    assert "No essay was ranked." in text
    assert "Nothing was charged. Run the same command again" in text
    assert (result.error or "somebody cancelled it") in text
    assert "charged 0, released 490" in text
    assert "nan" not in text
    assert "None" not in text


def test_long_names_are_folded_and_leave_the_numbers_whole() -> None:
    result = samples.ranked(3, ids=[f"{'folder-of-a-course/' * 5}student-{number}" for number in range(3)])
    lines = text_of(result, 60).splitlines()
    for essay in result.essays:
        start = next(number for number, line in enumerate(lines) if line.startswith(f"   {essay.rank}  "))
        _, name, *numbers = lines[start].split()
        assert numbers == [f"{essay.theta:.2f}", f"{essay.ci_low:.2f}", "to", f"{essay.ci_high:.2f}"]
        while name != essay.essay_id:
            start += 1
            name += lines[start].strip()
    assert max(len(line) for line in lines) <= 60


def test_one_essay() -> None:
    text = text_of(samples.single(), 60)
    assert "One essay, so there was nothing to compare it with." in text
    assert "only-one" in text
    assert "inf" not in text.replace("insufficient", "").lower()


def test_the_baseline_is_labelled() -> None:
    text = text_of(replace(samples.ranked(), baseline=True))
    assert "surface baseline: counts words, never grades" in text
    assert "Not fit for any decision" in text
