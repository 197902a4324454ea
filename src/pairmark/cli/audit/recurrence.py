"""`pairmark audit watch` and `rules`: whether it happens again, and what a monitoring system should make of it."""

import argparse
import json
import re
import threading
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

from pairmark.cli.audit.asked import EXIT_CODES, add_source, chosen, engine, one_error_code, unique_on, worst_of
from pairmark.cli.output import note, put_json, say
from pairmark.cli.signals import Stopped
from pairmark.errors import BadRequest

WAYS = ("watch", "rules")
UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
LISTEN = "127.0.0.1:9464"


def add(ways: Any) -> None:
    """Declare both."""
    _add_watch(ways)
    _add_rules(ways)


def _add_watch(ways: Any) -> None:
    watching = ways.add_parser(
        "watch",
        help="look again and again whether facts repeat, with metrics",
        description="Look for new duplicates pass after pass. On PostgreSQL only facts with new rows are looked at, with a "
        "look-back for late commits; rows that come with an older time are seen by the full look that comes round every "
        "--full-every. "
        "Exit codes: 0 clean, 1 new duplicates, 2 error, 3 undetermined.",
    )
    add_source(watching)
    watching.add_argument(
        "--interval", metavar="TIME", type=duration, default="60s", help="from one pass to the next (default: 60s)"
    )
    watching.add_argument(
        "--once", action="store_true", help="one pass, for cron and CI; with --state only what is new since the last"
    )
    watching.add_argument("--look-back", metavar="TIME", type=duration, default="10m",
                          help="how long a transaction may take to commit (default: 10m)")  # fmt: skip
    watching.add_argument(
        "--full-every", metavar="TIME", type=duration, default="1d", help="look at everything (default: 1d)"
    )
    watching.add_argument(
        "--expect-within", metavar="TIME", type=duration, help="undetermined without an event as young as that"
    )
    watching.add_argument("--listen", metavar="HOST:PORT", help=f"serve /metrics there, such as {LISTEN}")
    watching.add_argument(
        "--textfile", metavar="FILE", type=Path, help="write metrics for Prometheus' textfile collector"
    )
    watching.add_argument(
        "--state", metavar="FILE", type=Path, help="remember here what is known, from one run to the next"
    )
    watching.set_defaults(run=watch)


def _add_rules(ways: Any) -> None:
    ruling = ways.add_parser(
        "rules",
        help="print alert rules, a dashboard and log queries for your names",
        description="Print Prometheus alert rules (YAML), a Grafana dashboard (JSON) or LogQL queries for a watched source.",
    )
    ruling.add_argument("what", choices=("alerts", "dashboard", "logql"), help="what to print")
    ruling.add_argument(
        "--source", metavar="TEXT", default=".*", help="only sources that match this regular expression"
    )
    ruling.add_argument("--event-type", metavar="TYPE", default="", help="the type of event, for log queries")
    ruling.add_argument(
        "--selector", metavar="LABELS", default='{app=~".+"}', help="the log streams, as LogQL writes them"
    )
    ruling.add_argument(
        "--aggregate-field", metavar="NAME", default="aggregate_id", help="the field of a log line with the aggregate"
    )
    ruling.add_argument(
        "--type-field", metavar="NAME", default="event_type", help="the field of a log line with the type"
    )
    ruling.add_argument("--interval", metavar="TIME", type=duration, default="60s", help="of the watch (default: 60s)")
    ruling.add_argument("--verbose", action="store_true", help="show where an error comes from")
    ruling.set_defaults(run=rules)


def duration(text: str) -> timedelta:
    """`60s`, `5m`, `2h` or `1d`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text.strip())
    if match is None or not float(match[1]):
        raise argparse.ArgumentTypeError(f"{text} is no length of time (60s, 5m, 2h, 1d)")
    return timedelta(seconds=float(match[1]) * UNITS[match[2]])


def watch(arguments: argparse.Namespace) -> int:
    """Pass after pass, until a signal comes; or one."""
    engine()
    with one_error_code(), ExitStack() as open_now:
        teller = _Teller(arguments, open_now)
        if arguments.once:
            return teller.one_pass()
        return teller.until_stopped()


class _Teller:
    """Runs a watch and tells of it: a line for each pass, metrics, a state file."""

    def __init__(self, arguments: argparse.Namespace, open_now: ExitStack) -> None:
        from pairmark.audit import metrics, watch  # noqa: PLC0415 - its engine is an extra
        from pairmark.audit.looks import Watched  # noqa: PLC0415
        from pairmark.audit.report import chosen_from  # noqa: PLC0415
        from pairmark.clock import SystemClock  # noqa: PLC0415

        asked = chosen(arguments)
        columns = asked.pop("columns")
        watched = Watched(arguments.source, chosen_from(unique_on=unique_on(arguments), **asked), columns)
        memory = watch.load(watched, arguments.state) if arguments.state else watch.Memory()
        self._module, self._arguments, self._watched = watch, arguments, watched
        self._watch = watch.Watch(
            watched, SystemClock(), arguments.look_back, arguments.full_every, arguments.expect_within, memory
        )
        self._figures = metrics.Figures(watched.shown, lambda: self._watch.memory)
        self._seen, self._advised = set[str](), ""
        if arguments.listen:
            bound = open_now.enter_context(metrics.served(self._figures, arguments.listen))
            note(f"Metrics at http://{bound}/metrics")

    def one_pass(self) -> int:
        done = self._watch.once()
        self._tell(done)
        return EXIT_CODES[done.verdict]

    def until_stopped(self) -> int:
        waiting, seconds = threading.Event(), self._arguments.interval.total_seconds()
        try:
            self._module.follow(self._watch, lambda: not waiting.wait(seconds), self._tell, self._failed)
        except Stopped:
            note("Stopped.")
        return EXIT_CODES[worst_of(self._seen)]

    def _tell(self, done: Any) -> None:
        self._seen.add(done.verdict)
        self._figures.tell(done)
        if done.advice and done.advice != self._advised:
            note(done.advice)
            self._advised = done.advice
        if not self._arguments.json:
            say(_sentence(done.as_dict()))
        elif self._arguments.once:
            put_json(done.as_dict())
        else:
            print(json.dumps(done.as_dict()), flush=True)  # noqa: T201 - a line for each pass
        if self._arguments.state:  # after it was told: told twice is better than never
            self._module.save(self._watch.memory, self._watched, self._arguments.state)
        self._write()

    def _failed(self, error: Any) -> None:
        self._figures.failed()
        self._write()
        note(f"{error.message} Tried again at the next pass.")

    def _write(self) -> None:
        if self._arguments.textfile:
            self._figures.write(self._arguments.textfile)


def _sentence(told: dict[str, Any]) -> str:
    looked = f"{told['events']:,} events{'' if told['full'] else ' of facts with new rows'}"
    new = (
        f", {told['new_duplicates']:,} new duplicates of {told['facts_with_new']:,} facts"
        if told["new_duplicates"]
        else ""
    )
    worst = "; ".join(f"{' '.join(one['fact'])}: {one['new']:,} more" for one in told["worst"])
    why = f" ({told['why']})" if told["why"] else ""
    in_all = f"{told['duplicates']:,} duplicates in all"
    return f"{told['at']} {told['verdict']}{why}: {looked}{new}; {in_all}{'. ' + worst if worst else ''}"


def rules(arguments: argparse.Namespace) -> int:
    """Print what was asked for."""
    from pairmark.audit import rules as made  # noqa: PLC0415

    if not arguments.selector.startswith("{") or not arguments.selector.endswith("}"):
        raise BadRequest(f"{arguments.selector} is no LogQL selector.", remedy='Write it as {app="worker"}.')
    if arguments.what == "alerts":
        print(made.alerts(arguments.source, arguments.interval), end="")  # noqa: T201
    elif arguments.what == "dashboard":
        put_json(made.dashboard(arguments.source))
    else:
        fields = (arguments.aggregate_field, arguments.type_field)
        print(made.logql(arguments.selector, arguments.event_type, *fields), end="")  # noqa: T201
    return 0
