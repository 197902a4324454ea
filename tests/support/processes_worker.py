"""A nursery of workers, run as a program: it imports everything once and forks a worker for each line it reads.

So a death costs no start of Python. A worker has connections of its own, made after the fork, and takes one batch as far as
it gets before the fault point it is told to die at.
"""

import json
import os
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from typing import Any

import structlog

import pairmark.services.assessment.evidence
import pairmark.stats.pairing
import pairmark.stats.reliability  # noqa: F401 - what a batch imports only when it needs it
from pairmark import bootstrap
from pairmark.bootstrap import System
from pairmark.judges.question import Answer, Judge, Question
from pairmark.storage import faults
from pairmark.storage.connection import Database
from support.system import submit

KILLED = 137


class Notes:
    """The journal of one worker, and where it dies."""

    def __init__(self, path: str, die_at: list[Any] | None) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._die_at = die_at
        self._visits: Counter[str] = Counter()

    def point(self, name: str) -> None:
        """A fault point is reached."""
        self._visits[name] += 1
        os.write(self._file, f"point {name}\n".encode())
        if self._die_at == [name, self._visits[name]]:
            os._exit(KILLED)

    def visits(self, name: str) -> int:
        """How often a fault point was reached."""
        return self._visits[name]

    def watched(self, name: str, digest: str) -> Judge:
        """The real judge; each question is noted before it is put."""
        judge = judge_for(name, digest)
        ask = judge.ask

        def asking(questions: list[Question]) -> list[Answer]:
            os.write(self._file, "".join(f"asked {question.request_id}\n" for question in questions).encode())
            return ask(questions)

        judge.ask = asking
        return judge


judge_for = bootstrap.judge_for


def work(order: dict[str, Any]) -> None:
    """Hand the request in and do all that can be done."""
    notes = Notes(order.pop("journal"), order.pop("die_at", None))
    bootstrap.judge_for = notes.watched
    faults.install(notes.point)
    system = System(Database(order.pop("conninfo"), direct_login=True))
    system.accounts.ensure_default()
    submit(system, order.pop("essays"), **order)
    system.drain()
    system.close()


def nurse(work: Callable[[dict[str, Any]], None], longest: int = 60) -> None:
    """One worker at a time, none longer than so many seconds. What they log goes to stderr: stdout tells how they ended."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            signal.alarm(longest)  # a worker that hangs ends by this signal, and is seen
            try:
                work(json.loads(line))
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    nurse(work)
