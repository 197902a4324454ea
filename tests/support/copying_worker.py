"""A nursery of processes that move an installation, and die at the fault point they are told to."""

import json
import os
from collections import Counter
from typing import Any

from pairmark.errors import PairmarkError
from pairmark.storage import faults
from pairmark.storage.connection import Database
from pairmark.storage.copying import Side, copy
from support.processes_worker import KILLED, nurse

REFUSED = 75


def move(order: dict[str, Any]) -> None:
    """Copy once."""
    visits: Counter[str] = Counter()
    journal = os.open(order["journal"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def point(name: str) -> None:
        visits[name] += 1
        os.write(journal, f"point {name}\n".encode())
        if order.get("die_at") == name:
            os._exit(KILLED)

    faults.install(point)
    source = Side(Database(order["conninfo"], direct_login=True), "the source")
    try:
        done = copy(source, Side(Database(order["goal"]), "the goal"), lambda *_: None)
    except PairmarkError as error:
        os.write(journal, f"refused {error}\n".encode())
        os._exit(REFUSED)
    os.write(journal, f"done {json.dumps([done.tables, done.rows, done.before])}\n".encode())


if __name__ == "__main__":
    nurse(move)
