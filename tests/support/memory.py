"""Where tests keep servers that are thrown away: in memory, if there is room for them; else in the folder for temporary files.

Copying and removing a database is making and removing hundreds of small files, which a disk's file system takes much longer for.
"""

import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")
ROOM = 4_000_000_000
"""Bytes that have to be free there. A container has 64 MB of it if nobody says otherwise."""


def places() -> list[Path]:
    """Every folder where such a server may stand, the best one first."""
    there = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM
    return [*([MEMORY] if there else []), Path(tempfile.gettempdir())]


def fresh(prefix: str) -> Path:
    """A new folder whose name begins so, which its owner removes."""
    return Path(tempfile.mkdtemp(prefix=prefix, dir=places()[0]))
