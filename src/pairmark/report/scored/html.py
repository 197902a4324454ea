"""The page of a scored session. Sections stand in the template, sentences in `words`."""

from pairmark.domain.scored import ScoreResult
from pairmark.report import charts, grade_charts, quality_charts
from pairmark.report.html import render_page
from pairmark.report.scored import words


def render_html(result: ScoreResult) -> str:
    """The result as one self-contained HTML page."""
    grades = result.grades
    bands = grade_charts.bands(grades.grades, grades.boundaries) if grades else []
    counts = [essay.comparisons for essay in result.essays]
    specs = {
        "dial": quality_charts.reliability_dial(result.reliability["value"], result.reliability["target"]),
        "caterpillar": charts.caterpillar(result, bands),
        "degrees": quality_charts.degree_histogram(counts),
        "distribution": grade_charts.grade_distribution(grades) if grades else None,
        "length": charts.scores_by_length(result.essays) if result.length else None,
    }
    bars = [(quality_charts.span(low, high), number) for low, high, number in quality_charts.degrees(counts)]
    return render_page("score.html.j2", specs, result=result, words=words, bars=bars, why=words.derivations(result))
