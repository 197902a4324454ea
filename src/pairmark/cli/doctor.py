"""`pairmark doctor`: is everything that Pairmark needs here, and is what it keeps in order?"""

import argparse
from typing import Any

from pairmark.cli.output import put_json, say
from pairmark.errors import PairmarkError

UNDER_WAY = 30.0
"""Seconds for which a message may be on its way, while other processes work, before it counts as lost."""


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "doctor", parents=[shared], help="check this machine, the database and the books", description=__doc__
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check one thing after the other; exit 1 if anything is wrong."""
    from pairmark.config import load  # noqa: PLC0415 - start-up time

    config = load(database=arguments.database)
    where = "the embedded server" if config.embedded else "a server by URL"
    checks: list[dict[str, Any]] = [
        _good(
            "program", f"Pairmark {_version()}; state in {config.home}" if config.embedded else f"Pairmark {_version()}"
        )
    ]
    try:
        checks += _check_database(config, where)
    except PairmarkError as error:
        checks.append({"check": "database", "good": False, "says": str(error)})
    good = all(check["good"] for check in checks)
    if arguments.json:
        put_json({"good": good, "checks": checks})
    else:
        for check in checks:
            say(f"{'ok ' if check['good'] else 'BAD'} {check['check']}: {check['says']}")
    return 0 if good else 1


def _check_database(config: Any, where: str) -> list[dict[str, Any]]:
    from pairmark.audit.selfcheck import self_check  # noqa: PLC0415 - start-up time
    from pairmark.opening import open_database  # noqa: PLC0415
    from pairmark.storage import schema  # noqa: PLC0415

    with open_database(config, install=False) as (database, _):
        with database.connect() as connection:
            server = connection.info.server_version
        versions = schema.everywhere(database)
        check = self_check(database, under_way=UNDER_WAY)
    verdict = f"{check.duplicates} duplicates, {check.lost} lost, {check.charged_twice} charged twice"
    return [
        _good("database", f"{where}, PostgreSQL {server // 10000}.{server % 10000}{_alone(config.elsewhere)}"),
        _good("schema", ", ".join(sorted(versions.values()))),
        {"check": "self-check", "good": check.clean, "says": " ".join([f"{verdict}.", *check.findings])},
    ]


def _alone(elsewhere: Any) -> str:
    return f"; with databases of their own: {', '.join(sorted(elsewhere))}" if elsewhere else ""


def _version() -> str:
    import pairmark  # noqa: PLC0415

    return pairmark.__version__


def _good(check: str, says: str) -> dict[str, Any]:
    return {"check": check, "good": True, "says": says}
