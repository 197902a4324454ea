"""`pairmark db`: the schema of the database, moving what it holds, and taking away what is old."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any

from pairmark.cli.output import put_json, say
from pairmark.errors import BadRequest


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Declare the command and its actions."""
    parser = commands.add_parser("db", help="set the database up, move it, prune it")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    upgrading = actions.add_parser("upgrade", parents=[shared], help="bring every schema to this version of Pairmark")
    upgrading.set_defaults(run=upgrade)
    copying = actions.add_parser(
        "copy",
        parents=[shared],
        help="move everything to another PostgreSQL",
        description="Move the embedded database, or that of --database, to an empty PostgreSQL database, batches in progress "
        "included. No other process may work on it meanwhile. The old database is kept, but refuses to work from then on. "
        "Interrupted, the same command goes on.",
    )
    copying.add_argument("--to", metavar="URL", required=True, help="the new, empty database")
    copying.set_defaults(
        run=copy, after_stop="The same command goes on; until it has ended, nothing is lost on either side."
    )
    pruning = actions.add_parser(
        "prune",
        parents=[shared],
        help="take away old messages",
        description="Take away events published, messages received and messages set aside as unusable before a time. What "
        "keeps a fact from being told or applied twice stays for ever; so do dead letters and whatever waits.",
    )
    pruning.add_argument("--older-than", metavar="TIME", type=_age, required=True, help="such as 90d or 12h")
    pruning.add_argument("--dry-run", action="store_true", help="only count")
    pruning.set_defaults(run=prune)


def _age(text: str) -> timedelta:
    from pairmark.cli.audit.recurrence import duration  # noqa: PLC0415 - start-up time

    return duration(text)


def prune(arguments: argparse.Namespace) -> int:
    """Take old rows away and say how many went from where."""
    from pairmark.config import load  # noqa: PLC0415
    from pairmark.opening import open_database  # noqa: PLC0415 - start-up time
    from pairmark.storage import pruning  # noqa: PLC0415

    with open_database(load(database=arguments.database), install=False) as (database, _):
        done = pruning.prune(database, arguments.older_than, dry_run=arguments.dry_run)
    if arguments.json:
        put_json({"dry_run": arguments.dry_run, "rows": {one.table: one.rows for one in done}})
        return 0
    for one in done:
        if one.rows:
            say(f"{one.table}: {one.rows:,} rows")
    total = sum(one.rows for one in done)
    say(f"{total:,} rows would go." if arguments.dry_run else f"{total:,} rows went.")
    return 0


def copy(arguments: argparse.Namespace) -> int:
    """Move the installation and say where it is now."""
    from pairmark.config import load, postgres_url, without_password  # noqa: PLC0415
    from pairmark.opening import reached  # noqa: PLC0415 - start-up time
    from pairmark.storage.connection import Database  # noqa: PLC0415
    from pairmark.storage.copying import Side, copy  # noqa: PLC0415

    config, goal = load(database=arguments.database), without_password(postgres_url(arguments.to))
    if config.elsewhere:
        raise BadRequest(
            f"{', '.join(sorted(config.elsewhere))} stand in databases of their own; only one that holds all can be moved.",
            remedy="Move databases of single services with the tools of PostgreSQL, while every worker is stopped.",
        )
    name = f"the embedded database in {config.home}" if config.embedded else without_password(config.database_url or "")
    with reached(config) as (database, _), closing(Database(arguments.to)) as target, _progress() as told:
        done = copy(Side(database, name), Side(target, goal), told, upgrade_if_needed=config.embedded)
    if arguments.json:
        put_json({"from": name, "to": goal, "tables": done.tables, "rows": done.rows, "moved_before": done.before})
    else:
        what = "Everything had been moved" if done.before else f"Moved {done.rows:,} rows of {done.tables} tables"
        say(f"{what} from {name} to {goal}. Set PAIRMARK_DATABASE to that address; the old database is kept as it is.")
    return 0


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """Says on stderr how far a copy is."""
    from rich.console import Console  # noqa: PLC0415 - start-up time

    from pairmark.clock import SystemClock  # noqa: PLC0415
    from pairmark.report.progress import Progress  # noqa: PLC0415

    with Progress(Console(file=sys.stderr), SystemClock()) as shown:
        yield lambda what, done, total: shown.tell(
            [what, f"{done:,} of {total:,} rows"] if total else [what], done, total
        )


def upgrade(arguments: argparse.Namespace) -> int:
    """Upgrade and say where each schema stands."""
    from pairmark.config import load  # noqa: PLC0415
    from pairmark.opening import open_database  # noqa: PLC0415 - start-up time
    from pairmark.storage import schema  # noqa: PLC0415

    with open_database(load(database=arguments.database), upgrade=False) as (database, _):
        versions = schema.upgrade(database)
    if arguments.json:
        put_json(versions)
    else:
        for name, version in versions.items():
            say(f"{name}: {version}")
    return 0
