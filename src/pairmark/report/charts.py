"""The charts of a report as plain Vega-Lite specifications, with colours that also hold on their own.

A chart only places numbers of the result; the page recolours the named marks for dark screens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pairmark.domain.result import AssessmentResult, WaveProgress
from pairmark.report.figures import count, decimal, visible
from pairmark.report.tables import finite

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"  # the name of the language; nothing is fetched from there
NAMED_ROWS = 80
"""Up to this many essays each gets a row with its name; more are drawn against their rank."""
RANK_LABELS = 20
ROW, LOWEST, TALLEST = 19, 420, 960
"""Pixels: a row with a name, and the bounds of the height without names."""

POINT, INTERVAL, REFERENCE, INK, GRID = "#0b5fa5", "#5a88b3", "#6b7280", "#1f2933", "#e3e7eb"
"""Contrast on white: 6.5, 3.7, 4.8, 14.8 to one (3 is asked of marks, 4.5 of text); the grid is decoration."""
BAND, WARN = "#eef2f6", "#8f1717"

Spec = dict[str, Any]


class Scored(Protocol):
    """An essay on a scale, as every result has them."""

    @property
    def essay_id(self) -> str: ...  # noqa: D102
    @property
    def rank(self) -> int: ...  # noqa: D102
    @property
    def theta(self) -> float: ...  # noqa: D102
    @property
    def ci_low(self) -> float: ...  # noqa: D102
    @property
    def ci_high(self) -> float: ...  # noqa: D102
    @property
    def comparisons(self) -> float: ...  # noqa: D102


class Counted(Protocol):
    """An essay whose words may be known."""

    @property
    def essay_id(self) -> str: ...  # noqa: D102
    @property
    def theta(self) -> float: ...  # noqa: D102
    @property
    def words(self) -> int | None: ...  # noqa: D102


class Ranking(Protocol):
    """A result with scored essays."""

    @property
    def essays(self) -> Sequence[Scored]: ...  # noqa: D102


@dataclass(frozen=True)
class Band:
    """The scores of one grade; infinite ends are open."""

    grade: str
    low: float
    high: float


def caterpillar(result: Ranking, bands: Sequence[Band] = ()) -> Spec | None:
    """Score and 95 % interval of each essay, best on top, over the bands of grades; None for fewer than two essays."""
    essays = sorted(result.essays, key=lambda essay: essay.rank)
    if len(essays) < 2:
        return None
    named = len(essays) <= NAMED_ROWS
    best, last = visible(essays[0].essay_id), visible(essays[-1].essay_id)
    return chart(
        f"Scores of {count(len(essays), 'essay')} with 95 % intervals, from {best} at {decimal(essays[0].theta)} "
        f"down to {last} at {decimal(essays[-1].theta)}. The table below holds the same numbers.",
        data=[_essay(position, essay) for position, essay in enumerate(essays, start=1)],
        height=len(essays) * ROW if named else min(TALLEST, max(LOWEST, len(essays) * 3)),
        layer=[*_band_layers(bands, essays), *_caterpillar_layers(named, len(essays))],
        encoding={"y": by_name("essay") if named else _by_position(len(essays))},
    )


def reliability_by_wave(result: AssessmentResult) -> Spec | None:
    """Reliability after each wave against its target; None when no wave has one."""
    waves = [wave for wave in result.convergence if wave.reliability is not None]
    if not waves:
        return None
    target = result.reliability.get("target")
    y = {"type": "quantitative", "title": "Reliability (1 = perfect)", "scale": {"domain": [0, 1]}}
    return chart(
        f"Reliability after each of {count(len(waves), 'wave')}, ending at {decimal(waves[-1].reliability)}.",
        data=_waves(waves),
        height=220,
        layer=[*_line({**y, "field": "reliability"}, waves), *_target_layers(target, y)],
        encoding={},
    )


def change_by_wave(result: AssessmentResult) -> Spec | None:
    """Largest move of any score from one wave to the next; None before the second wave."""
    waves = [wave for wave in result.convergence if wave.largest_change is not None]
    if not waves:
        return None
    y = {"field": "largest_change", "type": "quantitative", "title": "Largest move of a score"}
    return chart(
        f"Largest move of any score in each of {count(len(waves), 'wave')}, ending at "
        f"{decimal(waves[-1].largest_change, 3)} logits.",
        data=_waves(waves),
        height=220,
        layer=_line({**y, "scale": {"zero": True, "nice": True}}, waves),
        encoding={},
    )


def scores_by_length(essays: Sequence[Counted]) -> Spec | None:
    """Score of each essay against its words; None for fewer than two essays."""
    if len(essays) < 2:
        return None
    values = [
        {"essay": visible(essay.essay_id), "words": essay.words, "score": essay.theta}
        for essay in essays
        if essay.words is not None
    ]
    x = {"field": "words", "type": "quantitative", "title": "Words", "scale": {"zero": False, "nice": True}}
    y = {"field": "score", "type": "quantitative", "title": "Score in logits", "scale": {"zero": False, "nice": True}}
    tooltip = [{"field": "essay", "type": "nominal"}, {"field": "words"}, {"field": "score", "format": ".2f"}]
    return chart(
        f"Score against number of words for {count(len(essays), 'essay')}.",
        data=values,
        height=260,
        layer=[
            {
                "name": "point",
                "mark": {"type": "point", "filled": True, "opacity": 0.8, "color": POINT, "size": 40},
                "encoding": {"x": x, "y": y, "tooltip": tooltip},
            }
        ],
        encoding={},
    )


def chart(description: str, *, data: list[Spec], height: int, layer: list[Spec], encoding: Spec) -> Spec:
    """A layered chart of this look that fills its place in width."""
    return {
        "$schema": SCHEMA,
        "description": description,
        "width": "container",
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": finite(data)},
        "encoding": encoding,
        "layer": layer,
        "config": look(),
    }


def _essay(position: int, essay: Scored) -> Spec:
    return {
        "position": position,
        "essay": visible(essay.essay_id),
        "rank": essay.rank,
        "score": essay.theta,
        "low": essay.ci_low,
        "high": essay.ci_high,
        "comparisons": essay.comparisons,
        "zero": 0,
    }


def _band_layers(bands: Sequence[Band], essays: Sequence[Scored]) -> list[Spec]:
    """Every other band shaded, all with their grade on top, as far as the intervals reach."""
    values = _band_values(bands, essays)
    if not values:
        return []
    x = {"type": "quantitative", "scale": {"zero": False, "nice": True}}
    text = {"type": "text", "color": INK, "fontSize": 12, "fontWeight": "bold", "baseline": "bottom", "dy": -3}
    return [
        {
            "name": "band",
            "data": {"values": [value for value in values if value["shaded"]]},
            "mark": {"type": "rect", "color": BAND, "opacity": 1, "aria": False},
            "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": None},
        },
        {
            "name": "label",
            "data": {"values": values},
            "mark": text,
            "encoding": {
                "x": {**x, "field": "middle"},
                "y": {"value": 0},
                "text": {"field": "grade", "type": "nominal"},
            },
        },
    ]


def _band_values(bands: Sequence[Band], essays: Sequence[Scored]) -> list[Spec]:
    low, high = min(essay.ci_low for essay in essays), max(essay.ci_high for essay in essays)
    within = [(band, max(band.low, low), min(band.high, high)) for band in bands]
    return [
        {
            "grade": visible(band.grade),
            "low": left,
            "high": right,
            "middle": (left + right) / 2,
            "shaded": number % 2 == 0,
        }
        for number, (band, left, right) in enumerate(within)
        if right > left
    ]


def _caterpillar_layers(named: bool, essays: int) -> list[Spec]:
    x = {"type": "quantitative", "scale": {"zero": False, "nice": True}}
    title = ["Score in logits, 0 = average", "further right = judged better"]
    tooltip = [
        {"field": "essay", "type": "nominal", "title": "Essay"},
        {"field": "rank", "type": "quantitative", "title": "Rank"},
        {"field": "score", "type": "quantitative", "title": "Score", "format": ".2f"},
        {"field": "low", "type": "quantitative", "title": "95 % from", "format": ".2f"},
        {"field": "high", "type": "quantitative", "title": "95 % to", "format": ".2f"},
        {"field": "comparisons", "type": "quantitative", "title": "Comparisons"},
    ]
    return [
        {
            "name": "reference",
            "data": {"values": [{"zero": 0}]},
            "mark": {"type": "rule", "color": REFERENCE, "strokeDash": [4, 4], "aria": False},
            "encoding": {"x": {**x, "field": "zero"}, "y": None},
        },
        {
            "name": "interval",
            "mark": {"type": "rule", "color": INTERVAL, "strokeWidth": _thickness(essays), "aria": False},
            "encoding": {"x": {**x, "field": "low", "title": title}, "x2": {"field": "high"}, "tooltip": tooltip},
        },
        {
            "name": "point",
            "mark": {"type": "point", "filled": True, "opacity": 1, "color": POINT, "aria": named}
            | {"size": 60 if named else max(14, min(40, 4000 / essays))},
            "encoding": {"x": {**x, "field": "score"}, "tooltip": tooltip},
        },
    ]


def by_name(field: str) -> Spec:
    """One row with its name for each value of a field, in the order of the data."""
    axis = {"title": None, "grid": True, "ticks": False, "domain": False, "labelLimit": 170, "labelPadding": 8}
    return {"field": field, "type": "nominal", "sort": None, "axis": axis}


def _by_position(essays: int) -> Spec:
    step = next(step for step in (10, 20, 50, 100, 200, 500, 1000, essays) if essays <= RANK_LABELS * step)
    scale = {"domain": [0, essays + 1], "reverse": True, "nice": False, "zero": False}
    axis = {"title": "Rank (1 = best)", "values": [1, *range(step, essays + 1, step)], "format": ",d"}
    return {"field": "position", "type": "quantitative", "scale": scale, "axis": axis}


def _thickness(essays: int) -> float:
    """Pixels of an interval's line; thinner where many share the height."""
    return 2.5 if essays <= NAMED_ROWS else max(0.6, min(2.0, 0.7 * TALLEST / essays))


def _waves(waves: Sequence[WaveProgress]) -> list[Spec]:
    return [
        {
            "wave": wave.wave,
            "comparisons": wave.comparisons,
            "reliability": wave.reliability,
            "largest_change": wave.largest_change,
        }
        for wave in waves
    ]


def _line(y: Spec, waves: Sequence[WaveProgress]) -> list[Spec]:
    tooltip = [
        {"field": "wave", "type": "quantitative", "title": "Wave"},
        {"field": "comparisons", "type": "quantitative", "title": "Comparisons"},
        {"field": y["field"], "type": "quantitative", "title": y["title"], "format": ".3f"},
    ]
    first, last = waves[0].wave, waves[-1].wave
    scale = {"domain": [min(first, last - 1), last], "nice": False, "zero": False, "padding": 8}
    x = {"field": "wave", "type": "quantitative", "title": "Wave of comparisons", "scale": scale}
    x["axis"] = {"tickMinStep": 1, "format": "d", "grid": False}
    return [
        {
            "name": "course",
            "mark": {"type": "line", "color": INTERVAL, "strokeWidth": 2, "aria": False},
            "encoding": {"x": x, "y": y},
        },
        {
            "name": "point",
            "mark": {"type": "point", "filled": True, "opacity": 1, "color": POINT, "size": 50},
            "encoding": {"x": x, "y": y, "tooltip": tooltip},
        },
    ]


def _target_layers(target: float | None, y: Spec) -> list[Spec]:
    if target is None:
        return []
    data = {"values": [{"target": target}]}
    encoding = {"y": {**y, "field": "target"}}
    label = {"type": "text", "text": f"target {decimal(target)}", "color": INK, "align": "left", "baseline": "bottom"}
    return [
        {
            "name": "reference",
            "data": data,
            "mark": {"type": "rule", "color": REFERENCE, "strokeDash": [4, 4], "aria": False},
            "encoding": encoding,
        },
        {
            "name": "label",
            "data": data,
            "mark": {**label, "dy": -4, "fontSize": 12},
            "encoding": {**encoding, "x": {"value": 4}},
        },
    ]


def look() -> Spec:
    """Colours and sizes of text and axes, the same in all charts."""
    text = {"labelColor": INK, "titleColor": INK, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"}
    return {
        "background": "white",
        "font": "system-ui, sans-serif",
        "view": {"stroke": None},
        "axis": {**text, "gridColor": GRID, "domainColor": REFERENCE, "tickColor": REFERENCE, "titlePadding": 10},
    }
