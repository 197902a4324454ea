"""`pairmark audit`: duplicate events in anybody's outbox, export or table. Each of its ways stands in a module of this package."""

import argparse
from collections.abc import Sequence
from typing import Any

from pairmark.cli.audit import again, granting, harm, looking, probing, recurrence, repairing

MODULES = (looking, again, harm, repairing, recurrence, probing, granting)
WAYS: tuple[str, ...] = tuple(way for module in MODULES for way in module.WAYS)


def spelled_out(words: Sequence[str]) -> list[str]:
    """`audit SOURCE` is short for `audit run SOURCE`; a file named like a subcommand is written with ./ before it."""
    if len(words) < 2 or words[0] != "audit" or words[1] in (*WAYS, "-h", "--help"):
        return list(words)
    return ["audit", "run", *words[1:]]


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Declare the command and its ways."""
    parser = commands.add_parser(
        "audit",
        help="find and explain duplicate events in any system",
        description="Find facts that were told more than once, in any system, and say what their repetition looks like.",
    )
    ways = parser.add_subparsers(title="ways", metavar="WAY", required=True)
    for module in MODULES:
        module.add(ways)
