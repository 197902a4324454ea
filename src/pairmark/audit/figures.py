"""Numbers as people read them, the same in every form of the report."""


def figure(name: str, value: float | int | None) -> str:
    """A figure of the totals by its name: shares in per cent, counts with separators."""
    if value is None:
        return "-"
    if name.endswith("share"):
        return f"{100 * value:.1f} %"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def seconds(value: float) -> str:
    """A duration: 54 ms, 5.99 s, 4.2 min, 3.1 h, 5.99 d."""
    for limit, size, unit in ((1.0, 1e-3, "ms"), (120.0, 1.0, "s"), (7200.0, 60.0, "min"), (172_800.0, 3600.0, "h")):
        if abs(value) < limit:
            return f"{value / size:.3g} {unit}"
    return f"{value / 86_400:.3g} d"
