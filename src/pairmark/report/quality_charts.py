"""Charts on the quality of a scale: reliability as a dial, comparisons per essay, misfit of judges and essays.

They take plain numbers, so that any result can use them.
"""

import math
from collections import Counter
from collections.abc import Sequence

from pairmark.report.charts import (
    INK,
    INTERVAL,
    LOWEST,
    NAMED_ROWS,
    POINT,
    REFERENCE,
    ROW,
    SCHEMA,
    TALLEST,
    WARN,
    Spec,
    by_name,
    by_place,
    chart,
    look,
)
from pairmark.report.figures import count, decimal, visible
from pairmark.report.tables import finite
from pairmark.report.words import GOOD, USABLE

WIDTH, RADIUS = 300, 120  # pixels of the dial
MOST_BARS = 30
CAP = 4.0  # of infit and outfit; beyond, exact numbers are in the table


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


def bars(comparisons: Sequence[float]) -> list[tuple[str, int]]:
    """The same in words, for the table beside the chart."""
    return [(span(low, high), number) for low, high, number in degrees(comparisons)]


def degree_histogram(comparisons: Sequence[float]) -> Spec | None:
    """Essays by the number of comparisons they were in; None for fewer than two essays."""
    found = degrees(comparisons)
    if len(comparisons) < 2:
        return None
    values = [
        {"low": low - 0.5, "high": high - 0.5, "essays": number, "told": span(low, high)} for low, high, number in found
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
        f"How many comparisons each of {count(len(comparisons), 'essay')} was in: from {span(*found[0][:2])} to "
        f"{span(*found[-1][:2])}.",
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


def misfit(who: str, what: str, rows: Sequence[tuple[str, float, float | None, float | None]]) -> Spec | None:
    """Infit or outfit (`what`) of each judge or essay (`who`) beside the band that chance leaves, largest on top.

    Rows hold name, value and the ends of the band (None: not known). Above `NAMED_ROWS` they are drawn against their place.
    None for no rows. What lies beyond `CAP` stands at the edge.
    """
    if not rows:
        return None
    ordered = sorted(rows, key=lambda row: (-row[1], row[0]))
    named = len(ordered) <= NAMED_ROWS
    most = min(CAP, max(2.0, 1.1 * ordered[0][1]))
    values = [
        {"place": place, "name": visible(name), "value": value, "low": low, "high": high, "above": _above(value, high)}
        for place, (name, value, low, high) in enumerate(ordered, start=1)
    ]
    x = {"type": "quantitative", "scale": {"domain": [0, most], "clamp": True, "nice": False}, "axis": {"tickCount": 5}}
    title = [f"{what}, 1 = as the model expects", "further right = more surprising decisions"]
    above = sum(bool(value["above"]) for value in values)
    return chart(
        f"{what} of {count(len(values), who)}; {above} above the band that chance leaves.",
        data=values,
        height=max(60, ROW * len(values)) if named else min(TALLEST, max(LOWEST, 2 * len(values))),
        layer=_misfit_layers(who, what, x, title, named),
        encoding={
            "y": by_name("name")
            if named
            else by_place("place", len(values), f"{who.capitalize()}s, largest {what.lower()} first")
        },
    )


def _above(value: float, high: float | None) -> bool:
    return high is not None and value > max(high, 1.0)  # as in `scoring.misfit`


def _misfit_layers(who: str, what: str, x: Spec, title: list[str], named: bool) -> list[Spec]:
    tooltip: list[Spec] = [{"field": "name", "type": "nominal", "title": who.capitalize()}]
    told = {"value": what, "low": "Band from", "high": "Band to"}
    tooltip += [{"field": field, "title": name, "format": ".2f"} for field, name in told.items()]
    point = {"type": "point", "filled": True, "opacity": 1, "size": 60 if named else 16}
    return [
        {
            "name": "interval",
            "transform": [{"filter": "datum.high !== null"}],
            "mark": {
                "type": "rule",
                "color": INTERVAL,
                "strokeWidth": 6 if named else 1,
                "opacity": 0.45 if named else 0.25,
                "aria": False,
            },
            "encoding": {"x": {**x, "field": "low", "title": title}, "x2": {"field": "high"}},
        },
        {
            "name": "reference",
            "data": {"values": [{"one": 1}]},
            "mark": {"type": "rule", "color": REFERENCE, "strokeDash": [4, 4], "aria": False},
            "encoding": {"x": {**x, "field": "one"}, "y": None},
        },
        {
            "name": "point",
            "transform": [{"filter": "!datum.above"}],
            "mark": {**point, "color": POINT, "shape": "circle", "aria": named},
            "encoding": {"x": {**x, "field": "value"}, "tooltip": tooltip},
        },
        {
            "name": "outlier",
            "transform": [{"filter": "datum.above"}],
            "mark": {**point, "color": WARN, "shape": "diamond", "size": 90 if named else 30},
            "encoding": {"x": {**x, "field": "value"}, "tooltip": tooltip},
        },
    ]


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
