"""Charts on the quality of a scale: reliability as a dial, comparisons per essay, misfit of judges, scores against length.

They take plain numbers, so that any result can use them.
"""

import math
from collections import Counter
from collections.abc import Sequence

from pairmark.report.charts import INK, INTERVAL, POINT, REFERENCE, SCHEMA, WARN, Spec, by_name, chart, look
from pairmark.report.figures import count, decimal, visible
from pairmark.report.tables import finite
from pairmark.report.words import GOOD, USABLE

WIDTH, RADIUS = 300, 120  # pixels of the dial
MOST_BARS = 30


def reliability_dial(value: float | None, target: float | None = None) -> Spec | None:
    """Reliability from 0 to 1 on a half circle with the usual bars, and a mark for the target; None without a value."""
    if value is None or not math.isfinite(value):
        return None
    zones = [(0.0, USABLE, "weak"), (USABLE, GOOD, "fair"), (GOOD, 1.0, "good")]
    colours = {"weak": "#f3c9c9", "fair": "#f5dfae", "good": "#b9dfc9"}
    layers = [_arc(level, low, high, 84, RADIUS, colours[level]) for low, high, level in zones]
    layers.append(_arc("hand", max(value - 0.006, 0), min(value + 0.006, 1), 62, RADIUS + 6, INK))
    if target is not None:
        layers.append(_arc("goal", max(target - 0.003, 0), min(target + 0.003, 1), RADIUS, RADIUS + 14, REFERENCE))
    told = f", target {decimal(target)}" if target is not None else ""
    layers.append(_written("label", decimal(value), RADIUS + 8, 30))
    layers.append(_written("unit", f"of 1{told}", RADIUS + 32, 12))
    return {
        "$schema": SCHEMA,
        "description": f"Reliability {decimal(value)} on a dial from 0 to 1{told}.",
        "width": WIDTH,
        "height": RADIUS + 42,
        "encoding": {},
        "layer": layers,
        "config": look(),
    }


def degrees(comparisons: Sequence[float]) -> list[tuple[float, float, int]]:
    """How many essays were in how many comparisons: (from, up to but without, essays), in at most `MOST_BARS` bars."""
    if not comparisons:
        return []
    whole = [math.floor(value) for value in comparisons]
    least, span = min(whole), max(whole) - min(whole) + 1
    width = max(1, math.ceil(span / MOST_BARS))
    found = Counter((value - least) // width for value in whole)
    return [(least + k * width, least + (k + 1) * width, found[k]) for k in range(max(found) + 1)]


def degree_histogram(comparisons: Sequence[float]) -> Spec | None:
    """Essays by the number of comparisons they were in; None for fewer than two essays."""
    bars = degrees(comparisons)
    if len(comparisons) < 2:
        return None
    values = [
        {"low": low - 0.5, "high": high - 0.5, "essays": number, "told": span(low, high)} for low, high, number in bars
    ]
    y = {"field": "essays", "type": "quantitative", "title": "Essays", "axis": {"tickMinStep": 1, "format": "d"}}
    x = {
        "field": "low",
        "type": "quantitative",
        "title": "Comparisons of an essay",
        "scale": {"zero": False, "nice": False},
    }
    x["axis"] = {"tickMinStep": 1, "format": "d", "grid": False}
    tooltip = [{"field": "told", "type": "nominal", "title": "Comparisons"}, {"field": "essays", "title": "Essays"}]
    return chart(
        f"How many comparisons each of {count(len(comparisons), 'essay')} was in: from {span(*bars[0][:2])} to "
        f"{span(*bars[-1][:2])}.",
        data=values,
        height=200,
        layer=[
            {
                "name": "bar",
                "mark": {"type": "rect", "color": INTERVAL, "stroke": "white", "strokeWidth": 1},
                "encoding": {"x": x, "x2": {"field": "high"}, "y": y, "y2": {"datum": 0}, "tooltip": tooltip},
            }
        ],
        encoding={},
    )


def judge_misfit(
    judges: Sequence[str],
    infit: Sequence[float],
    low: Sequence[float],
    high: Sequence[float],
    flagged: Sequence[bool],
) -> Spec | None:
    """Infit of each judge beside the band that a judge like the model would stay in; all of one length, None if empty."""
    if not judges:
        return None
    rows = sorted(zip(judges, infit, low, high, flagged, strict=True), key=lambda row: -row[1])
    values = [
        {"judge": visible(judge), "infit": value, "low": a, "high": b, "flagged": bool(out), "one": 1}
        for judge, value, a, b, out in rows
    ]
    x = {"type": "quantitative", "scale": {"zero": False, "nice": True}}
    title = ["Infit, 1 = as the model expects", "further right = more surprising decisions"]
    outside = sum(map(bool, flagged))
    return chart(
        f"Infit of {count(len(judges), 'judge')}; {outside} outside the band that chance leaves.",
        data=values,
        height=max(60, 19 * len(judges)),
        layer=[
            {
                "name": "reference",
                "data": {"values": [{"one": 1}]},
                "mark": {"type": "rule", "color": REFERENCE, "strokeDash": [4, 4], "aria": False},
                "encoding": {"x": {**x, "field": "one"}, "y": None},
            },
            {
                "name": "interval",
                "mark": {"type": "rule", "color": INTERVAL, "strokeWidth": 6, "opacity": 0.45, "aria": False},
                "encoding": {"x": {**x, "field": "low", "title": title}, "x2": {"field": "high"}},
            },
            _infit("point", "!datum.flagged", {"color": POINT, "shape": "circle"}, x),
            _infit("outlier", "datum.flagged", {"color": WARN, "shape": "diamond"}, x),
        ],
        encoding={"y": by_name("judge")},
    )


def _infit(name: str, test: str, look: Spec, x: Spec) -> Spec:
    tooltip: list[Spec] = [{"field": "judge", "type": "nominal", "title": "Judge"}]
    tooltip += [{"field": field, "title": field.capitalize(), "format": ".2f"} for field in ("infit", "low", "high")]
    return {
        "name": name,
        "transform": [{"filter": test}],
        "mark": {"type": "point", "filled": True, "opacity": 1, "size": 70, **look},
        "encoding": {"x": {**x, "field": "infit"}, "tooltip": tooltip},
    }


def span(low: float, high: float) -> str:
    """'12', or '12 to 14' for a bar that holds several numbers."""
    return f"{low:,.0f}" if high - low <= 1 else f"{low:,.0f} to {high - 1:,.0f}"


def _written(name: str, text: str, y: float, size: int) -> Spec:
    mark = {"type": "text", "color": INK, "fontSize": size, "align": "center"}
    place = {"x": {"value": WIDTH / 2}, "y": {"value": y}, "text": {"value": text}}
    return {"name": name, "data": {"values": [{}]}, "mark": mark, "encoding": place}


def _arc(name: str, low: float, high: float, inner: float, outer: float, colour: str) -> Spec:
    """The part from `low` to `high` of a half circle that stands for 0 to 1."""
    scale = {"domain": [0, 1], "range": [-math.pi / 2, math.pi / 2]}
    mark = {"type": "arc", "innerRadius": inner, "outerRadius": outer, "color": colour, "aria": False}
    theta = {"field": "high", "type": "quantitative", "scale": scale, "stack": None, "legend": None}
    place = {"x": {"value": WIDTH / 2}, "y": {"value": RADIUS + 12}}
    return {
        "name": name,
        "data": {"values": finite([{"low": low, "high": high}])},
        "mark": mark,
        "encoding": {"theta": theta, "theta2": {"field": "low"}, **place},
    }
