"""The end of `pairmark assess` on a terminal: the ranked table, then what each part of the system believes.

Works at 60 columns and in a pipe; sentences come from `words`, live progress is in `progress`.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pairmark.domain.result import AssessmentResult, EssayScore
from pairmark.report import judge_words, words
from pairmark.report.figures import count, decimal, plain, visible
from pairmark.report.progress import Progress

__all__ = ["Progress", "print_summary"]

ALL_ROWS, TOP, BOTTOM = 60, 25, 10
COMPARISONS_FROM, BAR_FROM = 72, 92
"""Columns of the terminal from which the table shows comparisons, and intervals as bars."""
BAR, GAP, MINIMUM_NAME = 28, 2, 8
MOST_JUDGES = 12
LEVEL_STYLES = {"good": "green", "fair": "yellow", "weak": "red", "none": "dim"}


def print_summary(result: AssessmentResult, console: Console) -> None:
    """Print the whole result as text for people."""
    _print_head(result, console)
    if result.essays:
        _print_ranking(result, console)
    about = [*_about_the_scale(result), ("", Text(""))]
    if judge_words.by_models(result):
        about += [*_about_the_judges(result), ("", Text(""))]
    console.print(facts([*about, *_about_the_services(result)]))
    _print_events(result.events, console)
    _print_self_check(result.self_check, console)
    for warning in result.warnings:
        console.print(Text(f"Warning: {visible(warning)}", style="yellow"))


def _print_head(result: AssessmentResult, console: Console) -> None:
    console.print()
    console.print(Text(visible(result.name or result.batch_id), style="bold"))
    console.print(Text(words.headline(result)))
    if result.baseline:
        console.print(Text(words.BASELINE_LABEL, style="dim"))
    console.print(Text(f"{words.ending(result)} ({visible(result.status)})"))
    if result.error:
        console.print(Text(visible(result.error), style="red"))
    if words.again(result):
        console.print(Text(words.again(result)))
    console.print()


def _print_ranking(result: AssessmentResult, console: Console) -> None:
    essays = sorted(result.essays, key=lambda essay: essay.rank)
    bars = _Bars(essays, unicode=console.encoding.startswith("utf"))
    columns = ["Rank", "Essay", "Score", "95 % interval"]
    columns += ["Comparisons"] * (console.width >= COMPARISONS_FROM)
    columns += [""] * (console.width >= BAR_FROM and bars.drawable)
    rows = [row[: len(columns)] for row in _rows(essays, bars)]
    widths = [max(map(cell_len, column)) for column in zip(columns, *rows, strict=True)]
    widths[1] = max(MINIMUM_NAME, min(widths[1], console.width - sum(widths) + widths[1] - GAP * (len(columns) - 1)))
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, GAP, 0, 0))
    for column, width in zip(columns, widths, strict=True):
        left = column in {"Essay", ""}
        table.add_column(column, width=width, justify="left" if left else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)
    if len(essays) > ALL_ROWS:
        note = f"The first {TOP} and the last {BOTTOM} of {len(essays):,}; all of them are in results.csv."
        console.print(Text(note, style="dim"))
    console.print()


def _rows(essays: Sequence[EssayScore], bars: "_Bars") -> Iterator[list[str]]:
    shown = essays if len(essays) <= ALL_ROWS else [*essays[:TOP], *essays[-BOTTOM:]]
    low, high = (max(len(decimal(getattr(essay, key))) for essay in shown) for key in ("ci_low", "ci_high"))
    for number, essay in enumerate(shown):
        if len(shown) < len(essays) and number == TOP:
            yield ["...", *[""] * 5]
        interval = f"{decimal(essay.ci_low):>{low}} to {decimal(essay.ci_high):>{high}}"
        name, score = visible(essay.essay_id), decimal(essay.theta)
        yield [str(essay.rank), name, score, interval, f"{essay.comparisons:,}", bars.draw(essay)]


class _Bars:
    """Intervals drawn to one scale in `BAR` characters."""

    def __init__(self, essays: Sequence[EssayScore], *, unicode: bool) -> None:
        self._low = min(essay.ci_low for essay in essays)
        self._span = max(essay.ci_high for essay in essays) - self._low
        self._line, self._point = ("─", "●") if unicode else ("-", "o")
        self.drawable = 0 < self._span < float("inf")

    def draw(self, essay: EssayScore) -> str:
        """Spaces, a line from `ci_low` to `ci_high`, a point at theta."""
        if not self.drawable:
            return ""
        low, point, high = (self._column(value) for value in (essay.ci_low, essay.theta, essay.ci_high))
        line = self._line
        return " " * low + line * (point - low) + self._point + line * (high - point)

    def _column(self, value: float) -> int:
        return round((value - self._low) / self._span * (BAR - 1))


def _about_the_scale(result: AssessmentResult) -> Iterator[tuple[str, Text]]:
    fitness = words.fitness(result)
    yield "Fit for use", Text(fitness.sentence, style=LEVEL_STYLES[fitness.level])
    value, method = result.reliability.get("value"), result.reliability.get("method")
    if value is not None:
        named = f"{decimal(value)} ({visible(str(method))})" if method else decimal(value)
        target = words.target_sentence(result)
        yield "Reliability", Text(f"{named}; {target}" if target else named)
    if result.ssr is not None:
        yield "SSR", Text(decimal(result.ssr))
    if result.comparisons:
        per_essay = f"{decimal(result.comparisons_per_essay, 1)} per essay"
        yield "Comparisons", Text(f"{result.comparisons:,} in {count(result.waves, 'wave')}, {per_essay}")
    if result.agreement is not None:
        yield "Agreement", Text(words.agreement_sentence(result))
    for group in result.identical_texts:
        yield "Same text", Text(" = ".join(visible(essay_id) for essay_id in group))


def _about_the_judges(result: AssessmentResult) -> Iterator[tuple[str, Text]]:
    for judge in result.judges[:MOST_JUDGES]:
        yield "Judge", Text(f"{visible(judge.judge)}: {judge_words.judge_line(judge)}")
    if len(result.judges) > MOST_JUDGES:
        yield "", Text(f"and {len(result.judges) - MOST_JUDGES:,} more; all of them are in report.html.")
    for sentence in judge_words.people_sentences(result.humans) if result.humans else ():
        yield "People", Text(sentence.replace("\u00a0", " "))
    for sentence in judge_words.surface_sentences(result.surface) if result.surface else ():
        yield "Control", Text(sentence.replace("\u00a0", " "), style="dim")
    if result.cost is not None:
        yield "Cost", Text(judge_words.cost_sentence(result.cost))
    for sentence in judge_words.alarms(result):
        yield "Note", Text(sentence.replace("\u00a0", " "), style="yellow")


def _about_the_services(result: AssessmentResult) -> Iterator[tuple[str, Text]]:
    lifecycle, results = result.services.get("lifecycle", {}), result.services.get("results", {})
    entitlements = result.services.get("entitlements", {})
    if lifecycle:
        essays = ", ".join(f"{number:,} {visible(str(status))}" for status, number in lifecycle["essays"].items())
        phase = visible(str(lifecycle["phase"]))
        yield "Lifecycle", Text(f"{phase}; essays: {essays}" if essays else phase)
    if results:
        when = f", published {visible(str(results['published_at']))}" if results["published_at"] else ""
        yield "Results", Text(f"{count(results['rows'], 'row')}{when}")
    if entitlements:
        limit = "without limit" if entitlements["unlimited"] else "with a limit"
        yield "Account", Text(f"{visible(str(entitlements['account']))}, {limit}")
    if result.credits:
        yield "Credits", Text(_credits(result.credits))


def _credits(credit: dict[str, Any]) -> str:
    parts = (f"{key} {plain(credit.get(key))}" for key in ("reserved", "charged", "released", "balance"))
    unit = f" ({visible(str(credit['unit']))})" if credit.get("unit") else ""
    return ", ".join(parts) + unit


def facts(pairs: Iterable[tuple[str, Text]]) -> Table:
    """Names and what is to be said about them, in two columns."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="bold", min_width=12)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        grid.add_row(name, value)
    return grid


def _print_events(events: dict[str, int], console: Console) -> None:
    console.print()
    console.print(Text("Events published", style="bold"))
    if not events:
        console.print(Text("  none"))
    width = max((len(f"{number:,}") for number in events.values()), default=0)
    for event_type, number in sorted(events.items()):
        console.print(Text(f"  {number:>{width},}  {visible(event_type)}"), soft_wrap=True)


def _print_self_check(self_check: dict[str, Any], console: Console) -> None:
    console.print()
    console.print(Text("Self-check of every event and every credit", style="bold"))
    line = words.self_check_line(self_check)
    if line is None:
        console.print(Text(words.self_check_absence(self_check), style="yellow"))
        return
    passed = words.self_check_passed(self_check)
    console.print(Text(line, style="bold green" if passed else "bold red"), soft_wrap=True)
    for finding in self_check.get("findings", []):
        console.print(Text(f"  {visible(str(finding))}", style="red"))
