"""`pairmark status`, `cancel` and `retry`: looking at batches, ending one, and going on with one."""

import argparse
from typing import Any, NoReturn

from pairmark.cli.arguments import folder
from pairmark.cli.output import put_json, say
from pairmark.errors import BadRequest, Busy


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Declare the three commands."""
    looking = commands.add_parser("status", parents=[shared], help="show batches, or one batch in full")
    looking.add_argument("batch", metavar="BATCH", nargs="?", default="", help="id (or its beginning) or name")
    looking.set_defaults(run=show)
    ending = commands.add_parser("cancel", parents=[shared], help="end a batch; nothing is charged")
    ending.add_argument("batch", metavar="BATCH", help="id (or its beginning) or name")
    ending.set_defaults(run=cancel)
    again = commands.add_parser(
        "retry",
        parents=[shared],
        help="go on with a batch",
        description="Go on with a batch that is stuck; after an error or a cancel, or when a text held for review was cleared, "
        "open its next generation, which reuses the verdicts it has; show the stored result of a complete one.",
    )
    again.add_argument("batch", metavar="BATCH", help="id (or its beginning) or name")
    again.add_argument("--out", metavar="DIR", type=folder, help="folder for the report (made if missing)")
    again.set_defaults(run=retry)


def show(arguments: argparse.Namespace) -> int:
    """List batches, or show one."""
    from pairmark.config import load  # noqa: PLC0415
    from pairmark.opening import open_system  # noqa: PLC0415 - start-up time
    from pairmark.outcome import collect  # noqa: PLC0415

    with open_system(load(database=arguments.database), install=False) as system:
        if arguments.batch:
            batch = one_batch(system, arguments.batch)
            return _print_result(collect(system, batch.id), arguments)
        _take_in(system)
        batches = system.assessment.find("", limit=100)
    if arguments.json:
        put_json([_row(batch) for batch in batches])
    elif not batches:
        say("There are no batches yet. `pairmark assess PATH --judge KIND --out DIR` makes one.")
    else:
        _print_table(batches)
    return 0


def cancel(arguments: argparse.Namespace) -> int:
    """End a batch wherever it stands, and let every service hear of it."""
    from pairmark.config import load  # noqa: PLC0415
    from pairmark.domain.statuses import Status  # noqa: PLC0415
    from pairmark.opening import open_system  # noqa: PLC0415 - start-up time
    from pairmark.services.lifecycle.front_desk import Ticket  # noqa: PLC0415

    with open_system(load(database=arguments.database), install=False) as system:
        batch = one_batch(system, arguments.batch)
        ended = system.finalization.cancel(batch.id, "a person at the command line")
        _finish(system, Ticket(batch.entity_id, batch.id, batch.generation, opened=False))
        now = system.assessment.batch(batch.id)
    status = now.status if now else batch.status
    was_over = batch.status.is_terminal or ended is None or ended.status is not Status.CANCELLED
    if arguments.json:
        put_json({"batch_id": str(batch.id), "status": status, "changed": not was_over})
    else:
        say(f"Batch {batch.id} {'had ended before: it is' if was_over else 'is'} {status}.")
    return 0


def retry(arguments: argparse.Namespace) -> int:
    """Go on with a batch and report as `assess` does."""
    from pairmark.assessing import retry as go_on  # noqa: PLC0415 - start-up time
    from pairmark.assessing import run  # noqa: PLC0415
    from pairmark.cli.live import Live  # noqa: PLC0415
    from pairmark.config import load  # noqa: PLC0415
    from pairmark.opening import open_system  # noqa: PLC0415
    from pairmark.outcome import collect  # noqa: PLC0415
    from pairmark.report.write import check_writable, write_report  # noqa: PLC0415

    if arguments.out is not None:
        check_writable(arguments.out)
    with open_system(load(database=arguments.database), install=False) as system:
        ticket = go_on(system, one_batch(system, arguments.batch))
        with Live() as live:
            run(system, ticket, live.show)
        result = collect(system, ticket.job_id)
        if arguments.out is not None:
            write_report(result, system.assessment.judgements(ticket.job_id), arguments.out)
    return _print_result(result, arguments)


def one_batch(system: Any, text: str) -> Any:
    """The batch of this id (or its beginning) or name; raises `BadRequest` where there is none, or several."""
    if not text.isprintable():  # no name is like that, and half a character cannot be sent to a database
        raise BadRequest(f"There is no batch {text!r}.", remedy="`pairmark status` lists what there is.")
    found = system.assessment.find(text)
    if not found:
        _take_in(system)
        found = system.assessment.find(text)
    if not found:
        _refuse_unknown(system, text)
    newest = [batch for batch in found if batch.name == text][:1] or found
    if len(newest) > 1:
        listed = ", ".join(str(batch.id) for batch in newest[:5])
        raise BadRequest(f"{text!r} fits {len(newest)} batches: {listed}.", remedy="Give more of the id.")
    return newest[0]


def _refuse_unknown(system: Any, text: str) -> NoReturn:
    """Either nobody knows the batch, or its request waits for something: then say for what, having tried once more."""
    from pairmark.assessing import revive  # noqa: PLC0415 - start-up time
    from pairmark.outcome import in_the_way  # noqa: PLC0415

    for job, entity in system.lifecycle.find(text):
        obstacle = in_the_way(system, str(job), entity)
        revive(system, job, entity)
        _take_in(system)
        why = obstacle.sentence if obstacle else "It is on its way."
        raise Busy(f"Batch {job} is requested, but not taken in yet. {why}", remedy="Run the same command again.")
    raise BadRequest(f"There is no batch {text!r}.", remedy="`pairmark status` lists what there is.")


def _take_in(system: Any) -> None:
    """A request whose process died at once may still be on its way to assessment: move it there, as any process would."""
    system.deliver()
    system.deliver()


def _finish(system: Any, ticket: Any) -> None:
    from pairmark.assessing import run  # noqa: PLC0415 - start-up time

    run(system, ticket)


def _print_result(result: Any, arguments: argparse.Namespace) -> int:
    from pairmark.cli.assess import report  # noqa: PLC0415 - start-up time

    if not hasattr(arguments, "out"):
        arguments.out = None
    code = report(result, arguments)
    return 0 if arguments.run is show else code


def _row(batch: Any) -> dict[str, Any]:
    return {
        "batch_id": str(batch.id),
        "name": batch.name,
        "status": batch.status,
        "stop_reason": batch.stop_reason,
        "essays": batch.essays,
        "wave": batch.wave,
        "answered": batch.answered,
        "budget": batch.budget,
        "created_at": batch.created_at.isoformat(),
        "finished_at": batch.finished_at.isoformat() if batch.finished_at else None,
    }


def _print_table(batches: Any) -> None:
    from rich.console import Console  # noqa: PLC0415 - start-up time
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, pad_edge=False)
    for heading in ("batch", "name", "status", "essays", "comparisons", "begun"):
        table.add_column(heading, no_wrap=heading in {"batch", "status"})
    for batch in batches:
        begun = batch.created_at.astimezone().strftime("%Y-%m-%d %H:%M")
        done = f"{batch.answered} of {batch.budget}"
        table.add_row(str(batch.id)[:8], batch.name or "-", batch.status, str(batch.essays), done, begun)
    Console().print(table)
