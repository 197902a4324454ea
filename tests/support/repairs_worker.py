"""A nursery of repairs, run as a program: forks one for each line it reads, which dies by SIGKILL at the point it is told."""

from __future__ import annotations

import os
import signal
from typing import Any

from pairmark.audit.repair.apply import apply
from pairmark.audit.repair.request import Request
from pairmark.audit.repair.undo import undo
from support.processes_worker import Notes, nurse
from support.sizes import size


class Mortal(Notes):
    """Writes down every point that is reached, and dies at one of them."""

    def step(self, name: str, sentence: str) -> None:
        """A step begins."""

    def progress(self, what: str, done: int, total: int | None) -> None:
        """A long step goes on."""

    def point(self, name: str) -> None:
        """A fault point is reached."""
        self._visits[name] += 1
        os.write(self._file, f"point {name}\n".encode())
        if self._die_at == [name, self._visits[name]]:
            os.kill(os.getpid(), signal.SIGKILL)


def repair(order: dict[str, Any]) -> None:
    """One repair, or one undo."""
    listener = Mortal(order["journal"], order.get("die_at"))
    request = Request(source=order["conninfo"], **order["options"])
    if "undo" in order:
        undo(request, listener, order["undo"])
    else:
        apply(request, listener)


if __name__ == "__main__":
    nurse(repair, size(60, 3_600))
