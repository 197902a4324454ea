"""Lines of logs as the relations an audit reads. They are read three times at most: for names, for counts, for a closer look."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import duckdb

from pairmark.audit.sources.arriving import PLACE, append, make_table
from pairmark.audit.sources.fields import MOST
from pairmark.audit.sources.lines import fields_of
from pairmark.audit.sources.statements import is_one_of, quoted

BATCH = 20_000
OWN = ("log_line", "log_time")
"""The line itself, and the time that its place knows."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line, and what its place says of it: labels, the time it was taken in."""

    text: str
    beside: Mapping[str, str] = field(default_factory=dict)


class LogTable(ABC):
    """A source that consists of lines."""

    def __init__(self) -> None:
        self._unread = 0

    @abstractmethod
    def _read(self) -> Iterable[Line]:
        """The lines, the same ones at each call."""

    def odd(self) -> dict[str, int]:
        """How many lines could not be told from noise."""
        return {"lines without a field (no JSON, no name=value)": self._unread}

    def columns(self) -> list[str]:
        """Names of all fields and labels there are; of too many, the most frequent."""
        seen: Counter[str] = Counter()
        for line in self._read():
            seen.update(_all(line, fields_of(line.text)).keys())
        kept = {name for name, _ in seen.most_common(MOST)}
        return [*(name for name in seen if name in kept and name not in OWN), *OWN]

    def load(self, store: duckdb.DuckDBPyConnection, names: Sequence[str]) -> None:
        """Make `raw` of these fields, with the number of each line."""
        make_table(store, "raw", names, places=True)
        self._unread, number, lines = 0, 0, iter(self._read())
        while batch := list(islice(lines, BATCH)):
            told = [fields_of(line.text) for line in batch]
            self._unread += told.count(None)
            place = {PLACE[0]: [0] * len(batch), PLACE[1]: range(number, number + len(batch))}
            append(store, "raw", {**_columns(batch, told, names), **place})
            number += len(batch)

    def look_closer(
        self,
        store: duckdb.DuckDBPyConnection,
        names: Sequence[str],
        keys: Sequence[str],
        spelled: Sequence[Sequence[str | None]],
    ) -> None:
        """Make `near` of the lines of a few facts."""
        found = store.execute(
            f"SELECT {quoted(PLACE[1])} FROM raw WHERE {is_one_of(keys, spelled, 'VARCHAR')}"
        ).fetchall()
        wanted = {number for (number,) in found}
        make_table(store, "near", names)
        lines = (line for number, line in enumerate(self._read()) if number in wanted)
        while batch := list(islice(lines, BATCH)):
            append(store, "near", _columns(batch, [fields_of(line.text) for line in batch], names))


Fields = Mapping[str, str | None]


def _all(line: Line, told: Fields | None) -> Fields:
    return {**line.beside, **(told or {}), OWN[0]: line.text}


def _columns(
    batch: Sequence[Line], told: Sequence[Fields | None], names: Sequence[str]
) -> dict[str, Sequence[str | None]]:
    found = [_all(line, one) for line, one in zip(batch, told, strict=True)]
    return {name: [one.get(name) for one in found] for name in names}
