"""The files of a scored session; how they land in the folder is known in `report.files`."""

from pathlib import Path

from pairmark.domain.scored import ScoreResult
from pairmark.report import files
from pairmark.report.scored import tables

NAMES = ("report.html", "results.csv", "results.json")
JUDGES = "judges.csv"
"""Written where the judgements say who made them."""


def write_report(result: ScoreResult, out: Path) -> list[Path]:
    """Write page, tables and JSON into `out`; all appear whole or not at all. Raises `Busy` or `BadRequest`."""
    from pairmark.report.scored.html import render_html  # noqa: PLC0415 - jinja2 only when a page is made

    page = render_html(result).encode("utf-8", errors="backslashreplace")
    contents = dict(zip(NAMES, (page, tables.results_csv(result), tables.results_json(result)), strict=True))
    if result.judges:
        contents[JUDGES] = tables.judges_csv(result)
    return files.put(out, contents)


def check_writable(out: Path) -> None:
    """Raise `BadRequest` (or `Busy` on a full disk) unless the report could be written into `out` now."""
    files.check(out, (*NAMES, JUDGES))
