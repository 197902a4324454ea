"""`pairmark audit grants`: the rights that an audit and a repair need."""

import argparse
from typing import Any

from pairmark.cli.audit.asked import add_output
from pairmark.cli.output import put_json, say

WAYS = ("grants",)


def add(ways: Any) -> None:
    """Declare it."""
    parser = ways.add_parser(
        "grants",
        help="print the rights that an audit and a repair need",
        description="Print statements for an administrator: a role that may only read, which is all an audit needs, and apart "
        "from it the rights that a repair needs. Nothing is run, and no connection is made.",
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        nargs="?",
        help="postgresql://...[?table=schema.name] or mysql://...[?table=name]; only its names are used",
    )
    parser.add_argument(
        "--role", metavar="NAME", default="pairmark_audit", help="the role that reads (default: pairmark_audit)"
    )
    parser.add_argument("--repair-role", metavar="NAME", default="pairmark_repair",
                        help="the role that repairs (default: pairmark_repair)")  # fmt: skip
    add_output(parser)
    parser.set_defaults(run=show)


def show(arguments: argparse.Namespace) -> int:
    """Print the statements."""
    from pairmark.audit.grants import grants  # noqa: PLC0415 - start-up time

    found = grants(arguments.source, arguments.role, repair_role=arguments.repair_role)
    if arguments.json:
        put_json(found.as_dict())
        return 0
    if not found.repairing:
        say("-- All that an audit needs; then ALTER USER ... IDENTIFIED BY '...' ACCOUNT UNLOCK. A MySQL is only read.")
        for statement in found.reading:
            say(f"{statement};")
        return 0
    say("-- All that an audit needs; set a password by \\password in psql.")
    for statement in found.reading:
        say(f"{statement};")
    say("")
    say("-- All that a repair needs: only the owner of a table may build its indexes. Take the role away afterwards.")
    for statement in found.repairing:
        say(f"{statement};")
    return 0
