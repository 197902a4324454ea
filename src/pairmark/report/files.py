"""A set of files put into a folder so that nobody ever sees half of one, and a full disk changes nothing.

All are written and flushed under hidden names first and renamed last. What stands in them is not known here.
"""

import errno
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from pairmark.errors import BadRequest, Busy, PairmarkError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def put(folder: Path, contents: Mapping[str, bytes]) -> list[Path]:
    """Write the named files into `folder` (made if missing), each by temporary file, fsync and rename.

    Raises `Busy` when the disk is full and `BadRequest` when the folder cannot be written; earlier files then stay.
    """
    with _translated(folder):
        folder.mkdir(parents=True, exist_ok=True)
        staged: list[tuple[Path, Path]] = []
        streams = [folder / name for name in contents if _is_stream(folder / name)]
        try:
            for name, content in contents.items():
                if folder / name not in streams:
                    staged.append((_hidden(folder, name), folder / name))
                    _write(staged[-1][0], content)
            _refuse_folders(target for _, target in staged)
            for temporary, target in staged:
                temporary.replace(target)
            _flush_folder(folder)
            for stream in streams:
                stream.write_bytes(contents[stream.name])
        finally:
            for temporary, _ in staged:
                temporary.unlink(missing_ok=True)
    return [folder / name for name in contents]


@contextmanager
def writing(path: Path) -> Iterator[TextIO]:
    """A text file to write into, which takes its name when the block ends well; what stood there before stays until then.

    Raises `Busy` when the disk is full and `BadRequest` when the file cannot be written.
    """
    folder = path.parent
    with _translated(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _refuse_folders([path])
        if _is_stream(path):
            with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
                yield file
            return
        temporary = _hidden(folder, path.name)
        try:
            with temporary.open("x", encoding="utf-8", errors="backslashreplace", newline="") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            _flush_folder(folder)
        finally:
            temporary.unlink(missing_ok=True)


def check(folder: Path, names: Iterable[str]) -> None:
    """Raise `BadRequest` unless `folder` can be made and the names written there; leaves no trace."""
    made: list[Path] = []
    with _translated(folder):
        try:
            for parent in _missing(folder):
                parent.mkdir()
                made.append(parent)
            _refuse_folders(folder / name for name in names)
            probe = _hidden(folder, "probe")
            try:
                _write(probe, b"\n")
            finally:
                probe.unlink(missing_ok=True)
        finally:
            for parent in reversed(made):
                with suppress(OSError):  # somebody else may have put a file there meanwhile
                    parent.rmdir()


def _is_stream(path: Path) -> bool:
    """A pipe or a device such as /dev/null: written into as it stands, since a rename would take it away from everybody."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _hidden(folder: Path, name: str) -> Path:
    return folder / f".{name}.{secrets.token_hex(4)}.part"


def _missing(folder: Path) -> list[Path]:
    """The folders that have to be made, outermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    return missing[::-1]


def _refuse_folders(targets: Iterable[Path]) -> None:
    for target in targets:
        if target.is_dir():
            raise BadRequest(
                f"The report cannot be written to {target}, because a folder of that name is in the way.",
                remedy="Move it, or choose another output folder.",
            )


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _sentence(folder, error) from error


def _sentence(folder: Path, error: OSError) -> PairmarkError:
    if error.errno in FULL:
        return Busy(
            f"The disk that holds {folder} is full, so no report was written.",
            remedy="Free some space and run the same command again; nothing is asked or charged twice.",
        )
    obstacle = next((path for path in (folder, *folder.parents) if _in_the_way(path)), None)
    if obstacle is not None:
        return BadRequest(
            f"The output folder {folder} cannot be made, because {obstacle} is not a folder.",
            remedy="Choose another folder with --out.",
        )
    reason = (error.strerror or str(error)).lower()
    return BadRequest(
        f"The output folder {folder} cannot be written ({reason}).", remedy="Choose another folder with --out."
    )


def _in_the_way(path: Path) -> bool:
    # os.path answers False where Path would raise, as for a name that is too long.
    return os.path.lexists(path) and not os.path.isdir(path)
