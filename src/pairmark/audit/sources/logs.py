"""Files of log lines, plain or compressed: read up to the size they had when they were opened."""

import gzip
import json
from collections.abc import Iterator, Sequence
from glob import glob
from itertools import islice
from pathlib import Path

from pairmark.audit.columns import recognise
from pairmark.audit.sources.lines import fields_of, is_partial, joined
from pairmark.audit.sources.log_table import Line, LogTable
from pairmark.audit.sources.reach import Reach
from pairmark.errors import BadRequest

HEAD = 200
"""Lines by which a file is told to be a log or an export."""
MOST_PARTS = 10_000


class LogFiles(LogTable):
    """One log, in one or more files."""

    def __init__(self, shown: str, files: Sequence[tuple[Path, int]]) -> None:
        super().__init__()
        self.shown, self._files = shown, files

    @classmethod
    def at(cls, text: str) -> "LogFiles":
        """The files that `text`, a path or a glob, stands for."""
        found = [Path(one) for one in ([text] if Path(text).is_file() else sorted(glob(text, recursive=True)))]
        files = tuple((one, one.stat().st_size) for one in found if one.is_file())
        if not files:
            raise BadRequest(f"{text} is no file of log lines.", remedy="Give a file, or a glob such as 'logs/*.log'.")
        return cls(text, files)

    def reach(self) -> Reach:
        """Lines that say nothing that could be told."""
        return Reach(odd=self.odd())

    def close(self) -> None:
        """Nothing stays open."""

    def _read(self) -> Iterator[Line]:
        for path, size in self._files:
            try:
                yield from map(Line, _whole_lines(path, size))
            except (OSError, EOFError) as error:
                raise BadRequest(f"{path} cannot be read: {error}.") from error


def _whole_lines(path: Path, size: int) -> Iterator[str]:
    """Lines that are not blank, those put together again that a runtime cut."""
    parts: list[str] = []
    for line in _text_lines(path, size):
        parts.append(line)
        if not is_partial(line) or len(parts) >= MOST_PARTS:
            yield joined(parts)
            parts = []
    if parts:
        yield joined(parts)


def _text_lines(path: Path, size: int) -> Iterator[str]:
    with path.open("rb") as file:
        plain = gzip.GzipFile(fileobj=file) if path.suffix == ".gz" else file
        taken = 0
        for raw in plain:
            taken += len(raw)
            if plain is file and taken > size:
                return
            line = raw.decode("utf-8", "backslashreplace").rstrip("\r\n")
            if line.strip():
                yield line


def is_log(path: Path) -> bool:
    """Whether JSON lines are a log and no export: there are other lines between, or a wrapping, or what matters is nested."""
    head = list(islice(_text_lines(path, path.stat().st_size), HEAD))
    tops = [_top(line) for line in head]
    told = [fields_of(line) for line in head]
    if not any(told):
        return False
    if not all(tops) or any(is_partial(line) for line in head):
        return True
    plain = {name for one in tops for name in one or ()}
    return not _enough(plain) and _enough({name for one in told for name in one or ()})


def _top(line: str) -> list[str] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return list(found) if isinstance(found, dict) else None


def _enough(names: set[str]) -> bool:
    try:
        recognise(sorted(names), {}, "")
    except BadRequest:
        return False
    return True
