"""The page of a scored session. Sections stand in the template, sentences in `words`."""

from collections.abc import Sequence
from typing import Literal

from pairmark.domain.scored import Misfit, ScoreResult
from pairmark.report import charts, convergence_charts, grade_charts, quality_charts
from pairmark.report.html import render_page
from pairmark.report.scored import quality, words

Row = tuple[str, float, float | None, float | None]


def render_html(result: ScoreResult) -> str:
    """The result as one self-contained HTML page."""
    grades = result.grades
    bands = grade_charts.bands(grades.grades, grades.boundaries) if grades else []
    counts = [essay.comparisons for essay in result.essays]
    target, course = result.reliability["target"], result.convergence
    steps, by_wave = (course.steps, course.by == "wave") if course else ([], True)
    essays = [(essay.essay_id, essay.misfit) for essay in result.essays]
    judges = [(judge.judge, judge.misfit) for judge in result.judges]
    specs = {
        "dial": quality_charts.reliability_dial(result.reliability["value"], target),
        "reliability": convergence_charts.reliability(steps, target, by_wave=by_wave),
        "change": convergence_charts.change(steps, by_wave=by_wave),
        "caterpillar": charts.caterpillar(result, bands),
        "essayinfit": quality_charts.misfit("essay", "Infit", _rows(essays, "infit")),
        "essayoutfit": quality_charts.misfit("essay", "Outfit", _rows(essays, "outfit")),
        "judgeinfit": quality_charts.misfit("judge", "Infit", _rows(judges, "infit")),
        "judgeoutfit": quality_charts.misfit("judge", "Outfit", _rows(judges, "outfit")),
        "degrees": quality_charts.degree_histogram(counts),
        "distribution": grade_charts.grade_distribution(grades) if grades else None,
        "length": charts.scores_by_length(result.essays) if result.length else None,
    }
    shown = {"words": words, "quality": quality, "why": words.derivations(result)}
    return render_page("score.html.j2", specs, result=result, bars=quality_charts.bars(counts), **shown)


def _rows(found: Sequence[tuple[str, Misfit | None]], what: Literal["infit", "outfit"]) -> list[Row]:
    """Name, value and band of everybody for whom there is one."""
    names = what, f"{what}_low", f"{what}_high"
    return [(who, *(getattr(fit, name) for name in names)) for who, fit in found if fit is not None]
