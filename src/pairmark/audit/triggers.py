"""What a stream of triggers says about a history: a loop that feeds itself, a drain that follows its trigger, or every n-th.

Pure rules, by counting triggers and never by timing alone. Which triggers belong to a fact is decided in `trigger_streams`.
"""

from bisect import bisect_right
from itertools import pairwise
from math import comb
from statistics import median

from pairmark.audit.figures import seconds
from pairmark.audit.reading import History, Reading

LEAST_GAPS = 4
LOOP_FROM, LOOP_MEDIAN, DRAIN_BETWEEN, DRAIN_SINGLE = 3.0, 1.0, (0.8, 1.2), 0.6
"""Exactly one trigger between events: 37 % of the times if they have nothing to do with each other."""
STEADY, STEADY_FROM = 0.3, 9
"""Middle half of the delays against the pause between triggers: 0.5 or more if they have nothing to do with each other."""
BEFORE = 60.0
"""Seconds before the first event in which the trigger that began it is looked for."""
EVERY_NTH_MOST, EVERY_NTH_CHANCE, EVERY_NTH_SHARE = 50, 1e-4, 0.6


def joined(history: History, gaps: list[float]) -> Reading | None:
    """A loop, a drain, or every n-th trigger; None without triggers, with too few events, or where the counts fit none."""
    if not history.triggers or len(gaps) < LEAST_GAPS:
        return None
    triggers = sorted(history.triggers)
    return _every_nth(history, triggers) or _loop_or_drain(history, triggers, median(gaps))


def _loop_or_drain(history: History, triggers: list[float], typical: float) -> Reading | None:
    begin, end = history.times[0], history.times[-1]
    first = max(bisect_right(triggers, begin) - 1, 0)
    during = [one for one in triggers[first:] if begin - BEFORE <= one <= end]
    if not during:
        return None
    number = len(history.times)
    per_trigger = number / len(during)
    ordinals = [bisect_right(during, moment) for moment in history.times]
    single = sum(after - before == 1 for before, after in pairwise(ordinals))
    steady = _spread([moment - during[one - 1] for moment, one in zip(history.times, ordinals, strict=True) if one])
    pause = (end - begin) / len(during)
    evidence = [
        f"{number} events for {len(during)} triggers: {per_trigger:.2f} events a trigger",
        f"{single} of {number - 1} times exactly one trigger lies between an event and the next",
        f"the delay since the last trigger varies by {seconds(steady)}, triggers come every {seconds(pause)}",
        *([f"the triggers were joined by {history.joined_by}"] if history.joined_by else []),
    ]
    if per_trigger >= LOOP_FROM and typical <= LOOP_MEDIAN:
        return Reading("runaway_loop", "likely", evidence, ["each publication causes the next one"])
    follows = single >= DRAIN_SINGLE * (number - 1) or (number >= STEADY_FROM and steady <= STEADY * pause)
    if DRAIN_BETWEEN[0] <= per_trigger <= DRAIN_BETWEEN[1] and follows:
        cause = "a condition that stays true, published again at every trigger until the triggers end"
        return Reading("trigger_drain", "likely", evidence, [cause])
    return None


def _spread(values: list[float]) -> float:
    """The range of the middle half."""
    ordered = sorted(values) or [0.0]
    return ordered[(3 * len(ordered)) // 4 if len(ordered) > 3 else -1] - ordered[len(ordered) // 4]


def _every_nth(history: History, triggers: list[float]) -> Reading | None:
    """Whether the same number of triggers lies between events, or a multiple of it; binomial against chance.

    Differences of ordinals, so that a stream that begins late, or lacks a row, does not hide it.
    """
    ordinals = [bisect_right(triggers, moment) for moment in history.times]
    steps = [after - before for before, after in pairwise(ordinals)]
    steps = [one for one in steps if one > 0]
    if len(steps) < LEAST_GAPS or sum(steps) < 2 * len(steps):
        return None
    tried = [(sum(one % n == 0 for one in steps), n) for n in range(2, EVERY_NTH_MOST + 1)]
    chance, hits, n = min((at_least(hits, len(steps), 1 / n), hits, n) for hits, n in tried)
    chance *= len(tried)
    if chance > EVERY_NTH_CHANCE or hits < EVERY_NTH_SHARE * len(steps):
        return None
    evidence = [
        f"{hits} of {len(steps)} times a multiple of {n} triggers lies between an event and the next",
        f"by chance that happens with a probability of {chance:.1g}",
    ]
    return Reading("every_nth", "likely", evidence, [f"a check that runs at every {n}th trigger"])


def at_least(hits: int, trials: int, chance: float) -> float:
    """P(X >= hits) for a binomial X."""
    return sum(comb(trials, k) * chance**k * (1 - chance) ** (trials - k) for k in range(hits, trials + 1))
