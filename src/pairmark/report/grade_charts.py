"""Charts of grades. Bands over the caterpillar plot are drawn in `charts`."""

import math
from collections.abc import Sequence

from pairmark.domain.scored import Boundary, Grades
from pairmark.report.charts import INTERVAL, POINT, Band, Spec, chart
from pairmark.report.figures import visible


def bands(grades: Sequence[str], boundaries: Sequence[Boundary]) -> list[Band]:
    """The band of each grade, lowest first, open at both ends of the scale."""
    edges = [-math.inf, *(boundary.theta for boundary in boundaries), math.inf]
    return [Band(grade, low, high) for grade, low, high in zip(grades, edges[:-1], edges[1:], strict=True)]


def grade_distribution(grades: Grades) -> Spec:
    """Essays per grade: bars for the most probable grade, points for the number expected from all probabilities."""
    values = [
        {"grade": visible(share.grade), "essays": share.essays, "expected": share.expected}
        for share in grades.distribution
    ]
    x = {"field": "grade", "type": "nominal", "sort": None, "title": "Grade, lowest first", "axis": {"labelAngle": 0}}
    y = {"type": "quantitative", "title": "Essays"}
    tooltip = [
        {"field": "grade", "type": "nominal", "title": "Grade"},
        {"field": "essays", "type": "quantitative", "title": "Most probable grade of"},
        {"field": "expected", "type": "quantitative", "title": "Expected", "format": ".1f"},
    ]
    return chart(
        "Essays per grade: bars count the essays whose most probable grade it is, points the number expected.",
        data=values,
        height=220,
        layer=[
            {
                "name": "bar",
                "mark": {"type": "bar", "color": INTERVAL, "opacity": 0.7},
                "encoding": {"x": x, "y": {**y, "field": "essays"}, "tooltip": tooltip},
            },
            {
                "name": "point",
                "mark": {"type": "point", "filled": True, "opacity": 1, "color": POINT, "size": 60},
                "encoding": {"x": x, "y": {**y, "field": "expected"}, "tooltip": tooltip},
            },
        ],
        encoding={},
    )
