"""Judgements of people from a file, to hold other judges against."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pairmark.errors import BadRequest
from pairmark.reading.judgements import read_judgements
from pairmark.stats.comparisons import Comparisons, comparisons


@dataclass(frozen=True)
class People:
    """What people judged, and where that comes from; `digest` is the SHA-256 of the file."""

    source: str
    judged: Comparisons
    digest: str = ""


def read_people(path: str | Path | None, essay_ids: Sequence[str]) -> People | None:
    """The judgements in a file that are about two of these essays; None without a file.

    Raises `BadRequest` where none of them is.
    """
    if path is None:
        return None
    judged = read_judgements(Path(path))
    place = {essay: k for k, essay in enumerate(sorted(essay_ids))}
    index = np.array([place.get(item, -1) for item in judged.items], dtype=np.int64)
    first, second, outcome = index[judged.first], index[judged.second], judged.outcome.astype(np.float64)
    known = (first >= 0) & (second >= 0)
    if not known.any():
        raise BadRequest(
            f"No judgement in {path} is about two of these {len(place):,} texts (it names {judged.items[0]!r}).",
            remedy="Check that the ids are the same, or leave out --human.",
        )
    rows = (first[known], second[known], outcome[known])
    return People(Path(path).name, comparisons(rows, items=sorted(place), seats=judged.seats), judged.digest)


def over(people: People, items: Sequence[str]) -> People | None:
    """The same over these essays alone; None where nothing is left."""
    place = {item: k for k, item in enumerate(items)}
    index = np.array([place.get(item, -1) for item in people.judged.items], dtype=np.int64)
    first, second = index[people.judged.first], index[people.judged.second]
    known = (first >= 0) & (second >= 0)
    if not known.any():
        return None
    rows = (first[known], second[known], people.judged.outcome[known])
    return People(people.source, comparisons(rows, items=items, seats=people.judged.seats))
