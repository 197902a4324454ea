"""Locks on files which the operating system drops when their holder dies, however it dies.

They are `flock` locks: they belong to one opening of the file, so two holders in one process exclude each other too,
and no program started from here inherits them (Python opens files close-on-exec). Lock files are never deleted.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pairmark.errors import Busy
from pairmark.storage.waiting import until


@contextmanager
def exclusive(path: Path, *, patience: float) -> Iterator[None]:
    """Hold `path` alone; `Busy`, naming the holder, when it is not free within `patience` seconds."""
    fd = _open(path)
    try:
        if not until(lambda: _lock(fd, shared=False), patience):
            raise Busy(
                f"{path} has been held for {patience:.0f} s by {_holder(path)}.",
                remedy="Wait until it is done, or end that process, then try again.",
            )
        _sign(fd)
        yield
    finally:
        os.close(fd)


class SharedLock:
    """A place among the users of `path`, until `release` or the death of the process."""

    def __init__(self, path: Path) -> None:
        self._fd = _open(path)
        self._pid = os.getpid()
        _lock(self._fd, shared=True, wait=True)

    def release(self) -> bool:
        """Give the place up, if it is ours and was not given up before: whether it was.

        A forked child only closes its copy: its parent stays a user.
        """
        fd, self._fd = self._fd, -1
        ours = fd >= 0 and self._pid == os.getpid()
        if ours:
            _unlock(fd)  # closing alone would leave the lock to a forked child that still has the file open
        if fd >= 0:
            os.close(fd)
        return ours


def is_free(path: Path) -> bool:
    """Whether nobody holds `path`, in either way, at this moment."""
    fd = _open(path)
    try:
        return _lock(fd, shared=False)
    finally:
        os.close(fd)


def _open(path: Path) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    owner = path.parent.stat()
    if os.geteuid() == 0 and os.fstat(fd).st_uid != owner.st_uid:
        os.fchown(fd, owner.st_uid, owner.st_gid)  # else root would lock the owner of the folder out for good
    return fd


def _lock(fd: int, *, shared: bool, wait: bool = False) -> bool:
    import fcntl  # noqa: PLC0415  (absent on Windows)

    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(fd, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _unlock(fd: int) -> None:
    import fcntl  # noqa: PLC0415  (absent on Windows)

    fcntl.flock(fd, fcntl.LOCK_UN)


def _sign(fd: int) -> None:
    command = " ".join([Path(sys.argv[0]).name or "python", *sys.argv[1:2]])
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"process {os.getpid()} ({command})".encode(errors="replace"), 0)


def _holder(path: Path) -> str:
    return path.read_text(errors="replace").strip() or "another process"
