"""`pairmark deadletter`: messages that a service gave up on, and another chance for them."""

import argparse
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pairmark.cli.output import note, put_json, say
from pairmark.errors import BadRequest

if TYPE_CHECKING:
    from pairmark.bootstrap import System


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Declare the command and its actions."""
    parser = commands.add_parser("deadletter", help="look at messages that were given up, and replay them")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", parents=[shared], help="list them, with their causes")
    listing.set_defaults(run=show_all)
    showing = actions.add_parser("show", parents=[shared], help="show one in full")
    showing.add_argument("event", metavar="EVENT", help="id of the event, or its beginning")
    showing.set_defaults(run=show)
    again = actions.add_parser(
        "replay",
        parents=[shared],
        help="give them another chance, from the first attempt",
        description="Give dead letters another chance: a worker tries them again at once. An effect that was applied before "
        "is not applied twice.",
    )
    again.add_argument("events", metavar="EVENT", nargs="*", help="ids of events, or their beginnings")
    again.add_argument("--all", action="store_true", help="every one of them")
    again.set_defaults(run=replay)


def show_all(arguments: argparse.Namespace) -> int:
    """List dead letters of all services."""
    from pairmark.opening import open_to_look  # noqa: PLC0415 - start-up time

    with open_to_look(arguments.database) as system:
        names = ("event_id", "topic", "aggregate_id", "attempts", "cause")
        rows = [{"service": service} | dict(zip(names, row, strict=True)) for service, row in _letters(system)]
    if arguments.json:
        put_json(rows)
    elif not rows:
        say("There are no dead letters.")
    else:
        for row in rows:
            say(
                f"{row['event_id']}  {row['service']}: {row['topic']} of {row['aggregate_id']}, {row['attempts']} attempts"
            )
            say(f"    {row['cause']}")
    return 0


def show(arguments: argparse.Namespace) -> int:
    """Show one with its body."""
    from pairmark.messaging import held  # noqa: PLC0415 - start-up time
    from pairmark.opening import open_to_look  # noqa: PLC0415

    with open_to_look(arguments.database) as system:
        places = _places(system, [arguments.event])
        letters = [held.dead_letter(system.database, service, event) for service, event in places]
    found = [letter for letter in letters if letter is not None]
    if arguments.json:
        put_json([{name: getattr(letter, name) for name in letter.__dataclass_fields__} for letter in found])
        return 0
    for letter in found:
        say(f"{letter.event_id}, set aside by {letter.service} at {letter.died_at:%Y-%m-%d %H:%M:%S} UTC")
        say(f"topic      {letter.topic}")
        say(f"aggregate  {letter.aggregate_id}")
        say(f"attempts   {letter.attempts}")
        say(f"cause      {letter.cause}")
        say(f"headers    {letter.headers}")
        say(f"body       {letter.body}")
    return 0


def replay(arguments: argparse.Namespace) -> int:
    """Hold them for another try."""
    from pairmark.messaging import held  # noqa: PLC0415 - start-up time
    from pairmark.opening import open_to_look  # noqa: PLC0415

    if bool(arguments.events) == arguments.all:
        raise BadRequest("Say which dead letters.", remedy="Name events by their ids, or give --all.")
    with open_to_look(arguments.database) as system:
        places = [(service, row[0]) for service, row in _letters(system)]
        if not arguments.all:
            places = _places(system, arguments.events)
        number = 0
        for service in dict.fromkeys(service for service, _ in places):
            events = [event for of, event in places if of == service]
            number += held.replay(system.database, service, events, system.clock.now())
    if arguments.json:
        put_json({"replayed": number})
    else:
        say(f"{number} of {len(places)} dead letters will be tried again." if places else "There are no dead letters.")
        if number:
            note("pairmark: a worker does that; without one, `pairmark worker --once`.")
    return 0


def _letters(system: "System") -> list[tuple[str, tuple[UUID, str, str, int, str]]]:
    from pairmark.messaging import held  # noqa: PLC0415
    from pairmark.storage.schema import SERVICES  # noqa: PLC0415

    return [(service, row) for service in SERVICES for row in held.dead_letters(system.database, service)]


def _places(system: "System", wanted: list[str]) -> list[tuple[str, UUID]]:
    """Services and ids of the dead letters that these words name."""
    letters = _letters(system)
    found = []
    for word in wanted:
        named = [(service, row[0]) for service, row in letters if str(row[0]).startswith(word.lower())]
        if not named:
            raise BadRequest(
                f"There is no dead letter {word}.", remedy="`pairmark deadletter list` shows what there is."
            )
        if len({event for _, event in named}) > 1:
            raise BadRequest(f"{word} is the beginning of {len(named)} dead letters.", remedy="Give more of the id.")
        found += named
    return found
