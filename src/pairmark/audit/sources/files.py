"""Exports: CSV, JSON lines and Parquet files, one or many by a glob. DuckDB reads them; every CSV and JSON value comes as text."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path

import duckdb

from pairmark.audit.sources.reach import WHOLE, Reach
from pairmark.audit.sources.statements import is_one_of, literal, quoted
from pairmark.errors import BadRequest, Busy

READERS = {
    ".csv": "read_csv({files}, all_varchar = true, header = true, union_by_name = true, sample_size = 20000)",
    ".tsv": "read_csv({files}, all_varchar = true, header = true, union_by_name = true, delim = '\t')",
    ".jsonl": "read_json({files}, format = 'newline_delimited', union_by_name = true, sample_size = 20000)",
    ".ndjson": "read_json({files}, format = 'newline_delimited', union_by_name = true, sample_size = 20000)",
    ".json": "read_json({files}, union_by_name = true, sample_size = 20000)",
    ".parquet": "read_parquet({files}, union_by_name = true)",
}


@dataclass(frozen=True)
class FileOfRows:
    """One export, in one or more files of one kind."""

    shown: str
    files: tuple[str, ...]
    reader: str
    stamps: dict[str, tuple[int, int]] = field(default_factory=dict, compare=False, repr=False)
    """Size and time of what is read more than once, as it was first."""

    @classmethod
    def at(cls, text: str) -> "FileOfRows":
        """The files that `text`, a path or a glob, stands for."""
        found = (
            [text] if Path(text).is_file() else sorted(one for one in glob(text, recursive=True) if Path(one).is_file())
        )
        if not found:
            kind = "is a folder" if Path(text).is_dir() else "is not there"
            raise BadRequest(
                f"{text} {kind}.", remedy="Give a CSV, JSONL or Parquet file, or a glob such as 'logs/*.parquet'."
            )
        suffixes = {Path(one).suffix.lower() for one in found}
        if len(suffixes) > 1 or not suffixes <= READERS.keys():
            raise BadRequest(
                f"{text} is of a kind that cannot be read ({', '.join(sorted(suffixes)) or 'no suffix'}).",
                remedy=f"Readable are {', '.join(READERS)}, one kind at a time.",
            )
        return cls(text, tuple(found), READERS[suffixes.pop()])

    def columns(self) -> list[str]:
        """Columns by the header, or by the first rows."""
        with duckdb.connect() as store:
            return [str(row[0]) for row in self._run(store, f"DESCRIBE SELECT * FROM {self._relation()}")]

    def load(self, store: duckdb.DuckDBPyConnection, names: Sequence[str]) -> None:
        """Text is read once and kept; of Parquet each pass reads the columns it needs where they lie."""
        again = self.reader == READERS[".parquet"]
        if again:
            self.stamps.update(_stamps(self.files))
        wanted, kind = ", ".join(map(quoted, names)), "VIEW" if again else "TABLE"
        self._run(store, f"CREATE OR REPLACE TEMP {kind} raw AS SELECT {wanted} FROM {self._relation()}")

    def look_closer(
        self,
        store: duckdb.DuckDBPyConnection,
        names: Sequence[str],
        keys: Sequence[str],
        spelled: Sequence[Sequence[str | None]],
    ) -> None:
        """One more pass over the files."""
        wanted, where = ", ".join(map(quoted, names)), is_one_of(keys, spelled, "VARCHAR")
        self._run(store, f"CREATE OR REPLACE TEMP TABLE near AS SELECT {wanted} FROM {self._relation()} WHERE {where}")

    def reach(self) -> Reach:
        """Everything was there; raises `Busy` if what was read more than once is not what it was."""
        if self.stamps != _stamps(self.stamps):
            raise Busy(f"{self.shown} changed while it was read.", remedy="Try again when nobody writes it.")
        return WHOLE

    def close(self) -> None:
        """Nothing stays open."""

    def _relation(self) -> str:
        listed = ", ".join(map(literal, self.files))
        return self.reader.format(files=f"[{listed}]")

    def _run(self, store: duckdb.DuckDBPyConnection, statement: str) -> list[tuple[object, ...]]:
        try:
            return store.execute(statement).fetchall()
        except duckdb.Error as error:
            first = str(error).splitlines()[0][:300]
            raise BadRequest(
                f"{self.shown} cannot be read: {first}", remedy="Is it whole, and what its suffix says?"
            ) from error


def _stamps(files: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Size and time of each; of one that is gone, none."""
    found = {}
    for one in files:
        with suppress(OSError):
            stat = Path(one).stat()
            found[one] = stat.st_size, stat.st_mtime_ns
    return found
