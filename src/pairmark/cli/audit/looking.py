"""`pairmark audit run`: find and explain duplicates."""

import argparse
from pathlib import Path
from typing import Any

from pairmark.cli.audit.asked import (
    EXIT_CODES,
    add_limits,
    add_source,
    chosen,
    engine,
    one_error_code,
    server_settings,
    unique_on,
)
from pairmark.cli.output import put_json

WAYS = ("run",)


def add(ways: Any) -> None:
    """Declare it."""
    running = ways.add_parser(
        "run",
        help="find and explain duplicates (`audit SOURCE` is short for it)",
        description="Find facts that were told more than once. Exit codes: 0 clean, 1 findings, 2 error, 3 undetermined.",
    )
    add_source(running)
    add_limits(running)
    running.add_argument(
        "--triggers", metavar="SOURCE", help="what may have caused the events; tells a loop from a drain"
    )
    running.add_argument("--trigger-time-column", metavar="NAME", help="the column of times in there")
    running.add_argument(
        "--trigger-aggregate-column", metavar="NAME", help="the column in there that names the aggregate"
    )
    running.add_argument("--html", metavar="FILE", type=Path, help="write the report as one page for a browser, too")
    running.add_argument("--markdown", metavar="FILE", type=Path, help="write the report as Markdown, too")
    running.add_argument("--junit", metavar="FILE", type=Path, help="write the findings as JUnit XML, too")
    running.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Audit the source and tell what was found."""
    at_work = engine()
    triggered = {"time": arguments.trigger_time_column, "aggregate": arguments.trigger_aggregate_column}
    with one_error_code():
        report = at_work.audit(
            arguments.source,
            unique_on=unique_on(arguments),
            triggers=arguments.triggers,
            trigger_columns={part: name for part, name in triggered.items() if name},
            server_settings=server_settings(arguments),
            **chosen(arguments),
        )
    _write_texts(report, arguments)
    if arguments.json:
        put_json(report.as_dict())
    else:
        from rich.console import Console  # noqa: PLC0415 - start-up time

        from pairmark.audit.terminal import print_report  # noqa: PLC0415

        print_report(report, Console())
    return EXIT_CODES[report.verdict]


def _write_texts(report: Any, arguments: argparse.Namespace) -> None:
    from pairmark.audit import texts  # noqa: PLC0415 - start-up time
    from pairmark.report.files import put  # noqa: PLC0415

    for path, render in ((arguments.html, _page), (arguments.markdown, texts.markdown), (arguments.junit, texts.junit)):
        if path is not None:
            put(path.absolute().parent, {path.name: render(report).encode(errors="backslashreplace")})


def _page(report: Any) -> str:
    from pairmark.audit.page import render_html  # noqa: PLC0415 - jinja2 only when a page is made

    return render_html(report)
