"""Results that are committed, file by file of tests: a run replaces what earlier runs told about the same files, and no more.

So a part can be measured again without measuring everything, and each number keeps the machine, date and commit of its run.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def keep(path: Path, run: dict[str, Any], rows: Sequence[dict[str, Any]]) -> None:
    """Put the rows of a run, each with the `file` it comes from, into the results at `path`, newest run first."""
    again = {row["file"] for row in rows}
    earlier = json.loads(path.read_text(encoding="utf-8"))["runs"] if path.exists() else []
    runs = [run | {"rows": list(rows)}]
    for one in earlier:
        left = [row for row in one["rows"] if row["file"] not in again]
        if left:
            runs.append(one | {"rows": left})
    path.write_text(json.dumps({"runs": runs}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
