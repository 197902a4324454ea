"""What the repetition of one fact looks like, and how sure that is: pure rules on intervals and on what else is known.

Each rule carries the numbers it rests on. With few repetitions most histories stay unclassified, and should: two or three times
fit almost anything. Timing alone never tells a loop that feeds itself from a drain that follows its trigger; only a stream of
triggers does.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from math import log
from statistics import median, stdev

from pairmark.audit.figures import seconds
from pairmark.audit.neighbours import SAME_SECONDS
from pairmark.audit.reading import History, Reading
from pairmark.audit.triggers import joined

RACE_SECONDS, RACE_SURE = 0.05, 0.02
BURST_MEDIAN, BURST_STRETCH, BURST_GAPS = 1.0, 20.0, 4
REGULAR_GAPS, REGULAR_STRETCH = 8, 3.0
PERIODIC_GAPS, PERIODIC_LEAST, PERIODIC_ONCE, PERIODIC_MULTIPLE, PERIODIC_WITHIN = 6, 5.0, 0.6, 0.8, 0.1
BACK_OFF_RATIO, BACK_OFF_MEDIAN, BACK_OFF_SPREAD, BACK_OFF_GAPS = 1.2, 4.5, 0.35, 4
PLATEAU = 1.25
SPORADIC_SPAN = 6 * 3600.0
TIME_OUTS = (5.0, 10.0, 15.0, 30.0, 45.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0)
NEAR_TIME_OUT, NEAR_LEAST, REDELIVERY_GAPS = 0.02, 0.1, 2
SHARED_GAP_KEYS = 5
RESTART_KEYS = 5

PATTERNS = (
    "race", "tight_burst", "runaway_loop", "trigger_drain", "periodic", "back_off", "every_nth", "redelivery",
    "restart_burst", "sporadic", "unclassified",
)  # fmt: skip


def read(history: History) -> Reading:
    """The pattern of one fact's history; never a label without the numbers behind it."""
    gaps = history.gaps
    if not gaps:
        return Reading("unclassified", "open", ["one event: nothing repeats"])
    rules = (_redelivery, _overlap, joined, _restart, _race, _tight_burst, _back_off, _periodic, _sporadic)
    for rule in rules:
        found = rule(history, gaps)
        if found is not None:
            return (
                found if found.pattern == "race" else replace(found, evidence=[*found.evidence, *_overlapping(history)])
            )
    numbers = f"{len(gaps)} intervals from {seconds(min(gaps))} to {seconds(max(gaps))}"
    return Reading(
        "unclassified", "open", [f"{numbers} fit no rule well enough", *_overlapping(history)], settles=_MORE
    )


_MORE = "more repetitions, or the stream of what triggers the event (`--triggers SOURCE`)"


def _redelivery(history: History, gaps: list[float]) -> Reading | None:
    """After a usual time-out: by identity, or because others repeat after the same gap."""
    near = [(gap, limit) for gap in gaps for limit in TIME_OUTS if _close(gap, limit, history.resolution)]
    if not near or (len(gaps) > REDELIVERY_GAPS and len(near) < len(gaps)):
        return None
    alike = history.shared_gap >= SHARED_GAP_KEYS and history.restarting < RESTART_KEYS
    if not (history.same_id or alike):
        return None
    gap, limit = near[0]
    evidence = [
        f"{len(near)} of {len(gaps)} intervals are near a usual time-out: {seconds(gap)} near {seconds(limit)}",
        f"all {len(history.times)} events carry the same id"
        if history.same_id
        else f"{history.shared_gap} facts repeat after the same gap, more than chance explains",
    ]
    return Reading(
        "redelivery", "likely", evidence, ["a message that was sent again because its acknowledgement was late"]
    )


def _close(gap: float, limit: float, resolution: float) -> bool:
    return abs(gap - limit) <= max(NEAR_TIME_OUT * limit, NEAR_LEAST, resolution if resolution < limit / 4 else 0.0)


def _overlap(history: History, gaps: list[float]) -> Reading | None:
    told = history.overlap
    if not history.overlapping or (told is not None and 2 * told.number < len(gaps)):
        return None
    evidence = _overlapping(history) or ["an event was made before the one before it was committed"]
    if history.clocked and (told is None or told.soon):
        return Reading("race", "proven", evidence, [_TWO_AT_ONCE])
    return Reading("race", "likely", evidence, [_TWO_AT_ONCE], _CLOCK)


def _overlapping(history: History) -> list[str]:
    """What is known of transactions that ran at once, if something is."""
    told = history.overlap
    if told is None:
        return []
    if not told.number:
        return [f"none of {told.known} events was followed by one that was made before it was committed"]
    but = [] if history.clocked else ["a clock that far behind the database's would look the same"]
    but += [] if told.soon else ["rows that were brought over with their old times would look the same"]
    return [
        f"{told.number} of {told.known} events were followed by one that was made before they were committed, by up to "
        f"{seconds(told.seconds)}; {', and '.join(but) or 'the times are by the clock of the database'}"
    ]


_CLOCK = "a column of time that the database fills by its own clock (DEFAULT clock_timestamp()) would prove it"
_TWO_AT_ONCE = "two workers read the old state and both published"


def _restart(history: History, gaps: list[float]) -> Reading | None:
    """Others repeat within the same seconds, once: after the same gap, or at several moments, it may as well be a sweep."""
    sweep = history.swept > 1 or history.shared_gap >= SHARED_GAP_KEYS
    if history.restarting < RESTART_KEYS or sweep or len(gaps) > 3:
        return None
    evidence = [
        f"{history.restarting} facts repeat within the same {SAME_SECONDS:g} seconds, more than chance explains"
    ]
    return Reading(
        "restart_burst", "likely", evidence, ["a process that started again and published what was open once more"]
    )


def _race(history: History, gaps: list[float]) -> Reading | None:
    limit = max(RACE_SECONDS, history.transaction_p95)
    if len(gaps) > 3 or max(gaps) > limit or history.resolution > limit:
        return None
    evidence = [f"{len(gaps)} of {len(gaps)} intervals are at most {seconds(limit)}, the longest {seconds(max(gaps))}"]
    evidence += _overlapping(history)
    sure = max(gaps) <= max(RACE_SURE, history.transaction_p95) and history.overlapping is not False
    readings = [_TWO_AT_ONCE] if sure else [_TWO_AT_ONCE, "the first rounds of a fast loop or drain"]
    settles = "commit times (track_commit_timestamp) would prove it" if history.overlapping is None else ""
    return Reading("race", "likely" if sure else "open", evidence, readings, settles)


def _tight_burst(history: History, gaps: list[float]) -> Reading | None:
    middle, coarse = median(gaps), history.resolution > median(gaps)
    if coarse:  # rounded to the same second: the mean is all that is known
        middle = max(sum(gaps), history.resolution) / len(gaps)
    if len(gaps) < BURST_GAPS or middle > BURST_MEDIAN or max(gaps) > BURST_STRETCH * max(middle, 1e-6):
        return None
    if coarse and history.resolution > BURST_MEDIAN:
        return None
    what = "mean" if coarse else "median"
    evidence = [
        f"{len(gaps)} intervals, {what} {seconds(middle)}, longest {seconds(max(gaps))} "
        f"({max(gaps) / max(middle, 1e-6):.1f} x the {what})",
        *([f"the times are rounded to {seconds(history.resolution)}"] if coarse else []),
    ]
    stretch = _stretch(gaps)
    regular = len(gaps) >= REGULAR_GAPS and stretch <= REGULAR_STRETCH and not coarse
    if regular:
        evidence.append(f"regular: the 90th percentile of the intervals is {stretch:.2f} x the 10th")
    readings = [
        "a loop that feeds itself: each publication causes the next",
        "a level-triggered drain: a condition that stays true, published at every late trigger until those end",
    ]
    confidence = "likely" if len(gaps) >= REGULAR_GAPS else "open"
    settles = (
        "the times of the callbacks (`--triggers SOURCE`): 3 or more events a trigger is a loop, about 1 is a drain"
    )
    return Reading("tight_burst", confidence, evidence, readings, settles)


def _stretch(gaps: Sequence[float]) -> float:
    """90th percentile over 10th, by the nearest rank."""
    ordered = sorted(gaps)
    low, high = ordered[int(0.1 * (len(ordered) - 1))], ordered[round(0.9 * (len(ordered) - 1))]
    return high / max(low, 1e-9)


def _back_off(history: History, gaps: list[float]) -> Reading | None:
    """Growing pauses, perhaps up to a longest one, perhaps with one row missing."""
    least = BACK_OFF_GAPS - 1 if history.same_id else BACK_OFF_GAPS
    if min(gaps) <= 0:
        return None
    growing = _until_the_longest(gaps)
    factor, missing = _factor(growing), 0
    if factor is None or len(growing) < least:
        growing, factor = _one_missing(gaps)
        missing = 1
    if factor is None or len(growing) - missing < least + missing:
        return None
    evidence = [f"{len(growing) - missing} of {len(gaps)} intervals grow by a factor of {factor:.2f} (median) each"]
    if missing:
        evidence.append("1 of them fits as two, as if a row were missing")
    elif len(growing) < len(gaps):
        evidence.append(f"the other {len(gaps) - len(growing)} stay near {seconds(gaps[-1])}, a longest pause")
    return Reading("back_off", "likely", evidence, ["a retry with growing pauses"])


def _factor(gaps: list[float]) -> float | None:
    """By how much each gap exceeds the one before, if that is much the same throughout."""
    if len(gaps) < 3:
        return None
    ratios = [after / before for before, after in pairwise(gaps)]
    even = stdev(map(log, ratios)) <= BACK_OFF_SPREAD
    return median(ratios) if min(ratios) >= BACK_OFF_RATIO and median(ratios) <= BACK_OFF_MEDIAN and even else None


def _until_the_longest(gaps: list[float]) -> list[float]:
    """The gaps before they all stay near one length; all of them if they do not."""
    for number in range(len(gaps) - 1, 1, -1):
        level = gaps[number - 1 :]
        if max(level) > PLATEAU * min(level):
            return gaps[: number + 1]
    return gaps


def _one_missing(gaps: list[float]) -> tuple[list[float], float | None]:
    """The gaps with one of them split by the factor of the others, if that makes them grow evenly."""
    for place in range(len(gaps)):
        others = [
            after / before for number, (before, after) in enumerate(pairwise(gaps)) if place not in (number, number + 1)
        ]
        if others:
            factor = max(median(others), BACK_OFF_RATIO)
            first = gaps[place] / (1 + factor)
            split = [*gaps[:place], first, first * factor, *gaps[place + 1 :]]
            found = _factor(split)
            if found is not None:
                return split, found
    return gaps, None


def _periodic(history: History, gaps: list[float]) -> Reading | None:
    base = median(gaps)
    if len(gaps) < PERIODIC_GAPS or base < PERIODIC_LEAST:
        return None
    at_once = sum(abs(gap - base) <= PERIODIC_WITHIN * base for gap in gaps) / len(gaps)
    multiple = sum(
        any(abs(gap - times * base) <= PERIODIC_WITHIN * times * base for times in (1, 2, 3)) for gap in gaps
    ) / len(gaps)
    if at_once < PERIODIC_ONCE or multiple < PERIODIC_MULTIPLE:
        return None
    evidence = [
        f"{at_once:.0%} of {len(gaps)} intervals are within 10 % of {seconds(base)}, {multiple:.0%} of 1 to 3 times that"
    ]
    return Reading("periodic", "likely", evidence, ["a job that runs on a schedule and finds the condition still true"])


def _sporadic(history: History, gaps: list[float]) -> Reading | None:
    span = history.times[-1] - history.times[0]
    if span <= SPORADIC_SPAN:
        return None
    evidence = [
        f"{len(gaps)} intervals over {seconds(span)}, from {seconds(min(gaps))} to {seconds(max(gaps))}, no rule fits"
    ]
    return Reading("sporadic", "open", evidence, settles=_MORE)
