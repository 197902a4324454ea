"""Whether an event was made before the one before it was committed, which proves that two transactions ran at once.

Commit times come from a server that keeps them, of rows that were not rewritten since; what is not known proves nothing.
Rows of one commit time are of one transaction, which never raced with itself: it inserted them all, or it rewrote the table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

LONGEST = 3_600 * 1_000_000
"""µs from the making of an event to its commit; later it was some other transaction that wrote the row."""
SOON = 60 * 1_000_000
"""µs from the making of an event to its commit after which a restore may have brought it, with its old time."""


@dataclass(frozen=True)
class Overlap:
    """Of `known` events followed by one of another transaction, `number` by one made before their commit, by `seconds` at most.

    `soon`: whether each of these was committed so soon after it was made that it was hardly brought by a restore.
    """

    known: int
    number: int
    seconds: float
    soon: bool = True


def overlap(times: Sequence[int], committed: Sequence[int | None]) -> Overlap | None:
    """What times of making (sorted) and of commit, in µs, say together; None if they say nothing.

    An event that was made after its own commit has its time from another clock than the server's.
    """
    if any(commit is not None and commit < made for made, commit in zip(times, committed, strict=True)):
        return None
    events = pairwise(zip(times, committed, strict=True))
    known = [
        (commit - following, commit - made)
        for (made, commit), (following, other) in events
        if commit is not None and other is not None and commit != other and commit - made <= LONGEST
    ]
    over = [(by, after) for by, after in known if by > 0]
    most, soon = max((by for by, _ in over), default=0), all(after <= SOON for _, after in over)
    return Overlap(len(known), len(over), most / 1e6, soon) if known else None
