"""Reports name the page and the heading that derive each number; both exist. Fields of results are documented."""

import dataclasses
import re
from pathlib import Path

import pytest

from pairmark.domain.result import WaveProgress
from pairmark.domain.scored import (
    Course,
    JudgeWork,
    Misfit,
    OddComparison,
    ScoredEssay,
    ScoreResult,
    SplitHalf,
)
from pairmark.report.scored.derivations import DERIVATIONS
from pairmark.stats import boundary_chain

EXPLANATION = Path(__file__).resolve().parents[2] / "docs" / "explanation"


@pytest.mark.parametrize("key", DERIVATIONS)
def test_the_page_and_the_heading_that_derive_a_number_exist(key: str) -> None:
    page, _, headings = DERIVATIONS[key].page.partition(", ")
    text = (EXPLANATION / page).read_text(encoding="utf-8")
    for heading in headings.split(" and "):
        assert re.search(rf"^## {re.escape(heading)}$", text, flags=re.MULTILINE), (page, heading)


def test_the_page_on_anchors_tells_the_assumptions_that_are_made() -> None:
    text = (EXPLANATION / "anchors.md").read_text(encoding="utf-8")
    assert pytest.approx(1 / 100) == boundary_chain.MISTAKE
    assert "one in a hundred anchors" in text
    assert round(float(boundary_chain.np.exp(2 * boundary_chain.GAP_SD)), 1) == 2.7
    assert "a factor of about 2.7" in text
    assert round(float(boundary_chain.np.exp(2 * boundary_chain.SCALE_SD))) == 4
    assert "factor of 4" in " ".join(text.split())


def test_every_field_of_the_results_is_documented() -> None:
    text = (EXPLANATION.parent / "howto" / "score-judgements.md").read_text(encoding="utf-8")
    kinds = (ScoreResult, ScoredEssay, JudgeWork, Misfit, SplitHalf, Course, WaveProgress, OddComparison)
    names = {field.name for kind in kinds for field in dataclasses.fields(kind)}
    assert sorted(name for name in names if f"`{name}`" not in text) == []
