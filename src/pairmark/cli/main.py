"""The command `pairmark`: finds the subcommand, runs it, and turns errors into one sentence and an exit code.

Subcommands import what they need when they run, so that `pairmark --help` answers at once.
"""

import argparse
import io
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import pairmark
from pairmark.cli import (
    assess,
    audit,
    contracts,
    credits,
    db,
    deadletter,
    doctor,
    judge,
    judgement,
    outbox,
    review,
    score,
    signals,
    simulate,
    status,
    topics,
    worker,
)
from pairmark.cli.output import note, put_json
from pairmark.errors import BadRequest, PairmarkError

UNEXPECTED = 1


class _Parser(argparse.ArgumentParser):
    """Raises what argparse would print, so that every refusal is spoken in one place; options are written in full."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{"allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        raise BadRequest(f"{message}.", remedy=f"See `{self.prog} --help`.")


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; the reference in docs/ is generated from it."""
    parser = _Parser(
        prog="pairmark",
        description="Rank essays by comparative judgement; announce and charge every finished batch exactly once in effect.",
    )
    parser.add_argument("--version", action="version", version=f"pairmark {pairmark.__version__}")
    shared = argparse.ArgumentParser(add_help=False)
    group = shared.add_argument_group("everywhere")
    group.add_argument(
        "--database",
        metavar="URL",
        help="PostgreSQL server to use instead of the embedded one (or set PAIRMARK_DATABASE)",
    )
    group.add_argument("--json", action="store_true", help="machine-readable output on stdout and nothing else there")
    group.add_argument("--verbose", action="store_true", help="show warnings of the parts at work, on stderr")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    shared.set_defaults(services=True)
    alone = argparse.ArgumentParser(add_help=False, parents=[shared])
    alone.set_defaults(services=False)  # a command that runs none of the services, which are all that keep a log
    for module in (
        assess,
        simulate,
        score,
        judge,
        judgement,
        status,
        worker,
        topics,
        outbox,
        deadletter,
        review,
        credits,
        contracts,
        audit,
        db,
        doctor,
    ):
        module.add(commands, alone if module in (simulate, score, judge, contracts) else shared)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    words = list(sys.argv[1:] if argv is None else argv)
    after_stop = "The same command goes on where it was."
    as_json, verbose = "--json" in words, "--verbose" in words
    try:
        arguments = build_parser().parse_args(audit.spelled_out(words))
        after_stop = getattr(arguments, "after_stop", after_stop)
        _set_up_logging(verbose=verbose, services=getattr(arguments, "services", False))
        with signals.stopping_cleanly():
            return int(arguments.run(arguments))
    except PairmarkError as error:
        return _refuse(error.message, error.remedy, error.exit_code, as_json=as_json)
    except signals.Stopped as stopped:
        return _refuse("Stopped.", after_stop, stopped.exit_code, as_json=as_json)
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except Exception as error:
        if verbose:
            raise
        told = f"Pairmark met an error of its own ({type(error).__name__}: {error})."
        remedy = "Nothing stored is lost; run the command again, with --verbose to see where."
        return _refuse(told, remedy, UNEXPECTED, as_json=as_json)


def _refuse(message: str, remedy: str, exit_code: int, *, as_json: bool) -> int:
    """One sentence and its remedy for people on stderr, the same for programs on stdout."""
    if as_json:
        put_json({"error": message, "remedy": remedy, "exit_code": exit_code})
    note(f"pairmark: {message} {remedy}".rstrip())
    return exit_code


def _set_up_logging(*, verbose: bool, services: bool) -> None:
    import logging  # noqa: PLC0415 - start-up time

    logging.getLogger("psycopg.pool").setLevel(logging.WARNING if verbose else logging.CRITICAL)
    logging.getLogger("pypdf").setLevel(logging.WARNING if verbose else logging.CRITICAL)
    if not services:
        return
    import structlog  # noqa: PLC0415 - takes longer to load than all else that an audit of a small table does

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO if verbose else logging.CRITICAL),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


if __name__ == "__main__":
    sys.exit(main())
