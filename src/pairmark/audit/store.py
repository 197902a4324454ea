"""Events in one shape, in DuckDB: whatever the source, the same columns. What the shape is stands in `shapes`.

Rows are grouped by a hash of their fact first, which says which may repeat; only these are compared in full, so that two
facts with one hash are never taken for one. Times of single events are read only for facts that repeat.
"""

import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import duckdb

from pairmark.audit.columns import Columns
from pairmark.audit.definitions import Totals
from pairmark.audit.shapes import as_moment, as_published, as_text, untidy
from pairmark.audit.sources.address import Source
from pairmark.audit.sources.postgres_commits import COMMITTED
from pairmark.audit.sources.statements import quoted
from pairmark.errors import Busy

PARTS = ("aggregate", "type", "id", "payload", "key", "correlation")
HASH = "hash({})"  # which facts may be the same; which are is compared in full
LEAST_MEMORY, MOST_MEMORY, ROWS_A_MB = 600, 3000, 20_000  # MB for tables and groups; what is more goes to disk
MOST_NEAR = 200_000
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
        megabytes = self.rows("SELECT count(*) FROM raw")[0][0] // ROWS_A_MB
        self._store.execute(f"SET memory_limit = '{min(max(megabytes, LEAST_MEMORY), MOST_MEMORY)}MB'")
        self._run(f"CREATE TEMP VIEW events AS {self._shaped('raw', needed, self._tidy('raw'))}")
        self._narrow(chosen)

    def _tidy(self, relation: str) -> set[str]:
        """The columns of text in which no value has blanks at its ends or may be a UUID in upper case, as nearly all are."""
        names = [row[0] for row in self.rows(f"DESCRIBE {relation}") if row[1] == "VARCHAR"]
        if not names:
            return set()
        odd = self.rows(f"SELECT {', '.join(f'bool_or({untidy(name)})' for name in names)} FROM {relation}")[0]
        return {name for name, one in zip(names, odd, strict=True) if not one}

    def _shaped(self, relation: str, parts: Sequence[str], tidy: Collection[str] = ()) -> str:
        """The statement that gives rows of a relation the shape of events; parts that were not asked for are unknown."""
        kinds = {row[0]: str(row[1]) for row in self.rows(f"DESCRIBE {relation}")}
        columns = {part: self._named[part] for part in parts}
        shaped = [
            f"{quoted(columns[part]) if columns[part] in tidy else as_text(columns[part], kinds[columns[part]])} AS {part}"
            if part in columns
            else f"NULL::VARCHAR AS {part}"
            for part in PARTS
        ]
        time = as_moment(columns["time"], kinds) if "time" in columns else "NULL::BIGINT"
        published = as_published(columns["published"], kinds) if "published" in columns else "NULL::BOOLEAN"
        spelled = ", ".join(f"{quoted(columns[part])}::VARCHAR AS spelled_{part}" for part in self._key)
        commit = f"epoch_us({quoted(COMMITTED)})" if COMMITTED in kinds else "NULL::BIGINT"
        shaped += [f"{time} AS moment", f"{published} AS published", f"{commit} AS committed"]
        return f"SELECT {', '.join(shaped)}, {spelled} FROM {relation}"

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What a statement returns."""
        return self._run(statement, values).fetchall()

    def _run(self, statement: str, values: Sequence[Any] = ()) -> duckdb.DuckDBPyConnection:
        try:
            return self._store.execute(statement, list(values))
        except duckdb.OutOfMemoryException as error:
            raise Busy(
                f"{self._source.shown} needs more room than there is: {str(error).splitlines()[0]}",
                remedy="Free some of the temporary folder (TMPDIR names another), or look at fewer rows by --since and --type.",
            ) from error

    def _narrow(self, chosen: Chosen) -> None:
        conditions, values = ["aggregate IS NOT NULL"], []
        if chosen.types:
            conditions.append("(" + " OR ".join("type GLOB ?" for _ in chosen.types) + ")")
            values += list(chosen.types)
        for limit, sign in ((chosen.since, ">="), (chosen.until, "<")):
            if limit is not None:
                conditions.append(f"moment {sign} epoch_us(CAST(? AS TIMESTAMPTZ))")
                values.append(limit)
        self._conditions = _with_values(" AND ".join(conditions), values)
        self._run(f"CREATE TEMP VIEW looked_at AS SELECT * FROM events WHERE {self._conditions}")

    def _compare(self) -> int:
        """Fill the table `fact` with the facts that may repeat, compared in full; returns how many others there are."""
        if self._alone is not None:
            return self._alone
        keyed = ", ".join(self._key)
        hashed = HASH.format(keyed)
        self._run(
            f"CREATE TEMP TABLE hit AS SELECT {hashed} AS h, count(*) AS n FROM looked_at GROUP BY 1 HAVING count(*) > 1"
        )
        *_, number, _ = self._survey
        self._alone = number - int(self.rows("SELECT coalesce(sum(n), 0) FROM hit")[0][0])
        self._run(
            f"CREATE TEMP TABLE fact AS SELECT {keyed}, count(*) AS n, min(moment) AS first FROM looked_at "
            f"WHERE {hashed} IN (SELECT h FROM hit) GROUP BY {keyed}"
        )
        return self._alone

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
        spelled = self.rows(f"SELECT DISTINCT {spellings} FROM worst f JOIN looked_at e ON {same}")
        parts = [part for part in self._named if part != "payload" or part in self._key or number <= MOST_NEAR]
        keys = [self._named[part] for part in self._key]
        self._source.look_closer(self._store, list(dict.fromkeys(self._named[part] for part in parts)), keys, spelled)
        self._run(f"CREATE TEMP VIEW seen AS SELECT * FROM ({self._shaped('near', parts)}) WHERE {self._conditions}")
        of_fact = ", ".join(f"f.{part}" for part in self._key)
        statement = f"""
            SELECT {of_fact}, f.n, list(e.moment ORDER BY e.moment) FILTER (WHERE e.moment IS NOT NULL),
                count(DISTINCT e.id), count(e.id), list(e.payload ORDER BY e.moment) FILTER (WHERE e.payload IS NOT NULL),
                count(DISTINCT e.correlation), count(e.correlation), count(*) FILTER (WHERE e.published), count(e.published),
                list(e.committed ORDER BY e.moment, e.committed) FILTER (WHERE e.moment IS NOT NULL)
            FROM worst f JOIN seen e ON {same} GROUP BY {of_fact}, f.n, f.first ORDER BY f.n DESC, f.first, {of_fact}"""
        names = [*self._key, "n", "times", "ids", "with_id", "payloads", "correlations", "with_correlation", "published",
                 "with_published", "commits"]  # fmt: skip
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
        lost, untimed, future, _, _ = self._survey
        cased = self.rows(
            "SELECT count(*) - count(DISTINCT lower(type)) FROM (SELECT DISTINCT type FROM events WHERE type IS NOT NULL)"
        )[0][0]
        return {"without aggregate": lost, "without a readable time": untimed, "more than a day in the future": future,
                "types that differ by upper and lower case only": cased}  # fmt: skip

    @cached_property
    def _survey(self) -> tuple[int, int, int, int, int]:
        """One pass: rows without an aggregate, without a time, from the future; rows looked at, and all of them mixed."""
        keyed = ", ".join(self._key)
        found = self.rows(f"""
            SELECT count(*) FILTER (WHERE aggregate IS NULL), count(*) FILTER (WHERE aggregate IS NOT NULL AND moment IS NULL),
                count(*) FILTER (WHERE moment > epoch_us(now()) + 86400000000), count(*) FILTER (WHERE {self._conditions}),
                coalesce(bit_xor(hash(aggregate, type, {keyed}, moment)) FILTER (WHERE {self._conditions}), 0) FROM events""")
        return tuple(map(int, found[0]))  # type: ignore[return-value]

    def types(self, most: int = 20) -> list[tuple[str, int]]:
        """Types and how often they occur, most frequent first."""
        return [(row[0], row[1]) for row in self.rows(
            f"SELECT type, count(*) FROM events GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {most}")]  # fmt: skip

    def digest(self) -> str:
        """What tells this snapshot from another: number of rows and an order-free hash over key, type and time of each."""
        *_, number, mixed = self._survey
        return f"{number}-{mixed:016x}"

    def close(self) -> None:
        """Drop everything."""
        self._source.close()
        self._store.close()
        self._spill.cleanup()


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


def _with_values(condition: str, values: Sequence[str]) -> str:
    """A view takes no parameters: the values as literals, quoted."""
    for value in values:
        condition = condition.replace("?", "'" + value.replace("'", "''").replace("?", "\x00") + "'", 1)
    return condition.replace("\x00", "?")
