"""A worker over Kafka for the nursery in `processes`: it works until every batch has ended, or dies where it is told to."""

import os
import signal
import time
from typing import Any

import pairmark.messaging.kafka_in
import pairmark.messaging.kafka_out
import pairmark.services.assessment.evidence
import pairmark.stats.pairing
import pairmark.stats.reliability  # noqa: F401 - what a batch imports only when it needs it
from pairmark.bootstrap import ROLES, System
from pairmark.messaging.kafka_connection import KafkaConnection
from pairmark.outcome import settled
from pairmark.storage import faults
from pairmark.storage.connection import Database
from support.processes_worker import Notes, nurse

LOOK_EVERY = 0.02
POLL_SECONDS = 0.1
"""How long a poll waits for a message: a worker that is to stop waits no longer than this for each of its ways in."""
ASLEEP = "asleep"


def work(order: dict[str, Any]) -> None:
    """Run every role until all is done. `pause_at`: a fault point at which to stand still until a signal wakes it."""
    notes = Notes(order["journal"], order.get("die_at"))
    pause = order.get("pause_at")

    def reached(point: str) -> None:
        notes.point(point)
        if pause == point and notes.visits(point) == 1:
            notes.point(f"{ASLEEP} {os.getpid()}")
            os.kill(os.getpid(), signal.SIGSTOP)

    faults.install(reached)
    connection = KafkaConnection(order["kafka"], order.get("settings", {}), order["prefix"])
    roles = order.get("roles", ROLES)
    system = System(Database(order["conninfo"], direct_login=True), kafka=connection, roles=roles)
    for subscription in system.subscriptions.values():
        subscription.wait_seconds = POLL_SECONDS
    system.accounts.ensure_default()
    with system.running() as loops:
        while not _done(system, order["batches"]):
            failed = next((loop.failure for loop in loops if loop.failure is not None), None)
            if failed is not None:
                raise failed
            time.sleep(LOOK_EVERY)  # the loops work
    system.close()


def _done(system: System, batches: int) -> bool:
    known = system.assessment.find("", limit=1_000)
    return len(known) >= batches and all(one.status.is_terminal and settled(system, one) for one in known)


if __name__ == "__main__":
    nurse(work, longest=90)
