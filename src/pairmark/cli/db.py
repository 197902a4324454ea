"""`pairmark db`: the schema of the database."""

import argparse
from typing import Any

from pairmark.cli.output import put_json, say


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Declare the command and its actions."""
    parser = commands.add_parser("db", help="create and upgrade the database schema")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    upgrading = actions.add_parser("upgrade", parents=[shared], help="bring every schema to this version of Pairmark")
    upgrading.set_defaults(run=upgrade)


def upgrade(arguments: argparse.Namespace) -> int:
    """Upgrade and say where each schema stands."""
    from pairmark.bootstrap import open_database  # noqa: PLC0415 - start-up time
    from pairmark.config import load  # noqa: PLC0415
    from pairmark.storage import schema  # noqa: PLC0415

    with open_database(load(database=arguments.database), upgrade=False) as (database, _):
        versions = schema.upgrade(database)
    if arguments.json:
        put_json(versions)
    else:
        for name, version in versions.items():
            say(f"{name}: {version}")
    return 0
