"""docs/reference/soak.md: what the last recorded run of `make soak` came to, and on what machine."""

import json
from pathlib import Path

from reference_pages.measurements import machine_lines

INTRODUCTION = """\
# Long tests

`make soak` runs every test at full size. What the sizes are stands in the tests, as the second argument of `size(…)`.
"""


def render(results: Path) -> str:
    """The page from a results file; without one, the introduction alone."""
    if not results.exists():
        return INTRODUCTION + "\nNo run is recorded yet.\n"
    run = json.loads(results.read_text(encoding="utf-8"))
    rows = "\n".join(f"| `{row['test']}` | {row['seconds']} |" for row in run["long"])
    return (
        f"{INTRODUCTION}\nRun of {run['date']}, commit `{run['commit']}`: {run['passed']} passed, {run['skipped']} skipped, "
        f"none failed.\n\n{machine_lines(run)}\n\n| test | seconds |\n| --- | --- |\n{rows}\n"
    )
