"""`pairmark worker`: does the work of some roles until it is stopped, beside any number of others."""

import argparse
import os
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pairmark.cli.output import note
from pairmark.cli.signals import Stopped
from pairmark.errors import BadRequest, Busy

if TYPE_CHECKING:
    from pairmark.config import Config

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "worker",
        parents=[shared],
        help="do the work of the services, beside any number of other workers",
        description="Work until stopped (SIGTERM or Ctrl-C; within 10 seconds, nothing is lost). Start as many as you like, "
        "on as many machines as you like; over Kafka, the partitions of a topic are shared out among them.",
    )
    parser.add_argument(
        "--roles",
        metavar="ROLE,…",
        help="assessment, judging, relay, lifecycle, results, entitlements, monitor (default: all of them)",
    )
    parser.add_argument(
        "--kafka", metavar="HOST:PORT", help="brokers, several with commas (or set PAIRMARK_KAFKA; default: no Kafka)"
    )
    parser.add_argument(
        "--judge",
        metavar="KIND",
        help="who judges where a request names nobody (or set PAIRMARK_JUDGE); as for `assess`",
    )
    parser.add_argument("--once", action="store_true", help="do all that can be done now, then end; for cron")
    parser.add_argument(
        "--wait",
        metavar="SECONDS",
        type=float,
        default=float("inf"),
        help="for the database and Kafka at the start, before giving up with exit code 75 (default: for ever)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Work until stopped."""
    from pairmark.config import load  # noqa: PLC0415 - start-up time

    config = load(database=arguments.database, kafka=arguments.kafka)
    config = replace(config, judge=arguments.judge or config.judge)
    roles = _roles(arguments.roles)
    try:
        _begin(config, roles, arguments)
    except Stopped:
        if arguments.once:
            raise
        note("pairmark: stopped; nothing was lost.")
        _leave_at_once_if_a_judge_is_still_out()
    return 0


def _roles(text: str | None) -> tuple[str, ...]:
    from pairmark.bootstrap import ROLES  # noqa: PLC0415

    if text is None:
        return ROLES
    wanted = tuple(dict.fromkeys(one.strip() for one in text.split(",")))
    if unknown := [one for one in wanted if one not in ROLES]:
        raise BadRequest(f"There is no role {unknown[0]!r}.", remedy=f"Roles are {', '.join(ROLES)}.")
    return wanted


def _begin(config: "Config", roles: tuple[str, ...], arguments: argparse.Namespace) -> None:
    """Open everything, patiently at the start, and work."""
    from pairmark.clock import SystemClock  # noqa: PLC0415
    from pairmark.opening import open_system  # noqa: PLC0415 - start-up time
    from pairmark.working import work, work_once  # noqa: PLC0415

    until, pause, began = SystemClock().monotonic() + arguments.wait, FIRST_PAUSE, False
    while True:
        try:
            with open_system(config, roles=roles, takes_road=True) as system:
                began = True
                note(
                    f"pairmark: working as {', '.join(roles)}{f' over Kafka at {config.kafka}' if config.kafka else ''}."
                )
                if arguments.once:
                    note(f"pairmark: {work_once(system):,} steps done, nothing is left to do now.")
                else:
                    work(system, lambda sentence: note(f"pairmark: {sentence}"))
                return
        except Busy as busy:
            if began or SystemClock().monotonic() + pause > until:
                raise
            note(f"pairmark: {busy.message} Trying again in {pause:g} s.")
            threading.Event().wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE)


def _leave_at_once_if_a_judge_is_still_out() -> None:
    """Python waits at its end for threads of a pool; a slow judge would hold up the stop, and its answer is of no use now."""
    if any(thread.name.startswith("pairmark-") for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
