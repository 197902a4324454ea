"""`pairmark outbox`: what waits to be sent, received and asked, and aggregates whose events stand still."""

import argparse
from typing import TYPE_CHECKING, Any

from pairmark.cli.output import put_json, say
from pairmark.errors import BadRequest, Busy

if TYPE_CHECKING:
    from pairmark.bootstrap import System

STANDING_STILL = 1


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Declare the command and its actions."""
    parser = commands.add_parser("outbox", help="show what waits to be sent and received")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    looking = actions.add_parser(
        "status",
        parents=[shared],
        help="depth, age of the oldest event and rate of every outbox; queues behind them",
        description="Show how much waits where. The exit code is 1 when something stands still until somebody acts.",
    )
    looking.set_defaults(run=status)
    again = actions.add_parser("requeue", parents=[shared], help="let a parked aggregate be sent again")
    again.add_argument("aggregate", metavar="AGGREGATE", help="its id, as `outbox status` shows it")
    again.set_defaults(run=requeue)


def status(arguments: argparse.Namespace) -> int:
    """Show all depths."""
    from pairmark.messaging import depths, road  # noqa: PLC0415 - start-up time
    from pairmark.opening import open_to_look  # noqa: PLC0415

    with open_to_look(arguments.database) as system:
        found, parked = depths.depths(system.database), depths.parked(system.database)
        kind, questions = road.kind(system.database), depths.questions(system.database)
        deliveries, unknown = _on_their_way(system, kind)
        asked, most = system.admission.standing()
    code = STANDING_STILL if parked or any(one.dead for one in found) else 0
    if arguments.json:
        put_json({
            "road": kind, "outboxes": [one.as_dict() for one in found], "deliveries": deliveries, "open_questions": questions,
            "asked": asked, "most_asked": most, "requests_wait": asked >= most, "parked": [vars(one) for one in parked],
        })  # fmt: skip
        return code
    say(f"Events go {'over Kafka' if kind == 'kafka' else 'through this database'}.")
    for one in found:
        age = "" if one.oldest_seconds is None else f", the oldest for {_span(one.oldest_seconds)}"
        say(f"{one.service}: {one.unpublished:,} to send{age}; {one.per_second:,.1f}/s in the last minute")
        waiting = {"delayed": one.delayed, "parked": one.parked, "held": one.held}
        waiting |= {"dead letters": one.dead, "unreadable": one.unreadable}
        if told := ", ".join(f"{number:,} {name}" for name, number in waiting.items() if number):
            say(f"    {told}")
    if told := ", ".join(f"{number:,} to {group}" for group, number in (deliveries or {}).items() if number):
        say(f"on their way: {told}")
    if unknown:
        say(f"on their way: not known. {unknown}")
    if questions or asked:
        say(f"judges: {questions:,} sets of questions are open, {asked:,} questions not answered")
    if asked >= most:
        say(f"    requests wait until these are fewer than {most:,} (PAIRMARK_OPEN_QUESTIONS)")
    for stuck in parked:
        say(f"{stuck.service} stands still for {stuck.aggregate_id} after {stuck.attempts} attempts: {stuck.reason}")
        say(f"    `pairmark outbox requeue {stuck.aggregate_id}` tries again")
    return code


def requeue(arguments: argparse.Namespace) -> int:
    """Lift what keeps an aggregate's events back."""
    from pairmark.opening import open_to_look  # noqa: PLC0415 - start-up time

    with open_to_look(arguments.database) as system:
        number = sum(relay.requeue(arguments.aggregate) for relay in system.relays.values())
    if not number:
        raise BadRequest(
            f"Nothing of {arguments.aggregate} is kept back.", remedy="`pairmark outbox status` shows what is."
        )
    if arguments.json:
        put_json({"requeued": number})
    else:
        say(f"The events of {arguments.aggregate} go again with the next relay.")
    return 0


def _on_their_way(system: "System", kind: str) -> tuple[dict[str, int] | None, str]:
    """Messages that each service has still to deal with; else why that cannot be told."""
    from pairmark.messaging import depths  # noqa: PLC0415 - start-up time

    if kind == "local":
        return depths.local_deliveries(system.database), ""
    if system.kafka is None:
        return None, "Set PAIRMARK_KAFKA to the brokers that carry the events."
    from pairmark.messaging.kafka_lag import behind  # noqa: PLC0415 - only what is used is loaded

    try:
        return behind(system.kafka, system.topics), ""
    except Busy as busy:
        return None, busy.message


def _span(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
