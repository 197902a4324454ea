"""Whether an event was made before the one before it was committed, which proves that two transactions ran at once.

Commit times come from a server that keeps them, of rows that were not rewritten since; what is not known proves nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

LONGEST = 3_600 * 1_000_000
"""µs from the making of an event to its commit; later it was some other transaction that wrote the row."""


@dataclass(frozen=True)
class Overlap:
    """Of `known` events with a commit time, `number` were followed by one made before it, by `seconds` at most."""

    known: int
    number: int
    seconds: float


def overlap(times: Sequence[int], committed: Sequence[int | None]) -> Overlap | None:
    """What times of making (sorted) and of commit, in µs, say together; None if they say nothing.

    An event that was made after its own commit has its time from another clock than the server's.
    """
    if any(commit is not None and commit < made for made, commit in zip(times, committed, strict=True)):
        return None
    known = [
        commit - following
        for made, commit, following in zip(times, committed, times[1:], strict=False)
        if commit is not None and commit - made <= LONGEST
    ]
    over = [one for one in known if one > 0]
    return Overlap(len(known), len(over), max(over, default=0) / 1e6) if known else None
