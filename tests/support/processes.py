"""Real processes that take one small batch from request to end and are killed on the way, as seen by the test.

What they do is in `processes_worker`. Nothing here is asserted.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

KILLED = 137


class Nursery:
    """Forks workers on demand; each has connections of its own and ends by itself, by its fault, or by a signal."""

    def __init__(self, program: str = "processes_worker.py") -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name(program))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[1])},
        )

    def run(self, conninfo: str, journal: Path, **order: Any) -> int:
        """Work until everything is done or the worker died; returns its exit status, negative for a signal.

        `order` is the design of the batch and: `essays`, `judge`, `die_at` (name of a fault point, and at which visit to die).
        The journal gets a line for each fault point and each question asked.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = json.dumps({"conninfo": conninfo, "journal": str(journal)} | order)
        self._process.stdin.write(line + "\n")
        return int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait(30)


class Journal:
    """What the workers wrote down, read back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_text("")

    def points(self) -> list[str]:
        """Names of the fault points that were reached, in order."""
        return self._lines("point")

    def asked(self) -> list[str]:
        """Ids of the comparisons that were put to the judge, in order."""
        return self._lines("asked")

    def _lines(self, kind: str) -> list[str]:
        rows = (line.split(" ", 1) for line in self.path.read_text().splitlines())
        return [row[1] for row in rows if row[0] == kind]
