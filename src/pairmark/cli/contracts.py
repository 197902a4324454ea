"""`pairmark contracts`: the published contract, for people and for programs. Needs no database."""

import argparse
from typing import Any

from pairmark.cli.output import put_json, say
from pairmark.errors import BadRequest


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Declare the command and its action."""
    parser = commands.add_parser("contracts", help="show the published contract of all events")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    showing = actions.add_parser(
        "show",
        parents=[shared],
        help="list the schemas, or show one",
        description="List the schemas of all events, or show one: its fields for people, or with --json the JSON Schema (draft "
        "2020-12) itself, complete with all that it names.",
    )
    showing.add_argument("event", metavar="EVENT", nargs="?", help="name of an event (its topic) or of a shared part")
    showing.set_defaults(run=show)


def show(arguments: argparse.Namespace) -> int:
    """List or show."""
    from pairmark.events import contract  # noqa: PLC0415 - start-up time

    if arguments.event is None:
        return _list(contract, as_json=arguments.json)
    if arguments.event not in contract.names():
        raise BadRequest(f"There is no schema {arguments.event!r}.", remedy=_nearest(contract.names(), arguments.event))
    if arguments.json:
        put_json(contract.whole(arguments.event))
        return 0
    schema = contract.schema(arguments.event)
    say(f"{schema['title']} ({arguments.event}, contract version {contract.VERSION})")
    say(schema["description"])
    for name, kind, required, meaning in contract.fields(arguments.event):
        say(f"  {name}: {kind}{', required' if required else ''}{f'. {meaning}' if meaning else ''}")
    return 0


def _list(contract: Any, *, as_json: bool) -> int:
    rows = [{"name": name, "title": contract.schema(name)["title"]} for name in contract.names()]
    if as_json:
        put_json([row | {"id": contract.schema(row["name"])["$id"]} for row in rows])
        return 0
    longest = max(len(row["name"]) for row in rows)
    for row in rows:
        say(f"{row['name']:<{longest}}  {row['title']}")
    return 0


def _nearest(names: list[str], asked: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - start-up time

    parts = {part: name for name in names for part in (name, *name.split("."))}
    near = dict.fromkeys(parts[one] for one in get_close_matches(asked, parts, n=3, cutoff=0.5))
    near |= dict.fromkeys([name for name in names if asked and asked.lower() in name][:3])
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return "`pairmark contracts show` lists all."
