"""`pairmark audit repair`: the plan first, then what was agreed to; and the way back."""

import argparse
import sys
from pathlib import Path
from typing import Any

from pairmark.cli.audit.asked import add_facts, add_output, columns, one_error_code, unique_on
from pairmark.cli.audit.plan_text import Shown, say_plan, say_result, say_undone
from pairmark.cli.output import note, put_json, say
from pairmark.errors import BadRequest

WAYS = ("repair",)
SOURCE = "postgresql://...[?table=schema.name], or sqlite:FILE[?table=NAME]"
UNDONE = "guard,index,rows"
DONE, LEFT, REFUSED, UNKNOWN = 0, 1, 2, 3


def add(ways: Any) -> None:
    """Declare it."""
    parser = ways.add_parser(
        "repair",
        help="take duplicates out of a table and keep them out",
        description="Print the plan of a repair: exact statements, locks, rows, time and the way back. With --apply carry it "
        "out: guard against new duplicates, move duplicates into quarantine, build a unique index. A run that was stopped or "
        "killed goes on with the same command. Exit codes: 0 done or clean, 1 duplicates are left, 2 error, 3 nothing to look at.",
    )
    add_facts(parser, source=SOURCE, parts="aggregate,type,id,key,correlation")
    parser.add_argument("--where", metavar="SQL", help="a condition on rows: the key concerns only these")
    parser.add_argument("--keep", choices=("first", "published"), default="first",
                        help="which row of a fact stays: the first, or the first that was published (default: first)")  # fmt: skip
    parser.add_argument("--guard", choices=("divert", "refuse"), default="divert",
                        help="new duplicates meanwhile: into quarantine, or an error for the writer (default: divert)")  # fmt: skip
    _add_doing(parser)
    _add_limits(parser)
    add_output(parser)
    parser.set_defaults(run=repair)


def _add_doing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--apply", action="store_true", help="carry the plan out, after a confirmation on the terminal")
    parser.add_argument("--yes", action="store_true", help="with --apply: do not ask")
    parser.add_argument("--plan", metavar="DIGEST", help="with --apply: only if the plan still has this digest")
    parser.add_argument("--undo", metavar="PARTS", nargs="?", const=UNDONE,
                        help=f"the opposite way, for some of guard,index,rows,tables (default: {UNDONE}); plan first")  # fmt: skip
    parser.add_argument("--accept-triggers", action="store_true",
                        help="go on although triggers of the table fire for every row that is moved")  # fmt: skip
    parser.add_argument("--emit", choices=("alembic",), help="write a migration instead of doing anything")
    parser.add_argument("--out", metavar="FILE", type=Path, help="with --emit: the file (default: standard output)")
    parser.add_argument("--revision", metavar="ID", help="with --emit: the id of the migration")
    parser.add_argument("--down-revision", metavar="ID", help="with --emit: the migration before it")


def _add_limits(parser: argparse.ArgumentParser) -> None:
    for option, default, meaning in (
        ("batch", 5_000, "rows moved in one transaction"),
        ("lock-timeout", 1.0, "seconds that one attempt at a lock may make writers wait"),
        ("statement-timeout", 3_600.0, "seconds for one statement"),
        ("patience", 600.0, "seconds for all attempts at one step"),
        ("probe", 5.0, "seconds between the two looks for new duplicates"),
    ):
        parser.add_argument(f"--{option}", metavar="N", type=type(default), default=default,
                            help=f"{meaning} (default: {default:g})")  # fmt: skip


def repair(arguments: argparse.Namespace) -> int:
    """Plan, and do what was asked for."""
    from pairmark.audit.repair.kinds import kind_of  # noqa: PLC0415 - start-up time
    from pairmark.audit.repair.request import Request  # noqa: PLC0415

    if arguments.apply and not arguments.yes and (arguments.json or not sys.stdin.isatty()):
        raise BadRequest(
            "--apply asks before it changes anything, and there is no terminal to ask on.",
            remedy="Read the plan without --apply, then add --yes.",
        )
    request = Request(
        source=arguments.source,
        unique_on=tuple(unique_on(arguments)),
        columns=columns(arguments),
        types=tuple(arguments.type),
        where=arguments.where,
        keep=arguments.keep,
        guard=arguments.guard,
        accept_triggers=arguments.accept_triggers,
        batch=arguments.batch,
        lock_timeout=arguments.lock_timeout,
        statement_timeout=arguments.statement_timeout,
        patience=arguments.patience,
        probe=arguments.probe,
    )
    with one_error_code():
        kind = kind_of(arguments.source)
        if arguments.undo is not None:
            return _undo(kind, request, arguments)
        plan = kind.make_plan(request)
        if arguments.emit:
            return _emit(plan, request, arguments)
        return _go(kind, request, plan, arguments)


def _go(kind: Any, request: Any, plan: Any, arguments: argparse.Namespace) -> int:
    if not arguments.json:
        say_plan(plan)
    if not arguments.apply:
        return _only_planned(plan, arguments)
    if not _agreed(plan, arguments):
        return LEFT if plan.excess else DONE
    result = kind.apply(request, Shown(), digest=arguments.plan or plan.digest)
    if arguments.json:
        put_json({"plan": plan.as_dict(), "result": result.as_dict()})
    else:
        say_result(result)
    return DONE if result.clean else LEFT


def _only_planned(plan: Any, arguments: argparse.Namespace) -> int:
    if arguments.json:
        put_json({"plan": plan.as_dict()})
    elif plan.nothing_to_do:
        say(f"Nothing to do: {plan.enforced_by} stands, and no fact is told twice.")
    elif not plan.refused:
        say("Nothing was changed. The same command with --apply carries this out.")
    if plan.refused:
        return REFUSED
    if plan.excess or plan.unfinished:
        return LEFT
    return DONE if plan.counts and plan.counts.rows else UNKNOWN


def _agreed(plan: Any, arguments: argparse.Namespace) -> bool:
    if arguments.yes or plan.refused or plan.nothing_to_do:
        return True
    note(f"Carry out plan {plan.digest} on {plan.table}? Type yes:")
    if sys.stdin.readline().strip().lower() == "yes":
        return True
    say("Nothing was changed.")
    return False


def _undo(kind: Any, request: Any, arguments: argparse.Namespace) -> int:
    parts = [part.strip() for part in arguments.undo.split(",") if part.strip()]
    plan = kind.plan_undo(request, parts)
    if not arguments.json:
        say_plan(plan)
    if not arguments.apply or plan.nothing_to_do:
        if arguments.json:
            put_json({"plan": plan.as_dict()})
        else:
            say(
                "There is nothing to take back."
                if plan.nothing_to_do
                else "Nothing was changed. Add --apply to do this."
            )
        return REFUSED if plan.refused else DONE
    if not _agreed(plan, arguments):
        return DONE
    result = kind.undo(request, Shown(), parts, digest=arguments.plan or plan.digest)
    if arguments.json:
        put_json({"plan": plan.as_dict(), "result": result.as_dict()})
    else:
        say_undone(result)
    return DONE


def _emit(plan: Any, request: Any, arguments: argparse.Namespace) -> int:
    from pairmark.audit.repair.emit import alembic  # noqa: PLC0415 - start-up time
    from pairmark.report.files import put  # noqa: PLC0415

    text = alembic(plan, request, revision=arguments.revision, down=arguments.down_revision)
    if arguments.out is not None:
        put(arguments.out.absolute().parent, {arguments.out.name: text.encode()})
    if arguments.json:
        put_json({"plan": plan.as_dict(), "migration": text})
    elif arguments.out is None:
        for line in text.splitlines():
            say(line)
    return REFUSED if plan.refused else DONE
