"""Reading a source of triggers, and finding those that belong to a fact: by its aggregate where the source names it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pairmark.audit.columns import Columns, matched
from pairmark.audit.sources.address import open_source
from pairmark.audit.store import Chosen, Store
from pairmark.errors import BadRequest

BY_AGGREGATE = "aggregate"
BY_TIME = "time alone, since they name none of these aggregates"


@dataclass(frozen=True)
class Triggers:
    """Times in seconds, sorted: of each aggregate, or of all together if the source names none of those asked for."""

    of_aggregate: Mapping[str, Sequence[float]] = field(default_factory=dict)
    of_all: Sequence[float] = ()

    def of(self, aggregate: str | None) -> tuple[Sequence[float], str]:
        """The triggers of an aggregate, and what they were joined by."""
        if self.of_aggregate:
            return self.of_aggregate.get(aggregate or "", ()), BY_AGGREGATE
        return self.of_all, BY_TIME


def read_triggers(source: str, columns: Mapping[str, str], aggregates: Sequence[str]) -> Triggers:
    """The triggers in `source` of these aggregates; of all, if it names none of them."""
    opened = open_source(source)
    present = opened.columns()
    parts = matched(present, columns, opened.shown)
    knows_aggregates = "aggregate" in parts
    found = Columns(**{"aggregate": present[0], "type": present[0], **parts})  # a stream of triggers need have neither
    if found.time is None:
        raise BadRequest(f"{opened.shown} has no column of times.", remedy="Name it by --trigger-time-column.")
    store = Store(opened, found, Chosen())
    try:
        by_aggregate = store.moments(aggregates) if knows_aggregates else {}
        return Triggers(by_aggregate) if by_aggregate else Triggers(of_all=store.times())
    finally:
        store.close()
