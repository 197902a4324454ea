"""Recorded votes: reading a CSV of them and refusing what cannot be replayed.

The columns left, right and vote (left, right or tie) are required; judge, accepted_utc and submitted_utc are used
when present, and others are ignored. Drawing votes is the replay judge's work.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from itertools import combinations
from pathlib import Path
from typing import Literal, get_args

from pairmark.errors import BadRequest
from pairmark.reading.files import MEGABYTE, read_bounded
from pairmark.reading.tables import Table, read_table

Word = Literal["left", "right", "tie"]
WORDS: dict[str, Word] = {word: word for word in get_args(Word)}

MAX_VOTES_BYTES = 50 * MEGABYTE
MAX_MILLISECONDS = 2**31 - 1  # 24 days; the largest 32-bit integer


@dataclass(frozen=True, slots=True)
class Vote:
    """One recorded vote; `row` is its row in the file, `milliseconds` 0 when the times are unknown."""

    row: int
    left: str
    right: str
    word: Word
    judge: str
    milliseconds: int


@dataclass(frozen=True)
class VoteFile:
    """All votes of a file, in its order; `digest` is the sha256 of the file's bytes."""

    path: Path
    votes: tuple[Vote, ...]
    digest: str


def votes_digest(path: Path) -> str:
    """The sha256 of the file's bytes, in hexadecimal."""
    return sha256(read_bounded(path, MAX_VOTES_BYTES)).hexdigest()


def read_votes(path: Path) -> VoteFile:
    """The votes in a CSV; raises `BadRequest` naming the row for self-pairs, unknown vote words and missing ids."""
    data = read_bounded(path, MAX_VOTES_BYTES)
    votes = tuple(_votes(read_table(data, path)))
    if not votes:
        raise BadRequest(f"{path} has no votes.", remedy="Each row after the header is one vote.")
    return VoteFile(path, votes, sha256(data).hexdigest())


def check_coverage(file: VoteFile, essay_ids: list[str]) -> None:
    """Raise `BadRequest` unless the votes concern only these essays and every pair of them has at least one."""
    known = set(essay_ids)
    for vote in file.votes:
        for essay_id in (vote.left, vote.right):
            if essay_id not in known:
                raise BadRequest(
                    f"Row {vote.row} of {file.path} names {essay_id!r}, which is not among the {len(known)} texts.",
                    remedy="Add the text, or remove its votes.",
                )
    voted = {frozenset((vote.left, vote.right)) for vote in file.votes}
    pairs = len(known) * (len(known) - 1) // 2
    if len(voted) < pairs:
        lacking = next(pair for pair in combinations(sorted(known), 2) if frozenset(pair) not in voted)
        raise BadRequest(
            f"{pairs - len(voted)} of {pairs} pairs have no recorded vote in {file.path}, e.g. "
            f"{lacking[0]} and {lacking[1]}.",
            remedy="Replay needs at least one vote for every pair of texts.",
        )


def _votes(table: Table) -> Iterator[Vote]:
    left, right, word = _required(table)
    judge = table.named("judge")
    start, end = table.named("accepted_utc", "accepted"), table.named("submitted_utc", "submitted")
    for row, cells in table.rows:
        place = f"Row {row} of {table.path}"
        yield Vote(
            row,
            *_sides(cells[left].strip(), cells[right].strip(), place),
            _word(cells[word], place),
            (cells[judge].strip() if judge is not None else "") or "replay",
            0 if start is None or end is None else _milliseconds(cells[start].strip(), cells[end].strip(), place),
        )


def _required(table: Table) -> tuple[int, int, int]:
    left, right, vote = table.named("left"), table.named("right"), table.named("vote")
    if left is None or right is None or vote is None:
        raise BadRequest(
            f"{table.path} has the columns {table.columns()}, but recorded votes need left, right and vote.",
            remedy="Rename its columns; judge, accepted_utc and submitted_utc are optional.",
        )
    return left, right, vote


def _sides(left: str, right: str, place: str) -> tuple[str, str]:
    if not left or not right:
        raise BadRequest(f"{place} lacks the id of a text.", remedy="Fill in left and right.")
    if left == right:
        raise BadRequest(f"{place} compares {left!r} with itself.", remedy="Remove the row.")
    return left, right


def _word(cell: str, place: str) -> Word:
    word = WORDS.get(cell.strip().lower())
    if word is None:
        raise BadRequest(f"{place} has the vote {cell!r}.", remedy="A vote is left, right or tie.")
    return word


def _milliseconds(start: str, end: str, place: str) -> int:
    if not start or not end:
        return 0
    try:
        taken = (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    except (ValueError, TypeError) as error:  # TypeError: only one of the two has a time zone
        raise BadRequest(
            f"{place} has times that cannot be read ({start!r}, {end!r}).",
            remedy="Write them like 2016-02-27 17:43:46, or leave them empty.",
        ) from error
    return min(max(round(taken * 1000), 0), MAX_MILLISECONDS)
