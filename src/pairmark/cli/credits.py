"""`pairmark credits`: granting, correcting and showing credit accounts."""

import argparse
from typing import Any

from pairmark.cli.output import put_json, say


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Declare the command and its actions."""
    parser = commands.add_parser("credits", help="grant, correct and show credits")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for name, text in (("grant", "add credits to an account"), ("adjust", "correct an account up or down")):
        action = actions.add_parser(name, parents=[shared], help=text)
        _add_owner(action)
        action.add_argument("amount", metavar="AMOUNT", type=int, help="credits")
        action.add_argument(
            "--operation", required=True, metavar="ID", help="your id of this entry; the same id counts once"
        )
        action.add_argument("--note", default="", help="why, kept in the ledger")
        action.set_defaults(run=post, entry=name)
    showing = actions.add_parser("show", parents=[shared], help="list the accounts")
    showing.set_defaults(run=show)


def _add_owner(parser: argparse.ArgumentParser) -> None:
    owner = parser.add_mutually_exclusive_group(required=True)
    owner.add_argument("--organisation", metavar="ID", help="the organisation's account")
    owner.add_argument("--user", metavar="ID", help="the user's account")


def post(arguments: argparse.Namespace) -> int:
    """Write one ledger entry."""
    from pairmark.config import load  # noqa: PLC0415
    from pairmark.opening import open_system  # noqa: PLC0415 - start-up time

    kind = "organisation" if arguments.organisation else "user"
    with open_system(load(database=arguments.database)) as system:
        write = system.accounts.grant if arguments.entry == "grant" else system.accounts.adjust
        account = write(
            kind,
            arguments.organisation or arguments.user,
            arguments.amount,
            arguments.operation,
            system.clock.now(),
            arguments.note,
        )
    _print(account, arguments)
    return 0


def show(arguments: argparse.Namespace) -> int:
    """List all accounts."""
    from pairmark.config import load  # noqa: PLC0415
    from pairmark.opening import open_system  # noqa: PLC0415 - start-up time

    with open_system(load(database=arguments.database), install=False) as system:
        accounts = system.accounts.everyone()
    if arguments.json:
        put_json([_row(account) for account in accounts])
    else:
        for account in accounts:
            say(_line(account))
    return 0


def _print(account: Any, arguments: argparse.Namespace) -> None:
    if arguments.json:
        put_json(_row(account))
    else:
        say(_line(account))


def _row(account: Any) -> dict[str, Any]:
    return {
        "kind": account.kind,
        "owner": account.owner,
        "unlimited": account.unlimited,
        "available": account.available,
    }


def _line(account: Any) -> str:
    limit = "no limit, ledger at" if account.unlimited else "available"
    return f"{account.kind} {account.owner}: {limit} {account.available}"
