"""What is counted, and the words for it. Every figure of a report is defined here once and printed with its definition.

"Rate" alone is ambiguous: 94 duplicates of 25 facts in 119 events are 376 % by fact, 79 % of events, and concern 8 % of facts.
"""

from dataclasses import dataclass

DEFINITIONS = {
    "events": "rows that were looked at",
    "facts": "distinct keys; the key says what counts as the same fact",
    "aggregates": "distinct aggregates among them",
    "duplicates": "events beyond the first of each fact: events - facts",
    "affected": "facts with more than one event",
    "duplicates_per_aggregate": "duplicates / aggregates; it may exceed 1",
    "duplicate_share": "duplicates / events, a share from 0 to 1",
    "affected_share": "affected / facts, a share from 0 to 1",
    "events_per_aggregate": "events / aggregates, the mean",
    "events_per_fact_median": "the median beside that mean: one bad fact moves the mean, not the median",
    "largest_excess_share": "the part of all duplicates that belongs to the worst fact",
}

VERDICTS = {
    "clean": "Clean: no fact was told twice.",
    "findings": "Facts were told more than once.",
    "undetermined": "Could not be determined: what there was to look at proves nothing.",
}


@dataclass(frozen=True)
class Totals:
    """The counts a report begins with, and the ratios that follow from them (None where nothing can be divided)."""

    events: int
    facts: int
    aggregates: int
    affected: int
    largest: int
    events_per_fact_median: float | None

    @property
    def duplicates(self) -> int:
        """Events beyond the first of each fact."""
        return self.events - self.facts

    def as_dict(self) -> dict[str, float | int | None]:
        """Counts and ratios by the names of `DEFINITIONS`."""
        return {
            "aggregates": self.aggregates,
            "events": self.events,
            "duplicates": self.duplicates,
            "duplicates_per_aggregate": _share(self.duplicates, self.aggregates),
            "duplicate_share": _share(self.duplicates, self.events),
            "events_per_aggregate": _share(self.events, self.aggregates),
            "facts": self.facts,
            "affected": self.affected,
            "affected_share": _share(self.affected, self.facts),
            "events_per_fact_median": self.events_per_fact_median,
            "largest_excess_share": _share(max(self.largest - 1, 0), self.duplicates),
        }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
