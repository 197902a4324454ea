"""Charts of how the scale settled: reliability and the largest move of a score, after each wave or share of judgements."""

from collections.abc import Sequence

from pairmark.domain.result import WaveProgress
from pairmark.report.charts import INK, INTERVAL, POINT, REFERENCE, Spec, chart
from pairmark.report.figures import count, decimal

WAVES, JUDGEMENTS = "Wave of comparisons", "Judgements so far"
MOST_POINTS = 60
"""Above, points are small."""


def reliability(steps: Sequence[WaveProgress], target: float | None, *, by_wave: bool = True) -> Spec | None:
    """Reliability after each step against its target; None when no step has one."""
    known = [step for step in steps if step.reliability is not None]
    if not known:
        return None
    y = {"type": "quantitative", "title": "Reliability (1 = perfect)", "scale": {"domain": [0, 1]}}
    return chart(
        f"Reliability after each of {_steps(known, by_wave)}, ending at {decimal(known[-1].reliability)}.",
        data=_values(known),
        height=220,
        layer=[*_line({**y, "field": "reliability"}, known, by_wave), *_target_layers(target, y)],
        encoding={},
    )


def change(steps: Sequence[WaveProgress], *, by_wave: bool = True) -> Spec | None:
    """Largest move of any score from one step to the next; None before the second."""
    known = [step for step in steps if step.largest_change is not None]
    if not known:
        return None
    y = {"field": "largest_change", "type": "quantitative", "title": "Largest move of a score"}
    return chart(
        f"Largest move of any score in each of {_steps(known, by_wave)}, ending at "
        f"{decimal(known[-1].largest_change, 3)} logits.",
        data=_values(known),
        height=220,
        layer=_line({**y, "scale": {"zero": True, "nice": True}}, known, by_wave),
        encoding={},
    )


def _steps(steps: Sequence[WaveProgress], by_wave: bool) -> str:
    return (
        count(len(steps), "wave")
        if by_wave
        else count(len(steps), "share of the judgements", "shares of the judgements")
    )


def _values(steps: Sequence[WaveProgress]) -> list[Spec]:
    return [
        {
            "wave": step.wave,
            "comparisons": step.comparisons,
            "reliability": step.reliability,
            "largest_change": step.largest_change,
        }
        for step in steps
    ]


def _line(y: Spec, steps: Sequence[WaveProgress], by_wave: bool) -> list[Spec]:
    field, title = ("wave", WAVES) if by_wave else ("comparisons", JUDGEMENTS)
    first, last = (getattr(steps[end], field) for end in (0, -1))
    tooltip = [
        {"field": "wave", "type": "quantitative", "title": "Wave" if by_wave else "Step"},
        {"field": "comparisons", "type": "quantitative", "title": "Comparisons"},
        {"field": y["field"], "type": "quantitative", "title": y["title"], "format": ".3f"},
    ]
    begin = min(first, last - 1) if by_wave else 0
    scale = {"domain": [begin, last], "nice": False, "zero": False, "padding": 8}
    axis: Spec = {"tickMinStep": 1, "format": "d", "grid": False}
    if not by_wave:
        axis |= {"tickCount": 5, "format": ",d"}
    x = {"field": field, "type": "quantitative", "title": title, "scale": scale, "axis": axis}
    return [
        {
            "name": "course",
            "mark": {"type": "line", "color": INTERVAL, "strokeWidth": 2, "aria": False},
            "encoding": {"x": x, "y": y},
        },
        {
            "name": "point",
            "mark": {"type": "point", "filled": True, "opacity": 1, "color": POINT}
            | {"size": 50 if len(steps) <= MOST_POINTS else 12},
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
