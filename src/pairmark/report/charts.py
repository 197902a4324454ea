"""The charts of a report as plain Vega-Lite specifications, with colours that also hold on their own.

A chart only places numbers of the result; the page recolours the named marks for dark screens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pairmark.report.figures import count, decimal, visible
from pairmark.report.tables import finite

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"  # the name of the language; nothing is fetched from there
NAMED_ROWS = 80
"""Up to this many essays each gets a row with its name; more are drawn against their rank."""
RANK_LABELS = 20
TICKS = 8
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
        encoding={"y": by_name("essay") if named else by_place("position", len(essays), "Rank (1 = best)")},
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
    x = {"type": "quantitative", "scale": {"zero": False, "nice": True}, "axis": {"tickCount": TICKS}}
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
    x = {"type": "quantitative", "scale": {"zero": False, "nice": True}, "axis": {"tickCount": TICKS}}
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


def by_place(field: str, rows: int, title: str) -> Spec:
    """Rows without names against their place from 1, the first on top."""
    step = next(step for step in (10, 20, 50, 100, 200, 500, 1000, rows) if rows <= RANK_LABELS * step)
    scale = {"domain": [0, rows + 1], "reverse": True, "nice": False, "zero": False}
    axis = {"title": title, "values": [1, *range(step, rows + 1, step)], "format": ",d"}
    return {"field": field, "type": "quantitative", "scale": scale, "axis": axis}


def _thickness(essays: int) -> float:
    """Pixels of an interval's line; thinner where many share the height."""
    return 2.5 if essays <= NAMED_ROWS else max(0.6, min(2.0, 0.7 * TALLEST / essays))


def look() -> Spec:
    """Colours and sizes of text and axes, the same in all charts."""
    text = {"labelColor": INK, "titleColor": INK, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"}
    return {
        "background": "white",
        "font": "system-ui, sans-serif",
        "view": {"stroke": None},
        "axis": {**text, "gridColor": GRID, "domainColor": REFERENCE, "tickColor": REFERENCE, "titlePadding": 10},
    }
