"""One batch in a fresh process, as a user's first: prints seconds from submission to the last answer, and peak memory.

Run as `python -m support.one_batch ESSAYS COMPARISONS HOME` from the folder `tests`. Setting the database up does not count.
"""

import json
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pairmark.bootstrap import System
from pairmark.config import Config
from pairmark.messaging.loop import Loop
from pairmark.opening import open_system
from pairmark.outcome import settled
from pairmark.services.assessment.batches import Batch
from pairmark.services.lifecycle.front_desk import Ticket
from support.system import submit

POLL_SECONDS = 0.005


def measure(system: System, essays: int, comparisons: int, *, seed: int = 1) -> tuple[float, int]:
    """Seconds until every service knows the result, and the comparisons it rests on."""
    with system.running() as loops:
        begin = time.perf_counter()
        ticket = submit(system, essays, budget=comparisons, seed=seed)
        *_, batch = followed(system, loops, ticket)
        return time.perf_counter() - begin, batch.counted


def followed(system: System, loops: Sequence[Loop], ticket: Ticket, pause: float = POLL_SECONDS) -> Iterator[Batch]:
    """The batch as it stands, look after look, until every service knows its end."""
    while True:
        failures = [loop.failure for loop in loops if loop.failure is not None]
        if failures:
            raise failures[0]
        batch = system.assessment.batch(ticket.job_id)
        if batch is not None:
            yield batch
            if batch.status.is_terminal and settled(system, batch):
                return
        time.sleep(pause)


def main() -> None:
    """Measure and print JSON."""
    essays, comparisons, home = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    with open_system(Config(home)) as system:
        seconds, counted = measure(system, essays, comparisons)
    print(json.dumps({"seconds": seconds, "counted": counted, "peak_mebibytes": peak_mebibytes()}))


def peak_mebibytes() -> float:
    """Most memory this process held. `ru_maxrss` alone would be that of the parent on Linux: exec does not reset it."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
