"""docs/reference/soak.md: what the last recorded runs of `make soak` came to, and on what machine."""

import json
from pathlib import Path
from typing import Any

from reference_pages.measurements import heading, machine_lines

INTRODUCTION = """\
# Long tests

`make soak` runs every test at full size. What the sizes are stands in the tests, as the second argument of `size(…)`.
Files that were run again on their own stand under the run they are from; tests that took ten seconds or more are named.
"""


def render(results: Path) -> str:
    """The page from a results file; without one, the introduction alone."""
    if not results.exists():
        return INTRODUCTION + "\nNo run is recorded yet.\n"
    runs = json.loads(results.read_text(encoding="utf-8"))["runs"]
    return INTRODUCTION + "".join(map(_run, runs))


def _run(run: dict[str, Any]) -> str:
    passed, skipped = (sum(row[what] for row in run["rows"]) for what in ("passed", "skipped"))
    long = "".join(
        f"| `{row['file']}::{test}` | {seconds} |\n" for row in run["rows"] for test, seconds in row["long"].items()
    )
    return (
        f"\n{heading(run)}\n\n{passed} passed in {len(run['rows'])} files, {skipped} skipped, none failed.\n\n"
        f"{machine_lines(run)}\n\n| test | seconds |\n| --- | --- |\n{long}"
    )
