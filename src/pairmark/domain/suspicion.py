"""Which essays models keep finding instructions in. A model says so of a comparison, not of one of its texts; the pattern tells.

Pure counting over verdicts; what becomes of these essays is in the assessment service.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

LEAST_PARTNERS = 2
"""Different texts beside which it must have been said."""
LEAST_SHARE = 0.5
"""Of the essay's verdicts by models, so many must say it."""
DEAF = 0.9
"""A judge that says it of so many of its verdicts tells nothing about any one essay, and is not listened to."""


@dataclass(frozen=True, slots=True)
class Told:
    """One model's verdict: the two essays by ordinal, whether it found instructions, and who judged."""

    first: int
    second: int
    found: bool
    judge: str = ""


@dataclass(frozen=True, slots=True)
class Suspect:
    """An essay, in how many of its verdicts models found instructions, and beside how many different texts."""

    essay: int
    found: int
    verdicts: int
    partners: int


@dataclass
class _Count:
    verdicts: int = 0
    found: int = 0
    partners: Counter[int] = field(default_factory=Counter)

    def add(self, partner: int, times: int, *, found: bool) -> None:
        self.verdicts += times
        if found:
            self.found += times
            self.partners[partner] += times
            if not self.partners[partner]:
                del self.partners[partner]

    @property
    def suspicious(self) -> bool:
        return len(self.partners) >= LEAST_PARTNERS and self.found >= LEAST_SHARE * self.verdicts


def suspects(verdicts: Iterable[Told]) -> list[Suspect]:
    """The essays that it is said of beside at least two partners and in at least half of their verdicts, plainest first.

    Each one found takes its comparisons with it before the next is looked for: whoever only stood beside it is not suspect.
    """
    heard = _heard(list(verdicts))
    of: defaultdict[int, list[Told]] = defaultdict(list)
    counts: defaultdict[int, _Count] = defaultdict(_Count)
    for told in heard:
        for essay, partner in ((told.first, told.second), (told.second, told.first)):
            of[essay].append(told)
            counts[essay].add(partner, 1, found=told.found)
    queue = [(_order(count, essay)) for essay, count in counts.items() if count.suspicious]
    heapify(queue)
    out: dict[int, Suspect] = {}
    while queue:
        entry = heappop(queue)
        essay = entry[-1]
        if essay in out or not counts[essay].suspicious or entry != _order(counts[essay], essay):
            continue
        count = counts[essay]
        out[essay] = Suspect(essay, count.found, count.verdicts, len(count.partners))
        for partner in _leave(essay, of[essay], counts, out):
            if counts[partner].suspicious:
                heappush(queue, _order(counts[partner], partner))
    return list(out.values())


def _heard(verdicts: Sequence[Told]) -> list[Told]:
    """Verdicts of judges that do not say it nearly always."""
    all_of, found = Counter(told.judge for told in verdicts), Counter(told.judge for told in verdicts if told.found)
    return [told for told in verdicts if found[told.judge] < DEAF * all_of[told.judge]]


def _leave(essay: int, verdicts: Iterable[Told], counts: dict[int, _Count], out: dict[int, Suspect]) -> set[int]:
    """Take the verdicts of an essay from its partners; returns whose counts changed."""
    changed = set()
    for told in verdicts:
        partner = told.second if told.first == essay else told.first
        if partner not in out:
            counts[partner].add(essay, -1, found=told.found)
            changed.add(partner)
    return changed


def _order(count: _Count, essay: int) -> tuple[float, int, int]:
    """The highest share first, then the most findings, then the lowest ordinal."""
    return -count.found / count.verdicts, -count.found, essay
