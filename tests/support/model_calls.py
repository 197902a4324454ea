"""A batch by a language model in a fresh process: prints verdicts a second, CPU time of each, memory added, money spent.

Run as `python model_calls.py ESSAYS COMPARISONS JUDGE HOME` with the tests on the path and the providers' variables set. What is
measured lies between the first and the last verdict, so that planning and fitting between waves count, and start-up does not.
"""

import json
import resource
import sys
import time
from pathlib import Path

from pairmark.bootstrap import System
from pairmark.config import Config
from pairmark.opening import open_system
from support.one_batch import followed, peak_mebibytes
from support.system import submit

POLL_SECONDS = 0.1
FIRST = 200
"""Verdicts before the measurement begins."""


def cpu_seconds() -> float:
    """Of this process by now."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(system: System, essays: int, comparisons: int, judge: str) -> dict[str, float]:
    """Run one batch to its end."""
    with system.running() as loops:
        ticket = submit(system, essays, judge=judge, budget=comparisons, stability_threshold=0.0)
        begun: tuple[float, float, int] | None = None
        last = (0.0, 0.0, 0)
        for batch in followed(system, loops, ticket, POLL_SECONDS):
            if batch.counted != last[2]:
                last = (time.perf_counter(), cpu_seconds(), batch.counted)
                begun = begun or (last if batch.counted >= FIRST else None)
    assert begun is not None
    number = last[2] - begun[2]
    return {
        "per_second": number / (last[0] - begun[0]),
        "cpu_ms": 1000 * (last[1] - begun[1]) / number,
        "counted": last[2],
        "spent": system.asker.purse(str(ticket.job_id)).spent,
    }


def main() -> None:
    """Measure and print JSON."""
    essays, comparisons, judge, home = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], Path(sys.argv[4])
    with open_system(Config(home)) as system:
        before = peak_mebibytes()
        told = measure(system, essays, comparisons, judge)
    print(json.dumps(told | {"added_mebibytes": peak_mebibytes() - before}))


if __name__ == "__main__":
    main()
