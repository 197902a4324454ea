"""`pairmark audit probe`: is a consumer idempotent, and by which key?"""

import argparse
import json
import threading
from pathlib import Path
from typing import Any

from pairmark.cli.audit.asked import EXIT_CODES, add_output, engine, one_error_code
from pairmark.cli.audit.recurrence import duration
from pairmark.cli.output import note, put_json, say
from pairmark.errors import BadRequest

WAYS = ("probe",)
LONG = 10.0


def add(ways: Any) -> None:
    """Declare it."""
    parser = ways.add_parser(
        "probe",
        help="send facts again to a consumer of yours and count the effects",
        description="Send the same fact twice with one id, with two, at once, and after a long pause to an HTTP endpoint or a "
        "topic, and count the rows of effect. What was sent stays there: use a test system. Exit codes: 0 one effect each, "
        "1 findings, 2 error, 3 undetermined.",
    )
    parser.add_argument("--to", metavar="URL", required=True,
                        help="what takes events, on this machine: http://… or kafka://HOST:PORT/TOPIC")  # fmt: skip
    parser.add_argument("--database", metavar="ADDRESS", required=True,
                        help="the table of effects: sqlite:FILE?table=NAME or postgresql://...?table=schema.name")  # fmt: skip
    parser.add_argument("--key-column", metavar="NAME", required=True, help="the column there that names the fact")
    parser.add_argument(
        "--message", metavar="FILE", type=Path, help="JSON to send, with {{id}} and {{fact}} in their places"
    )
    parser.add_argument("--allow", metavar="HOST", action="append", default=[], help="a host other than this machine")
    parser.add_argument("--pause", metavar="TIME", type=duration, default="60s", help="the long pause (default: 60s)")
    parser.add_argument("--settle", metavar="TIME", type=duration, default="2s",
                        help="how long no further effect may come before they are counted (default: 2s)")  # fmt: skip
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Send, wait, count, tell."""
    engine()
    from pairmark.audit.consumers import Effect  # noqa: PLC0415 - its engine is an extra
    from pairmark.audit.probe import probe  # noqa: PLC0415

    with one_error_code():
        found = probe(
            arguments.to,
            Effect("effects", arguments.database, arguments.key_column),
            pause=_wait,
            message=_message(arguments.message),
            later=arguments.pause.total_seconds(),
            settle=arguments.settle.total_seconds(),
            allow=arguments.allow,
        )
    if arguments.json:
        put_json(found.as_dict())
    else:
        for one in found.ways:
            say(f"{one.way:<16} {one.effects} effects of {one.sent} sent, {one.accepted} accepted ({one.meaning})")
        for line in found.says:
            say(line)
    return EXIT_CODES[found.verdict]


def _wait(seconds: float) -> None:
    if seconds >= LONG:
        note(f"Waiting for {seconds:g} s.")
    threading.Event().wait(seconds)


def _message(path: Path | None) -> Any:
    if path is None:
        return None
    try:
        text = path.read_text(encoding="utf-8")
        found = json.loads(text)
    except (OSError, ValueError) as error:
        raise BadRequest(f"{path} cannot be read as JSON: {error}.") from error
    if "{{fact}}" not in text or "{{id}}" not in text:
        raise BadRequest(
            f"{path} has no place for {{{{fact}}}} or {{{{id}}}}.", remedy="Write these texts where both belong."
        )
    return found
