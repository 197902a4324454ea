"""What the facts that repeat have in common: the same gap, the same seconds, the resolution of their times.

Among many facts some agree by chance. What is counted here is more than chance: each count is held against what the
neighbourhood lets expect (a Poisson tail), and is 1 otherwise.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, log

SHARED_GAP, AROUND_GAP = 0.02, 1.5
"""The same gap is within 2 %; its neighbourhood reaches from two thirds to one and a half times it."""
SAME_SECONDS, AROUND_SECONDS = 2.0, 60.0
SHORTEST_PAUSE = 1.0
"""A repetition sooner than that has a cause of its own, a race or a burst."""
MOST_REPEATS = 3
LEAST_FACTS = 5
CHANCE = 1e-3
RESOLUTIONS = (86_400_000_000, 60_000_000, 1_000_000, 1_000)


@dataclass(frozen=True)
class Company:
    """What one fact shares with others: see `History`."""

    shared_gap: int = 1
    restarting: int = 1
    swept: int = 1


def resolution(facts: Sequence[Sequence[int]]) -> float:
    """Seconds to which all times (in µs) are rounded: a day, a minute, a second, a millisecond, or a microsecond."""
    found = next((size for size in RESOLUTIONS if all(one % size == 0 for times in facts for one in times)), 1)
    return found / 1e6


def company(facts: Sequence[Sequence[float]]) -> list[Company]:
    """For the sorted times of each fact, in seconds, what it shares with the others."""
    alone = sorted(times[1] - times[0] for times in facts if len(times) == 2)
    repeats = sorted((moment, number) for number, times in enumerate(facts) for moment in _late_repeats(times))
    moments = [moment for moment, _ in repeats]
    return [_of(times, alone, repeats, moments) for times in facts]


def _of(times: Sequence[float], alone: list[float], repeats: list[tuple[float, int]], moments: list[float]) -> Company:
    shared = _same_gap(times[1] - times[0], alone) if len(times) == 2 else 1
    together = [_together(moment, repeats, moments) for moment in _late_repeats(times)]
    swept = sum(one >= LEAST_FACTS for one in together)
    return Company(shared, max(together, default=1), swept)


def _late_repeats(times: Sequence[float]) -> list[float]:
    """Repetitions of a fact with few of them that come after a pause."""
    if len(times) > MOST_REPEATS + 1:
        return []
    return [after for before, after in pairwise(times) if after - before > SHORTEST_PAUSE]


def _same_gap(gap: float, alone: list[float]) -> int:
    reach = SHARED_GAP * max(gap, 1.0)
    near = _within(alone, gap - reach, gap + reach)
    around = _within(alone, gap / AROUND_GAP, gap * AROUND_GAP) - near
    width = log((gap + reach) / max(gap - reach, 1e-6)) / (2 * log(AROUND_GAP))
    return near if _beyond_chance(near - 1, around * width) else 1


def _together(moment: float, repeats: list[tuple[float, int]], moments: list[float]) -> int:
    near = _facts(repeats, moments, moment - SAME_SECONDS, moment + SAME_SECONDS)
    around = _facts(repeats, moments, moment - AROUND_SECONDS, moment + AROUND_SECONDS) - near
    return near if _beyond_chance(near - 1, around * SAME_SECONDS / (AROUND_SECONDS - SAME_SECONDS)) else 1


def _facts(repeats: list[tuple[float, int]], moments: list[float], low: float, high: float) -> int:
    return len({number for _, number in repeats[bisect_left(moments, low) : bisect_right(moments, high)]})


def _within(ordered: list[float], low: float, high: float) -> int:
    return bisect_right(ordered, high) - bisect_left(ordered, low)


def _beyond_chance(seen: int, expected: float) -> bool:
    """Whether so many others are more than a Poisson count of that mean comes to, one time in a thousand."""
    if seen < LEAST_FACTS - 1:
        return False
    term = below = exp(-expected)
    for number in range(1, seen):
        term *= expected / number
        below += term
    return 1 - below < CHANCE
