"""What is known of one fact's repetitions, and what was read from it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from pairmark.audit.commits import Overlap


@dataclass(frozen=True)
class History:
    """The repetitions of one fact. `times`: seconds, sorted. `same_id`: every event carries one id (None: ids are not known).

    `shared_gap`: how many facts repeat after the same gap; `restarting`: how many facts repeat within the same seconds, if
    that is more than chance; `swept`: at how many of its repetitions others repeat as well. `triggers`: seconds at which
    something happened that may have caused a repetition, None if no such stream was given; `joined_by` says how they were
    found. `overlapping`: an event was made before the one before it was committed, None if commit times are not known;
    `overlap`: how many of how many, and by how much; `clocked`: the database gives the times, by the default of their column.
    `resolution`: seconds by which the times are rounded.
    """

    times: Sequence[float]
    same_id: bool | None = None
    shared_gap: int = 1
    restarting: int = 1
    swept: int = 1
    triggers: Sequence[float] | None = None
    joined_by: str = ""
    overlapping: bool | None = None
    overlap: Overlap | None = None
    clocked: bool = False
    transaction_p95: float = 0.0
    resolution: float = 1e-6

    @property
    def gaps(self) -> list[float]:
        """Seconds from each event to the next."""
        return [after - before for before, after in pairwise(self.times)]


@dataclass(frozen=True)
class Reading:
    """A pattern with its evidence: `confidence` is "proven", "likely" or "open"; `readings` are the causes that fit."""

    pattern: str
    confidence: str
    evidence: list[str]
    readings: list[str] = field(default_factory=list)
    settles: str = ""
