"""A wave in the making: which pairs may still be asked in which order, and the first steps that fill the places.

`Draft` keeps the books; `link` and `match` each add pairs by one rule. What they leave open is closed in
`wave_completion`; how many places an item has is decided in `wave_quotas`.
"""

from collections import deque
from collections.abc import Iterator
from itertools import islice
from operator import itemgetter

import numpy as np

from pairmark.stats.arrays import Ints

LEAST_BLOCK = 2_000  # candidates looked through at a time; those without a place are left out of the next block
LOOKED_AT = 50  # open places of other components tried before a component is left apart


class Draft:
    """Books of one wave: places left in each seat, and what was asked before.

    Pairs are coded as low * n_items + high. `asked` counts each pair in history and wave; `low_lead` how much more often
    its lower index had the first seat. An `either` place serves in whichever seat is needed.
    """

    def __init__(
        self, asked: dict[int, int], low_lead: dict[int, int], places: tuple[Ints, Ints, Ints], limit: int
    ) -> None:
        self.limit = limit
        self.asked, self.low_lead = dict(asked), dict(low_lead)
        self.first_left, self.second_left, self.either_left = (part.tolist() for part in places)
        self.n_items = len(self.first_left)
        self.excess = sum(self.first_left) - sum(self.second_left)
        self.open_either = sum(self.either_left)
        self.in_wave: dict[int, int] = {}
        self.first: list[int] = []
        self.second: list[int] = []

    def __len__(self) -> int:
        return len(self.first)

    def places(self, item: int) -> int:
        """Places the item has left in any seat."""
        return int(self.first_left[item] + self.second_left[item] + self.either_left[item])

    def code(self, one: int, other: int) -> int:
        """The unordered pair as one number."""
        return one * self.n_items + other if one < other else other * self.n_items + one

    def allowed(self, first: int, second: int) -> bool:
        """True if this ordered pair may be added: new in this wave, below the limit, and a repeat in flipped order."""
        pair = self.code(first, second)
        return first != second and pair not in self.in_wave and self.open(pair) and self.flips(first, second)

    def open(self, pair: int) -> bool:
        """True if the pair is below the limit."""
        return self.asked.get(pair, 0) < self.limit

    def flips(self, first: int, second: int) -> bool:
        """True if this order was not asked more often than the other one."""
        lead = self.low_lead.get(self.code(first, second), 0)
        return lead <= 0 if first < second else lead >= 0

    def order(self, one: int, other: int) -> tuple[int, int] | None:
        """An allowed order of the two for which both have a place, with the fewest `either` places; None if none."""
        fits = [(cost, pair) for pair in ((one, other), (other, one)) if (cost := self._cost(*pair)) is not None]
        return min(fits, key=itemgetter(0))[1] if fits else None

    def add(self, first: int, second: int) -> None:
        """Put the ordered pair into the wave."""
        self._count(first, second, 1)
        self._seat(first, second)
        self.first.append(first)
        self.second.append(second)

    def exchange(self, place: int, first: int, second: int) -> None:
        """Take apart the pair (x, y) at `place`: (first, y) and (x, second) instead."""
        x, y = self.first[place], self.second[place]
        for one, other, by in ((x, y, -1), (first, y, 1), (x, second, 1)):
            self._count(one, other, by)
        self._seat(first, second)
        self.first[place] = first
        self.first.append(x)
        self.second.append(second)

    def turn(self, place: int) -> None:
        """Turn the pair at `place` round."""
        first, second = self.first[place], self.second[place]
        self._count(first, second, -1)
        self._count(second, first, 1)
        self.first[place], self.second[place] = second, first

    def settle(self) -> None:
        """Give every `either` place left to the seat that is short of places."""
        for item in [item for item, left in enumerate(self.either_left) if left]:
            self.either_left[item] -= 1
            (self.first_left if self.excess < 0 else self.second_left)[item] += 1
            self.excess += 1 if self.excess < 0 else -1
        self.open_either = 0

    def _cost(self, first: int, second: int) -> int | None:
        """`either` places this order would use up; None if it has no place, is not allowed or strands other places."""
        fixed_first, fixed_second = self.first_left[first] > 0, self.second_left[second] > 0
        if not (fixed_first or self.either_left[first]) or not (fixed_second or self.either_left[second]):
            return None
        used: int = 2 - fixed_first - fixed_second
        stranded = max(abs(self.excess - fixed_first + fixed_second) - (self.open_either - used), 0)
        if stranded > max(abs(self.excess) - self.open_either, 0) or not self.allowed(first, second):
            return None
        return used

    def _seat(self, first: int, second: int) -> None:
        self.excess += self._take(self.second_left, second) - self._take(self.first_left, first)

    def _take(self, fixed: list[int], item: int) -> int:
        """Use up a place; 1 if it was one of the fixed ones."""
        if fixed[item] <= 0 and self.either_left[item]:
            self.either_left[item] -= 1
            self.open_either -= 1
            return 0
        fixed[item] -= 1
        return 1

    def _count(self, first: int, second: int, by: int) -> None:
        pair = self.code(first, second)
        self.asked[pair] = self.asked.get(pair, 0) + by
        self.low_lead[pair] = self.low_lead.get(pair, 0) + (by if first < second else -by)
        self.in_wave[pair] = self.in_wave.get(pair, 0) + by
        if self.in_wave[pair] == 0:
            del self.in_wave[pair]


def link(draft: Draft, labels: Ints, rng: np.random.Generator) -> None:
    """Join components into one, as far as places allow: components with most places first, each to the oldest open one.

    With two places per item this draws a random path through all items, with one each it leaves pairs.
    """
    waiting: deque[int] = deque()
    for members in _components(draft, labels, rng):
        own = [item for item in members for _ in range(draft.places(item))]
        _join(draft, waiting, own)
        waiting.extend(own)


def _components(draft: Draft, labels: Ints, rng: np.random.Generator) -> Iterator[list[int]]:
    """Members of each component in random order, components with most places left first."""
    members: dict[int, list[int]] = {}
    for item in rng.permutation(len(labels)).tolist():
        members.setdefault(int(labels[item]), []).append(item)
    yield from sorted(members.values(), key=lambda group: -sum(map(draft.places, group)))


def _join(draft: Draft, waiting: deque[int], own: list[int]) -> None:
    """Add one pair between a waiting place and an own one, and strike both."""
    for position, other in enumerate(islice(waiting, LOOKED_AT)):
        for item in dict.fromkeys(own):
            pair = draft.order(other, item)
            if pair:
                draft.add(*pair)
                del waiting[position]
                own.remove(item)
                return


def match(draft: Draft, one_ends: Ints, other_ends: Ints) -> None:
    """Take candidate pairs, best first, while both ends have places in opposite seats."""
    places = [draft.places(item) for item in range(draft.n_items)]
    missing = sum(places)
    block = max(LEAST_BLOCK, 2 * draft.n_items)
    for start in range(0, len(one_ends), block):
        has = np.array(places) > 0
        one_block, other_block = one_ends[start : start + block], other_ends[start : start + block]
        alive = has[one_block] & has[other_block]
        for one, other in zip(one_block[alive].tolist(), other_block[alive].tolist(), strict=True):
            pair = draft.order(one, other) if places[one] and places[other] else None
            if pair:
                draft.add(*pair)
                places[one] -= 1
                places[other] -= 1
                missing -= 2
                if missing < 2:
                    return
