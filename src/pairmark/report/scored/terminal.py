"""A scored session on one screen: what to rely on, the best and the last essays, grades, warnings."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pairmark.domain.scored import ScoredEssay, ScoreResult
from pairmark.report.figures import count, decimal, visible
from pairmark.report.scored import quality, words
from pairmark.report.terminal import LEVEL_STYLES, facts

ALL_ROWS, TOP, BOTTOM = 14, 8, 4
MOST_WARNINGS = 6
INTERVAL_FROM = 72
"""Columns of the terminal from which the table shows intervals."""


def print_summary(result: ScoreResult, console: Console) -> None:
    """Print what fits one screen."""
    console.print()
    console.print(Text(visible(result.name), style="bold"))
    console.print(Text(words.headline(result)))
    if result.baseline:
        console.print(Text(words.BASELINE_LABEL, style="dim"))
    console.print()
    console.print(_ranking(result, interval=console.width >= INTERVAL_FROM))
    if len(result.essays) > ALL_ROWS:
        console.print(Text(f"The first {TOP} and the last {BOTTOM} of {len(result.essays):,}.", style="dim"))
    console.print()
    console.print(facts(_facts(result)))
    for warning in result.warnings[:MOST_WARNINGS]:
        console.print(Text(f"Note: {visible(warning)}", style="yellow"))
    if len(result.warnings) > MOST_WARNINGS:
        console.print(Text(f"and {len(result.warnings) - MOST_WARNINGS} more notes in the report", style="yellow"))


def _ranking(result: ScoreResult, *, interval: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    columns = ["Rank", "Essay", "Score", "95 % interval", "Ranks", *(["Grade", "Sure", ""] if result.grades else [])]
    kept = [place for place, column in enumerate(columns) if interval or column not in {"95 % interval", "Ranks"}]
    for column in (columns[place] for place in kept):
        table.add_column(column, justify="left" if column in {"Essay", "Grade", ""} else "right", overflow="fold")
    for row in _rows(result.essays):
        table.add_row(*(Text(row[place]) for place in kept))
    return table


def _rows(essays: Sequence[ScoredEssay]) -> Iterator[list[str]]:
    shown = essays if len(essays) <= ALL_ROWS else [*essays[:TOP], *essays[-BOTTOM:]]
    for number, essay in enumerate(shown):
        if len(shown) < len(essays) and number == TOP:
            yield ["...", *[""] * 7]
        sure = "" if essay.grade_probability is None else f"{100 * essay.grade_probability:.0f} %"
        mark = f"anchor {visible(essay.anchor_grade)}" if essay.anchor_grade else "review" if essay.review else ""
        interval = f"{decimal(essay.ci_low)} to {decimal(essay.ci_high)}"
        ranks, grade = quality.ranks(essay.rank_low, essay.rank_high), visible(essay.grade or "")
        yield [str(essay.rank), visible(essay.essay_id), decimal(essay.theta), interval, ranks, grade, sure, mark]


def _facts(result: ScoreResult) -> Iterator[tuple[str, Text]]:
    fitness = words.fitness(result)
    yield "Fit for use", Text(fitness.sentence, style=LEVEL_STYLES[fitness.level])
    if words.target_sentence(result):
        yield "Target", Text(words.target_sentence(result))
    yield "SSR", Text(words.ssr_sentence(result))
    yield "Comparisons", Text(f"{result.comparisons:,}, {decimal(result.comparisons_per_essay, 1)} per essay")
    if result.ties:
        yield "Ties", Text(count(result.ties, "tie"))
    if words.order_sentence(result):
        yield "Order", Text(words.order_sentence(result))
    yield from _doubts(result)
    if result.grades:
        yield "Grades", Text(words.grades_sentence(result.grades))
        at = ", ".join(f"{visible(b.below)}|{visible(b.above)} {decimal(b.theta)}" for b in result.grades.boundaries)
        yield "Boundaries", Text(at)
    if result.link:
        yield "Link", Text(words.link_sentence(result.link))
    if result.length:
        yield "Length", Text(words.length_sentences(result.length)[0])


def _doubts(result: ScoreResult) -> Iterator[tuple[str, Text]]:
    """Essays and judges to look at, and how the scale settled."""
    odd = quality.misfit_sentence([essay.misfit for essay in result.essays], "essay")
    if odd:
        yield "Misfit", Text(odd)
    if quality.screening_sentence(result):
        yield "Judges", Text(quality.screening_sentence(result))
    steps = [step for step in result.convergence.steps if step.reliability is not None] if result.convergence else []
    if len(steps) > 1:
        middle = steps[len(steps) // 2 - 1]
        yield (
            "Settled",
            Text(
                f"reliability {decimal(middle.reliability)} after {count(middle.comparisons, 'judgement')}, "
                f"{decimal(steps[-1].reliability)} after {steps[-1].comparisons:,}"
            ),
        )
