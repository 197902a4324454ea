"""The four files of a finished assessment.

What each says is decided in `html` and `tables`, how it lands in the folder in `files`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pairmark.domain.result import AssessmentResult
from pairmark.report import files, tables

NAMES = ("report.html", "results.csv", "results.json", "judgements.csv")


def write_report(result: AssessmentResult, judgements: Sequence[Mapping[str, object]], out: Path) -> list[Path]:
    """Write the page, both tables and the JSON into `out`, and return their paths in the order of `NAMES`.

    `judgements` has one mapping per answer with the keys of `tables.JUDGEMENT_COLUMNS`. All files appear whole or
    not at all: raises `Busy` when the disk is full and `BadRequest` when `out` cannot be written.
    """
    from pairmark.report.html import render_html  # noqa: PLC0415 - jinja2 only when a page is made

    page = render_html(result).encode("utf-8", errors="backslashreplace")
    contents = (page, tables.results_csv(result), tables.results_json(result), tables.judgements_csv(judgements))
    return files.put(out, dict(zip(NAMES, contents, strict=True)))


def check_writable(out: Path) -> None:
    """Raise `BadRequest` (or `Busy` on a full disk) unless the report could be written into `out` now.

    For use before work starts; makes nothing that stays.
    """
    files.check(out, NAMES)
