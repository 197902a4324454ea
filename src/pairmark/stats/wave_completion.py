"""The last steps of a wave: places that found no partner, and a wave still short of its size.

Both work on a `Draft` that `link` and `match` have filled as far as they could.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pairmark.stats.arrays import Floats, Ints
from pairmark.stats.wave_draft import Draft

FAILURES, SECONDS, PLACES = 10, 8, 2_000  # how long an exchange is looked for
REACHED = 1_000  # items among which a path of pairs to be turned is looked for


@dataclass(frozen=True)
class Exchanges:
    """How places left over are filled: `keep` pairs stay, `theta` says what is close, `fresh` rules out repeats."""

    keep: int
    theta: Floats | None
    fresh: bool


def repair(draft: Draft, rule: Exchanges, rng: np.random.Generator) -> None:
    """Fill places left over, if need be by exchanging ends with a pair already chosen.

    An item `u` with an open first seat and an item `v` with an open second seat, which may not meet, take apart a pair
    (x, y): (u, y) and (x, v) instead. Close pairs are taken apart first. Ends after `FAILURES` items in vain: places are
    then left over because the wave is too long for pairs that differ.
    """
    draft.settle()
    failures = 0
    waiting = [item for item, left in enumerate(draft.second_left) for _ in range(left)]
    for first in [item for item, left in enumerate(draft.first_left) for _ in range(max(left, 0))]:
        direct = [second for second in waiting if _allowed(draft, rule, first, second)]
        if direct:
            second = direct[0] if rule.theta is None else min(direct, key=_distance(rule.theta, first))
            draft.add(first, second)
            waiting.remove(second)
        elif not _exchange_any(draft, first, waiting, rule, rng):
            failures += 1
            if failures == FAILURES:
                return


def _allowed(draft: Draft, rule: Exchanges, first: int, second: int) -> bool:
    return draft.allowed(first, second) and not (rule.fresh and draft.asked.get(draft.code(first, second), 0))


def _distance(theta: Floats, item: int) -> Callable[[int], float]:
    return lambda other: abs(float(theta[other] - theta[item]))


def _exchange_any(draft: Draft, first: int, waiting: list[int], rule: Exchanges, rng: np.random.Generator) -> bool:
    """Find one exchange for `first` and any of `waiting`; False if there is none among those tried."""
    for second in list(dict.fromkeys(waiting))[:SECONDS]:
        for place in _places(draft, first, second, rule, rng)[:PLACES]:
            x, y = draft.first[place], draft.second[place]
            differ = draft.code(first, y) != draft.code(x, second)
            if differ and _allowed(draft, rule, first, y) and _allowed(draft, rule, x, second):
                draft.exchange(place, first, second)
                waiting.remove(second)
                return True
    return False


def _places(draft: Draft, first: int, second: int, rule: Exchanges, rng: np.random.Generator) -> list[int]:
    """Places of pairs that may be taken apart, cheapest first (at random without scores)."""
    keep, theta = rule.keep, rule.theta
    total = len(draft) - keep
    if theta is None or total <= 0:
        order = rng.permutation(max(total, 0))
    else:
        x, y = np.array(draft.first[keep:]), np.array(draft.second[keep:])
        cost = np.abs(theta[first] - theta[y]) + np.abs(theta[x] - theta[second])
        order = np.argsort(cost, kind="stable")
    places: list[int] = (order + keep).tolist()
    return places


def fill(draft: Draft, counts: Ints, lead: Ints, size: int, rng: np.random.Generator) -> None:
    """Reach `size` when seats and places no longer fit: least asked items first, pairs twice in the wave last.

    Stops early only if no pair below the limit is left.
    """
    for twice in (False, True):
        live = set(range(draft.n_items))
        while len(draft) < size and live:
            tie = rng.random(draft.n_items)
            item = min(live, key=lambda i: (counts[i], tie[i]))
            partner = _partner(draft, item, counts, tie, twice)
            if partner is None:
                live.remove(item)
                continue
            first, second = _seated(draft, item, partner, lead)
            draft.add(first, second)
            counts[[first, second]] += 1
            lead[first] += 1
            lead[second] -= 1


def _partner(draft: Draft, item: int, counts: Ints, tie: Floats, twice: bool) -> int | None:
    fit = [
        other
        for other in range(draft.n_items)
        if other != item
        and draft.open(draft.code(item, other))
        and (twice or draft.code(item, other) not in draft.in_wave)
    ]
    codes = {other: draft.code(item, other) for other in fit}
    in_wave, asked = draft.in_wave, draft.asked
    return min(
        fit,
        key=lambda other: (in_wave.get(codes[other], 0), counts[other], asked.get(codes[other], 0), tie[other]),
        default=None,
    )


def _seated(draft: Draft, one: int, other: int, lead: Ints) -> tuple[int, int]:
    """The order that flips a repeat, or else gives the first seat to the one that had it less."""
    if not draft.flips(one, other):
        return other, one
    if draft.flips(other, one) and lead[one] > lead[other]:
        return other, one
    return one, other


def level_seats(draft: Draft, lead: Ints) -> None:
    """Turn pairs of the wave round until no item's first seats lead or trail by more than 1, if that can be had.

    `lead` of each item over history and wave, shape (n_items,), is brought up to date. Turning a path of pairs from one
    item to another round changes the leads of its two ends only. A repeat keeps its order, which is the flipped one.
    """
    seated = _turnable(draft)
    for item in np.flatnonzero(np.abs(lead) > 1).tolist():
        side = 1 if lead[item] > 0 else -1
        for place in _path(draft, seated, lead, item, side):
            first, second = _ends(draft, place)
            draft.turn(place)
            lead[first] -= 2
            lead[second] += 2
            for item_there, before, after in ((first, 0, 1), (second, 1, 0)):
                seated[before][item_there].remove(place)
                seated[after].setdefault(item_there, set()).add(place)


def _ends(draft: Draft, place: int) -> tuple[int, int]:
    return draft.first[place], draft.second[place]


def _turnable(draft: Draft) -> tuple[dict[int, set[int]], dict[int, set[int]]]:
    """Places of pairs that were never asked before, by who sits first and by who sits second."""
    seated: tuple[dict[int, set[int]], dict[int, set[int]]] = ({}, {})
    for place in range(len(draft)):
        ends = _ends(draft, place)
        if draft.asked[draft.code(*ends)] == 1:
            for seat in (0, 1):
                seated[seat].setdefault(ends[seat], set()).add(place)
    return seated


def _path(
    draft: Draft, seated: tuple[dict[int, set[int]], dict[int, set[int]]], lead: Ints, start: int, side: int
) -> list[int]:
    """Places of pairs from `start`, in the seat it has too often, to an item that has the other one more often.

    The shortest path; looked for among the `REACHED` items nearest to `start`, so that large waves stay fast.
    """
    leaving, away = seated[(1 - side) // 2], (1 + side) // 2
    reached: dict[int, list[int]] = {start: []}
    queue = [start]
    for item in queue:
        if side * lead[item] < 0:
            return reached[item]
        if len(queue) > REACHED:
            continue
        for place in sorted(leaving.get(item, ())):
            other = _ends(draft, place)[away]
            if other not in reached:
                reached[other] = [*reached[item], place]
                queue.append(other)
    return []
