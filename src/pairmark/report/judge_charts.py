"""Charts about judges: how far each agrees with people, beside people among themselves and counting words as the grey control."""

from collections.abc import Sequence

from pairmark.domain.judged import HumanAgreement, Proportion
from pairmark.report.charts import INTERVAL, POINT, REFERENCE, Spec, by_name, chart
from pairmark.report.figures import count, visible
from pairmark.report.judge_words import SURFACE_LABEL

ALL_MODELS, AMONG_PEOPLE = "all models", "two people"
Row = tuple[str, Proportion, bool]


def with_people(humans: HumanAgreement) -> Spec | None:
    """Agreement with people of each model with its interval; None where no model and no person judged the same pair."""
    rows = people_rows(humans)
    return proportions("Agreement with people", rows, chance=0.5) if humans.models is not None else None


def people_rows(humans: HumanAgreement) -> list[Row]:
    """Name, share and whether it is a control, in the order they are shown."""
    rows: list[Row] = [(name, found, False) for name, found in humans.by_judge.items()]
    if humans.models is not None and len(rows) != 1:
        rows.insert(0, (ALL_MODELS, humans.models, False))
    controls = ((AMONG_PEOPLE, humans.among_humans), (SURFACE_LABEL, humans.surface))
    return rows + [(name, found, True) for name, found in controls if found is not None]


def proportions(title: str, rows: Sequence[Row], *, chance: float) -> Spec | None:
    """Shares with their intervals, one row each; controls in grey, and a line where chance lies. None for no rows."""
    if not rows:
        return None
    values = [
        {"name": visible(name), "value": found.value, "low": found.low, "high": found.high, "control": control}
        for name, found, control in rows
    ]
    return chart(
        f"{title}: {count(len(rows), 'row')} with 95 % intervals. The table holds the same numbers.",
        data=values,
        height=max(60, 30 * len(values)),
        layer=_layers(title, chance),
        encoding={"y": by_name("name")},
    )


def _layers(title: str, chance: float) -> list[Spec]:
    x = {"type": "quantitative", "scale": {"domain": [0, 1]}, "axis": {"format": ".0%", "tickCount": 6}}
    tooltip: list[Spec] = [{"field": "name", "type": "nominal", "title": "Judge"}]
    told = {"value": title, "low": "95 % from", "high": "95 % to"}
    tooltip += [
        {"field": field, "type": "quantitative", "title": name, "format": ".1%"} for field, name in told.items()
    ]
    layers: list[Spec] = [
        {
            "name": "reference",
            "data": {"values": [{"chance": chance}]},
            "mark": {"type": "rule", "color": REFERENCE, "strokeDash": [4, 4], "aria": False},
            "encoding": {"x": {**x, "field": "chance"}, "y": None},
        }
    ]
    for control in (False, True):
        wanted = [{"filter": "datum.control" if control else "!datum.control"}]
        bar, dot = (REFERENCE, REFERENCE) if control else (INTERVAL, POINT)
        names = ("controlbar", "control") if control else ("interval", "point")
        layers += [
            {
                "name": names[0],
                "transform": wanted,
                "mark": {"type": "rule", "color": bar, "strokeWidth": 2.5, "aria": False},
                "encoding": {"x": {**x, "field": "low", "title": title}, "x2": {"field": "high"}, "tooltip": tooltip},
            },
            {
                "name": names[1],
                "transform": wanted,
                "mark": {"type": "point", "filled": True, "opacity": 1, "color": dot, "size": 60},
                "encoding": {"x": {**x, "field": "value"}, "tooltip": tooltip},
            },
        ]
    return layers
