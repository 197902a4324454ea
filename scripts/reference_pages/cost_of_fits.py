"""docs/reference/cost-of-fits.md and its chart: the time of a fit against the number of comparisons, from the last `make bench`."""

import json
import re
from pathlib import Path
from typing import Any

ITEMS = 2_000
ROW = re.compile(rf"fit, {ITEMS:,} x ([\d,]+)")
INTRODUCTION = f"""\
# Cost of fits

Scores of {ITEMS:,} essays from more and more comparisons, measured by `make bench`, beside what a time that grows as the
comparisons do would be.
"""


def measured(results: Path) -> list[dict[str, float]]:
    """Comparisons and milliseconds of every recorded fit, fewest comparisons first."""
    runs = json.loads(results.read_text(encoding="utf-8"))["runs"] if results.exists() else []
    found = [(ROW.fullmatch(row["what"]), row["value"]) for run in runs for row in run["rows"]]
    points = [
        {"comparisons": int(name[1].replace(",", "")), "milliseconds": round(value, 1)} for name, value in found if name
    ]
    return sorted(points, key=lambda point: point["comparisons"])


def render(results: Path, chart: str) -> str:
    """The page with its table; `chart` is the file name of the chart beside it."""
    points = measured(results)
    if not points:
        return f"{INTRODUCTION}\nNo run is recorded yet.\n"
    rows = "\n".join(f"| {point['comparisons']:,} | {_linear(point, points[0])} |" for point in points)
    head = "| comparisons | milliseconds | if the time grew as the comparisons do |\n| --- | --- | --- |\n"
    return (
        f"{INTRODUCTION}\n{_picture(points)}\n{head}{rows}\n\n"
        f"The same as a Vega-Lite specification, with logarithmic axes: [{chart}]({chart}).\n"
    )


def specification(results: Path) -> str | None:
    """The chart as a Vega-Lite specification with its numbers; None without any."""
    points = measured(results)
    if not points:
        return None
    values = [point | {"linear": _expected(point, points[0])} for point in points]
    dashed = {"type": "line", "strokeDash": [4, 4], "color": "#6b7280"}
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "description": f"Milliseconds of a fit of {ITEMS:,} essays by comparisons; the dashed line grows as they do.",
        "width": 480,
        "height": 320,
        "data": {"values": values},
        "encoding": {"x": _axis("comparisons")},
        "layer": [
            {"mark": {"type": "line", "point": True}, "encoding": {"y": _axis("milliseconds")}},
            {"mark": dashed, "encoding": {"y": _axis("linear") | {"title": "milliseconds"}}},
        ],
    }
    return json.dumps(spec, indent=2) + "\n"


def _axis(field: str) -> dict[str, Any]:
    return {"field": field, "type": "quantitative", "scale": {"type": "log"}}


def _picture(points: list[dict[str, float]]) -> str:
    names = ", ".join(f'"{point["comparisons"]:,}"' for point in points)
    times = ", ".join(str(point["milliseconds"]) for point in points)
    return (
        f'```mermaid\nxychart-beta\n  x-axis "comparisons" [{names}]\n  y-axis "milliseconds"\n  bar [{times}]\n```\n'
    )


def _linear(point: dict[str, float], first: dict[str, float]) -> str:
    return f"{point['milliseconds']:g} | {_expected(point, first):g}"


def _expected(point: dict[str, float], first: dict[str, float]) -> float:
    return round(first["milliseconds"] * point["comparisons"] / first["comparisons"], 1)
