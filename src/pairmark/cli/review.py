"""`pairmark review`: texts that are held for a person to look at, and clearing them."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pairmark.cli.output import note, put_json, say
from pairmark.errors import BadRequest

if TYPE_CHECKING:
    from pairmark.services.assessment.review_queue import Held

AROUND = 120
"""Characters shown on each side of a place."""


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Declare the command and its actions."""
    parser = commands.add_parser("review", help="look at texts that are held for review, and clear them")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser(
        "list",
        parents=[shared],
        help="list what is held and not cleared, or all that was held of one batch",
        description="A held text was not put to language models and is not ranked. Nothing is said "
        "about its writer: a person looks.",
    )
    listing.add_argument("batch", metavar="BATCH", nargs="?", default="", help="id (or its beginning) or name")
    listing.set_defaults(run=show_all)
    showing = actions.add_parser(
        "show", parents=[shared], help="show the places of one text, with the words around them"
    )
    showing.add_argument("batch", metavar="BATCH", help="id (or its beginning) or name")
    showing.add_argument("essay", metavar="ESSAY", help="id of the essay")
    showing.set_defaults(run=show)
    clearing = actions.add_parser(
        "clear",
        parents=[shared],
        help="let texts be judged after all",
        description="Say that a person has looked at these texts and that they may be judged. `pairmark retry BATCH` then "
        "ranks them with the others; verdicts there are, are used again and not charged.",
    )
    clearing.add_argument("batch", metavar="BATCH", help="id (or its beginning) or name")
    clearing.add_argument("essays", metavar="ESSAY", nargs="+", help="ids of essays")
    clearing.add_argument("--by", metavar="NAME", default="a person at the command line", help="who has looked")
    clearing.set_defaults(run=clear)


def show_all(arguments: argparse.Namespace) -> int:
    """List the queue."""
    with _system(arguments) as system:
        batch = _batch(system, arguments.batch) if arguments.batch else None
        rows = system.review.of_batch(batch.id) if batch else system.review.waiting()
    if arguments.json:
        put_json([_row(row) for row in rows])
    elif not rows:
        say("No text is held for review.")
    for row in () if arguments.json else rows:
        cleared = f", cleared by {row.cleared_by} at {row.cleared_at:%Y-%m-%d %H:%M} UTC" if row.cleared_at else ""
        say(f"{str(row.batch_id)[:8]}  {row.essay_id}  {row.kind}{cleared}")
        say(f"    {row.excerpt or row.reason}")
    return 0


def show(arguments: argparse.Namespace) -> int:
    """Show where and why one text is held."""
    with _system(arguments) as system:
        batch = _batch(system, arguments.batch)
        rows = [row for row in system.review.of_batch(batch.id) if row.essay_id == arguments.essay]
        if not rows:
            raise BadRequest(
                f"Batch {batch.id} holds no essay {arguments.essay!r} for review.",
                remedy=f"`pairmark review list {str(batch.id)[:8]}` shows what it holds.",
            )
        text = system.texts.fetch([rows[0].text_storage_id]).get(rows[0].text_storage_id, "")
    if arguments.json:
        put_json([_row(row) | {"around": _around(text, row)} for row in rows])
    else:
        _print(rows, text)
    return 0


def clear(arguments: argparse.Namespace) -> int:
    """Clear essays, all or none."""
    with _system(arguments) as system:
        batch = _batch(system, arguments.batch)
        done = system.review.clear(batch.id, arguments.essays, arguments.by)
    if arguments.json:
        put_json({"batch_id": str(batch.id), "cleared": done})
    else:
        before = len(dict.fromkeys(arguments.essays)) - len(done)
        say(f"{len(done)} cleared by {arguments.by}." + (f" {before} had been cleared before." if before else ""))
        note(f"pairmark: `pairmark retry {str(batch.id)[:8]}` ranks them with the others.")
    return 0


def _system(arguments: argparse.Namespace) -> Any:
    from pairmark.opening import open_system  # noqa: PLC0415 - start-up time
    from pairmark.config import load  # noqa: PLC0415

    return open_system(load(database=arguments.database), install=False, roles=())


def _batch(system: Any, text: str) -> Any:
    from pairmark.cli.status import one_batch  # noqa: PLC0415

    return one_batch(system, text)


def _print(rows: "Sequence[Held]", text: str) -> None:
    from pairmark.judges.hostile.finding import visible  # noqa: PLC0415

    for row in rows:
        where = f"characters {row.start + 1:,} to {row.end:,}" if row.end is not None else "somewhere in the text"
        say(f"{row.kind}, {where}: {row.reason}")
        if row.end is not None:
            say(f"    {visible(_around(text, row))}")
        if row.cleared_at is not None:
            say(f"    cleared by {row.cleared_by} at {row.cleared_at:%Y-%m-%d %H:%M} UTC")


def _around(text: str, row: "Held") -> str:
    """The place with the words around it."""
    if row.end is None:
        return ""
    begin, end = max(row.start - AROUND, 0), min(row.end, row.start + 4 * AROUND) + AROUND
    return ("…" if begin else "") + text[begin:end] + ("…" if end < len(text) else "")


def _row(row: "Held") -> dict[str, Any]:
    return {
        "batch_id": str(row.batch_id),
        "batch_name": row.batch_name,
        "essay_id": row.essay_id,
        "source": row.source,
        "kind": row.kind,
        "start": row.start,
        "end": row.end,
        "excerpt": row.excerpt,
        "reason": row.reason,
        "ranked": not row.unranked,
        "created_at": row.created_at.isoformat(),
        "cleared_at": row.cleared_at.isoformat() if row.cleared_at else None,
        "cleared_by": row.cleared_by,
    }
