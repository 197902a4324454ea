"""What `stats` raises: children of ValueError, each with one clear sentence.

Nothing here knows about commands or web pages; callers translate these once, at their edge.
"""

from collections.abc import Sequence
from numbers import Integral


class StatsError(ValueError):
    """The numbers asked for do not exist for these data."""


class BadComparisonsError(StatsError):
    """A row of comparisons breaks a rule; the sentence names the row, counted from 1."""


class UnconnectedError(StatsError):
    """The comparisons fall into groups with nothing between them, so one scale for all has no meaning.

    `groups` holds the item ids of each group, largest group first; `joining` the fewest pairs whose comparison would
    join them.
    """

    def __init__(self, groups: Sequence[Sequence[str]], joining: Sequence[tuple[str, str]] = ()) -> None:
        self.groups = tuple(tuple(group) for group in groups)
        self.joining = tuple(joining)
        named = " | ".join(_named(group) for group in self.groups[:4])
        more = f" | and {len(self.groups) - 4} more groups" if len(self.groups) > 4 else ""
        super().__init__(
            f"The comparisons fall into {len(self.groups)} unconnected groups ({named}{more}), and scores across groups "
            f"have no meaning: add comparisons between the groups{self._enough()}, or score each group alone."
        )

    def _enough(self) -> str:
        if not self.joining:
            return ""
        shown = ", ".join(f"{one} with {other}" for one, other in self.joining[:3])
        more = f" and {len(self.joining) - 3} more" if len(self.joining) > 3 else ""
        return f" ({len(self.joining)} at least, such as {shown}{more})"


class NoFiniteEstimateError(StatsError):
    """Maximum likelihood would put an item at plus or minus infinity."""


class NotConvergedError(StatsError):
    """An iteration used up its steps before its result stood still."""


def check_count(value: object, least: int, what: str) -> None:
    """Raise `StatsError` unless `value` is a whole number from `least` up; `what` says of what."""
    if not isinstance(value, Integral) or value < least:
        raise StatsError(f"The number of {what} is a whole number from {least} up, not {value!r}.")


def _named(group: Sequence[str]) -> str:
    shown = ", ".join(group[:3])
    return f"{shown} and {len(group) - 3} more" if len(group) > 3 else shown
