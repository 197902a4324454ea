"""What PostgreSQL's programs say when they fail, turned into one of our errors with one sentence.

The programs run with English messages, so their words can be recognised here.
"""

import re
from pathlib import Path
from shutil import disk_usage

from pairmark.errors import BadRequest, BrokenData, Busy, PairmarkError

# A server that was killed leaves children that still use its memory for a while; then it must not be started again yet.
_STILL_IN_USE = re.compile(r'is still in use|lock file ".*" already exists')
LEAST_FREE = 32 * 1024 * 1024
_SEVERITIES = ("PANIC:", "FATAL:", "error:", "fatal:")


def is_still_in_use(said: str) -> bool:
    """Whether a start was refused because processes of the last server are alive."""
    return bool(_STILL_IN_USE.search(said))


def explain(said: str, home: Path) -> PairmarkError:
    """The error for what a PostgreSQL program wrote before it gave up."""
    reason = _reason(said)
    if "No space left on device" in said or "Disk quota exceeded" in said or _is_full(home):
        return Busy(
            f"The disk of {home} is full, so the embedded database cannot work ({reason}).",
            remedy="Free some space, or set PAIRMARK_HOME to a folder on another disk.",
        )
    if is_still_in_use(said):
        return Busy(
            f"The embedded database in {home} cannot start while a process of its last run is alive ({reason}).",
            remedy="Wait for it to end, or end it, then try again." + _stale_lock(said, home),
        )
    if "ermission denied" in said or "Read-only file system" in said or "wrong ownership" in said:
        return BadRequest(
            f"The embedded database cannot use {home} ({reason}).",
            remedy="Set PAIRMARK_HOME to a folder of your own, or give --database URL.",
        )
    if "PANIC:" in said or "checkpoint" in said or "corrupt" in said or "pg_control" in said:
        return BrokenData(
            f"The embedded database in {home} is damaged ({reason}).",
            remedy=f"Keep a copy of {home / 'postgres'}, then restore it from a backup.",
        )
    return Busy(
        f"The embedded PostgreSQL in {home} did not start ({reason}).",
        remedy=f"See {home / 'postgres' / 'server.log'}, or give --database URL.",
    )


def _is_full(home: Path) -> bool:
    """Whether too little is left to start with: a server that runs out of room while it starts may say anything."""
    try:
        return disk_usage(home).free < LEAST_FREE
    except OSError:
        return False


def _stale_lock(said: str, home: Path) -> str:
    """What to do when, after the machine went down, another program was given the pid of the last server."""
    named = re.search(r"Is another postm\w+ \(PID (\d+)\)", said)
    if not named:
        return ""
    lock = home / "postgres" / "data" / "postmaster.pid"
    return f" If process {named[1]} is not a PostgreSQL server (see `ps {named[1]}`), remove {lock}."


def _reason(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    named = [line for line in lines if any(word in line for word in _SEVERITIES)]
    chosen = (named or lines or ["it said nothing"])[-1]
    for word in _SEVERITIES:
        chosen = chosen.split(word, 1)[-1].strip()
    return chosen.rstrip(".")
