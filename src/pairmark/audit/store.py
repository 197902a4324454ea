"""Events in one shape, in DuckDB: whatever the source, the same columns. What the shape is stands in `shapes`.

A hash of their fact says which rows may repeat; only these are kept aside and compared in full, so that two facts with one
hash are never taken for one. Times of single events are read only for facts that repeat.
"""

import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from pairmark.audit.columns import Columns
from pairmark.audit.definitions import Totals
from pairmark.audit.hashes import Changed, find_repeated
from pairmark.audit.shapes import TEXTS, as_event, as_text, untidy
from pairmark.audit.sources.address import Source
from pairmark.audit.sources.postgres_commits import CLOCKED, COMMITTED
from pairmark.audit.sources.statements import literal, quoted
from pairmark.audit.survey import Survey, survey
from pairmark.errors import BadRequest, Busy

HASH = "hash({})"  # which facts may be the same; which are is compared in full
FEW = 0.1  # the part of all rows up to which those that may repeat are kept aside
LEAST_MEMORY, MOST_MEMORY, ROWS_A_MB = 600, 3000, 20_000  # MB for tables and groups; what is more goes to disk
MOST_NEAR = 200_000
NO_ROOM = ("out of memory", "no space left", "disk quota")
KEYS = ("aggregate", "type", "id", "key", "correlation", "payload")


@dataclass(frozen=True)
class Chosen:
    """Which rows are looked at, and what is the same fact."""

    types: Sequence[str] = ()
    since: str | None = None
    until: str | None = None
    unique_on: Sequence[str] = ("aggregate", "type")


class Store:
    """The events of one source."""

    def __init__(self, source: Source, columns: Columns, chosen: Chosen) -> None:
        self._store = duckdb.connect()
        self._spill = tempfile.TemporaryDirectory(prefix="pairmark-audit-")
        self._store.execute("SET TimeZone = 'UTC'")
        self._store.execute(f"SET temp_directory = '{self._spill.name}'")
        self._store.execute(f"SET memory_limit = '{LEAST_MEMORY}MB'")
        self._store.execute("SET preserve_insertion_order = false")
        self._store.execute("SET enable_progress_bar = false")
        self._source, self._named = source, columns.named()
        self._key = list(chosen.unique_on)
        self._alone: int | None = None
        needed = [part for part in dict.fromkeys(["aggregate", "type", "time", *self._key]) if part in self._named]
        source.load(self._store, list(dict.fromkeys(self._named[part] for part in needed)))
        rows = self.rows("SELECT count(*) FROM raw")[0][0]
        self._store.execute(f"SET memory_limit = '{min(max(rows // ROWS_A_MB, LEAST_MEMORY), MOST_MEMORY)}MB'")
        self._needed, self._conditions = needed, _conditions(chosen)
        self._tidy, self._survey = self._look_over(rows)

    def _look_over(self, rows: int) -> tuple[set[str], Survey]:
        """Show what arrived as events, on the guess that all text is tidy, as nearly all is; where it is not, shape it.

        Returns the columns of text in which no value has blanks at its ends or may be a UUID in upper case, and the survey.
        """
        kinds = self._kinds("raw")
        texts = [part for part in self._needed if part in TEXTS and kinds[self._named[part]] == "VARCHAR"]
        guessed = {self._named[part] for part in texts}
        found = self._show(guessed, [untidy(part) for part in texts], rows)
        if not any(found.asked):
            return guessed, found
        tidy = guessed - {self._named[part] for part, odd in zip(texts, found.asked, strict=True) if odd}
        del found  # its hashes are of text that is not in shape
        return tidy, self._show(tidy, [], rows)

    def _show(self, tidy: Collection[str], asked: Sequence[str], rows: int) -> Survey:
        """Make the views of all events and of those that are looked at; one pass surveys them, and what of `asked` is true."""
        self._run(f"CREATE OR REPLACE TEMP VIEW events AS {self._shaped('raw', self._needed, tidy)}")
        self._run(f"CREATE OR REPLACE TEMP VIEW looked_at AS SELECT * FROM events WHERE {self._conditions}")
        keyed = ", ".join(self._key)
        hashed, mixed = f"({HASH.format(keyed)})::UBIGINT", f"hash(aggregate, type, {keyed}, moment)"
        with self._room():
            return survey(self._store, hashed, mixed, self._conditions, asked, rows)

    def _shaped(self, relation: str, parts: Sequence[str], tidy: Collection[str] = ()) -> str:
        """The statement that gives rows of a relation the shape of events; parts that were not asked for are unknown."""
        kinds, time = self._kinds(relation), self._named.get("time", "")
        commit = f"epoch_us({quoted(COMMITTED)})" if COMMITTED in kinds else "NULL::BIGINT"
        clocked = f"list_contains({quoted(CLOCKED)}, {literal(time)})" if CLOCKED in kinds else "false"
        shapes = self._shapes(relation, parts, tidy) | {"committed": commit, "clocked": clocked}
        spelled = ", ".join(f"{quoted(self._named[part])}::VARCHAR AS spelled_{part}" for part in self._key)
        return f"SELECT {', '.join(f'{shape} AS {part}' for part, shape in shapes.items())}, {spelled} FROM {relation}"

    def _shapes(self, relation: str, parts: Sequence[str], tidy: Collection[str]) -> dict[str, str]:
        return as_event({part: self._named[part] for part in parts}, self._kinds(relation), tidy)

    def _kinds(self, relation: str) -> dict[str, str]:
        return {row[0]: str(row[1]) for row in self.rows(f"DESCRIBE {relation}")}

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What a statement returns."""
        return self._run(statement, values).fetchall()

    def _run(self, statement: str, values: Sequence[Any] = ()) -> duckdb.DuckDBPyConnection:
        with self._room():
            return self._store.execute(statement, list(values))

    @contextmanager
    def _room(self) -> Iterator[None]:
        try:
            yield
        except Changed as error:
            raise Busy(
                f"{self._source.shown} changed while it was read.", remedy="Try again when nobody writes it."
            ) from error
        except _while_reading() as error:
            said = (str(error) or "out of memory").splitlines()[0][:300]
            if isinstance(error, MemoryError) or any(sign in said.lower() for sign in NO_ROOM):
                raise Busy(
                    f"{self._source.shown} needs more room than there is: {said}",
                    remedy="Free some of the temporary folder (TMPDIR names another), or look at fewer rows by --since and --type.",
                ) from error
            raise BadRequest(
                f"{self._source.shown} cannot be read: {said}", remedy="Is it whole, and what its suffix says?"
            ) from error

    def _compare(self) -> int:
        """Fill the table `fact` with the facts that may repeat, compared in full; returns how many others there are.

        `candidate` holds their rows; where these are many, it is another look at all rows instead.
        """
        if self._alone is not None:
            return self._alone
        keyed, number = ", ".join(self._key), self._survey.number
        hashed = f"({HASH.format(keyed)})::UBIGINT"
        with self._room():
            repeated = find_repeated(self._store, f"SELECT {hashed} AS h FROM looked_at", number, self._survey.hashes)
        self._survey = replace(self._survey, hashes=None)
        shapes = self._shapes("raw", self._needed, self._tidy)
        hashed = f"({HASH.format(', '.join(shapes[part] for part in self._key))})::UBIGINT"
        self._run(
            f"CREATE TEMP {'TABLE' if repeated <= FEW * number else 'VIEW'} candidate AS "
            f"SELECT * FROM raw WHERE {hashed} IN (SELECT h FROM hit)"
        )
        shaped = self._shaped("candidate", self._needed, self._tidy)
        self._run(f"CREATE TEMP VIEW candidates AS SELECT * FROM ({shaped}) WHERE {self._conditions}")
        self._run(
            f"CREATE TEMP TABLE fact AS SELECT {keyed}, count(*) AS n, min(moment) AS first FROM candidates GROUP BY {keyed}"
        )
        self._alone = number - repeated
        return self._alone

    @property
    def leads_tidily(self) -> bool:
        """Whether what leads the key has each of its values in one spelling only."""
        named = self._named[self._key[0]]
        kind = self._kinds("raw")[named]
        if named in self._tidy or kind != "VARCHAR":
            return True
        spelled = f"{quoted(named)} IS NOT NULL AND {as_text(named, kind)} IS DISTINCT FROM {quoted(named)}"
        return self.rows(f"SELECT 1 FROM raw WHERE {spelled} LIMIT 1") == []

    def told_again(self) -> list[tuple[Any, ...]]:
        """Every fact that repeats: the values of its key, and how often it was told."""
        self._compare()
        return self.rows(f"SELECT {', '.join(self._key)}, n FROM fact WHERE n > 1")

    def told(self, aggregates: Sequence[str] | None = None) -> dict[str, int]:
        """How often the most told fact of each aggregate was told; of all aggregates, or of these."""
        keyed = ", ".join(self._key)
        only = "" if aggregates is None else "WHERE aggregate IN (SELECT unnest(?)) "
        return dict(self.rows(
            f"SELECT aggregate, max(n)::BIGINT FROM (SELECT aggregate, count(*) AS n FROM looked_at {only}GROUP BY {keyed}) "
            "GROUP BY 1", [] if aggregates is None else [list(aggregates)]
        ))  # fmt: skip

    def totals(self) -> Totals:
        """Counts over everything that was looked at."""
        alone = self._compare()
        tally = {int(n): int(facts) for n, facts in self.rows("SELECT n, count(*) FROM fact GROUP BY n")}
        tally[1] = tally.get(1, 0) + alone
        facts, events = sum(tally.values()), sum(n * number for n, number in tally.items())
        aggregates = self.rows("SELECT count(DISTINCT aggregate) FROM looked_at")[0][0]
        largest = max((n for n, number in tally.items() if number), default=0)
        return Totals(events, facts, int(aggregates), facts - tally[1], largest, _median(tally))

    def repeated(self, most: int) -> list[dict[str, Any]]:
        """The facts with most events beyond the first: key, times in µs (sorted, without the unknown), and what they share.

        A second look, at all columns of these facts alone. Payloads stay away when that would be more than `MOST_NEAR` rows.
        """
        keyed = ", ".join(self._key)
        self._compare()
        self._run(
            f"CREATE TEMP TABLE worst AS SELECT * FROM fact WHERE n > 1 ORDER BY n DESC, first, {keyed} LIMIT {most}"
        )
        number = self.rows("SELECT coalesce(sum(n), 0) FROM worst")[0][0]
        if not number:
            return []
        same = " AND ".join(f"e.{part} IS NOT DISTINCT FROM f.{part}" for part in self._key)
        spellings = ", ".join(f"e.spelled_{part}" for part in self._key)
        spelled = self.rows(f"SELECT DISTINCT {spellings} FROM worst f JOIN candidates e ON {same}")
        parts = [part for part in self._named if part != "payload" or part in self._key or number <= MOST_NEAR]
        keys = [self._named[part] for part in self._key]
        self._source.look_closer(self._store, list(dict.fromkeys(self._named[part] for part in parts)), keys, spelled)
        self._run(f"CREATE TEMP VIEW seen AS SELECT * FROM ({self._shaped('near', parts)}) WHERE {self._conditions}")
        of_fact = ", ".join(f"f.{part}" for part in self._key)
        statement = f"""
            SELECT {of_fact}, f.n, list(e.moment ORDER BY e.moment) FILTER (WHERE e.moment IS NOT NULL),
                count(DISTINCT e.id), count(e.id), list(e.payload ORDER BY e.moment) FILTER (WHERE e.payload IS NOT NULL),
                count(DISTINCT e.correlation), count(e.correlation), count(*) FILTER (WHERE e.published), count(e.published),
                list(e.committed ORDER BY e.moment, e.committed) FILTER (WHERE e.moment IS NOT NULL),
                bool_and(e.clocked)
            FROM worst f JOIN seen e ON {same} GROUP BY {of_fact}, f.n, f.first ORDER BY f.n DESC, f.first, {of_fact}"""
        names = [*self._key, "n", "times", "ids", "with_id", "payloads", "correlations", "with_correlation", "published",
                 "with_published", "commits", "clocked"]  # fmt: skip
        return [dict(zip(names, row, strict=True)) for row in self.rows(statement)]

    def times(self) -> list[float]:
        """Every known time in seconds, sorted: for a stream of triggers."""
        return [
            row[0] / 1e6 for row in self.rows("SELECT moment FROM looked_at WHERE moment IS NOT NULL ORDER BY moment")
        ]

    def moments(self, aggregates: Sequence[str]) -> dict[str, list[float]]:
        """Every known time of these aggregates, in seconds, sorted; aggregates without any are left out."""
        found = self._run(
            "SELECT aggregate, list(moment ORDER BY moment) FROM looked_at "
            "WHERE moment IS NOT NULL AND aggregate IN (SELECT unnest(?)) GROUP BY aggregate", [list(aggregates)]
        )  # fmt: skip
        return {row[0]: [moment / 1e6 for moment in row[1]] for row in found.fetchall()}

    def odd(self) -> dict[str, int]:
        """Rows that could not be counted or placed in time, by what is odd about them."""
        lost, untimed, future = self._survey.odd
        cased = self.rows(
            "SELECT count(*) - count(DISTINCT lower(type)) FROM (SELECT DISTINCT type FROM events WHERE type IS NOT NULL)"
        )[0][0]
        return {"without aggregate": lost, "without a readable time": untimed, "more than a day in the future": future,
                "types that differ by upper and lower case only": cased}  # fmt: skip

    def types(self, most: int = 20) -> list[tuple[str, int]]:
        """Types and how often they occur, most frequent first."""
        return [(row[0], row[1]) for row in self.rows(
            f"SELECT type, count(*) FROM events GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {most}")]  # fmt: skip

    def digest(self) -> str:
        """What tells this snapshot from another: number of rows and an order-free hash over key, type and time of each."""
        return f"{self._survey.number}-{self._survey.mixed:016x}"

    def close(self) -> None:
        """Drop everything."""
        self._source.close()
        self._store.close()
        self._spill.cleanup()


def _while_reading() -> tuple[type[BaseException], ...]:
    """What may say that there is no room, or that a file is not whole; Arrow only if it was loaded, which few rows do not need."""
    arrow = sys.modules.get("pyarrow")
    broken = (duckdb.IOException, duckdb.InvalidInputException, duckdb.SerializationException)
    return (duckdb.OutOfMemoryException, OSError, MemoryError, *broken, *([arrow.ArrowException] if arrow else []))


def _median(tally: Mapping[int, int]) -> float | None:
    """The median of numbers that are told with how often they occur."""
    facts = sum(tally.values())
    ordered = sorted(tally.items())
    middle = (
        [next(n for n, upto in _running(ordered) if upto > place) for place in ((facts - 1) // 2, facts // 2)]
        if facts
        else []
    )
    return sum(middle) / 2 if middle else None


def _running(ordered: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Each number, and how many there are up to it."""
    upto = 0
    for number, times in ordered:
        upto += times
        yield number, upto


def _conditions(chosen: Chosen) -> str:
    """Of the events that are looked at."""
    conditions, values = ["aggregate IS NOT NULL"], []
    if chosen.types:
        conditions.append("(" + " OR ".join("type GLOB ?" for _ in chosen.types) + ")")
        values += list(chosen.types)
    for limit, sign in ((chosen.since, ">="), (chosen.until, "<")):
        if limit is not None:
            conditions.append(f"moment {sign} epoch_us(CAST(? AS TIMESTAMPTZ))")
            values.append(limit)
    return _with_values(" AND ".join(conditions), values)


def _with_values(condition: str, values: Sequence[str]) -> str:
    """A view takes no parameters: the values as literals, quoted."""
    for value in values:
        condition = condition.replace("?", "'" + value.replace("'", "''").replace("?", "\x00") + "'", 1)
    return condition.replace("\x00", "?")
