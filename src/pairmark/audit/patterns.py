"""What the repetition of one fact looks like, and how sure that is: pure rules on intervals and on what else is known.

Each rule carries the numbers it rests on. With few repetitions most histories stay unclassified, and should: two or three times
fit almost anything. Timing alone never tells a loop that feeds itself from a drain that follows its trigger; only a stream of
triggers does.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import comb, log
from statistics import median, stdev

from pairmark.audit.figures import seconds

RACE_SECONDS = 0.05
BURST_MEDIAN, BURST_STRETCH, BURST_GAPS = 1.0, 20.0, 4
REGULAR_GAPS, REGULAR_STRETCH = 8, 3.0
PERIODIC_GAPS, PERIODIC_LEAST, PERIODIC_ONCE, PERIODIC_MULTIPLE, PERIODIC_WITHIN = 6, 5.0, 0.6, 0.8, 0.1
BACK_OFF_RATIO, BACK_OFF_MEDIAN, BACK_OFF_SPREAD, BACK_OFF_GAPS = 1.2, 4.5, 0.35, 4
SPORADIC_SPAN = 6 * 3600.0
TIME_OUTS = (5.0, 10.0, 15.0, 30.0, 45.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0)
NEAR_TIME_OUT = 0.02
SHARED_GAP_KEYS = 5
RESTART_KEYS = 5
LOOP_FROM, DRAIN_BETWEEN = 3.0, (0.8, 1.2)
EVERY_NTH_MOST, EVERY_NTH_CHANCE = 50, 1e-4

PATTERNS = (
    "race", "tight_burst", "runaway_loop", "trigger_drain", "periodic", "back_off", "every_nth", "redelivery",
    "restart_burst", "sporadic", "unclassified",
)  # fmt: skip


@dataclass(frozen=True)
class History:
    """The repetitions of one fact. `times`: seconds, sorted. `same_id`: every event carries one id (None: ids are not known).

    `shared_gap`: how many facts repeat after the same gap; `restarting`: how many facts repeat within the same seconds.
    `triggers`: seconds at which something happened that may have caused a repetition, None if no such stream was given.
    `overlapping`: an event was made before the one before it was committed, None if commit times are not known.
    """

    times: Sequence[float]
    same_id: bool | None = None
    shared_gap: int = 1
    restarting: int = 1
    triggers: Sequence[float] | None = None
    overlapping: bool | None = None
    transaction_p95: float = 0.0

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


def read(history: History) -> Reading:
    """The pattern of one fact's history; never a label without the numbers behind it."""
    gaps = history.gaps
    if not gaps:
        return Reading("unclassified", "open", ["one event: nothing repeats"])
    rules = (_redelivery, _overlap, _joined, _restart, _race, _tight_burst, _back_off, _periodic, _sporadic)
    for rule in rules:
        found = rule(history, gaps)
        if found is not None:
            return found
    numbers = f"{len(gaps)} intervals from {seconds(min(gaps))} to {seconds(max(gaps))}"
    return Reading("unclassified", "open", [f"{numbers} fit no rule well enough"], settles=_MORE)


_MORE = "more repetitions, or the stream of what triggers the event (`--triggers SOURCE`)"


def _redelivery(history: History, gaps: list[float]) -> Reading | None:
    if len(gaps) > 2:
        return None
    near = [limit for limit in TIME_OUTS if any(abs(gap - limit) <= max(NEAR_TIME_OUT * limit, 0.1) for gap in gaps)]
    if not near or not (history.same_id or history.shared_gap >= SHARED_GAP_KEYS):
        return None
    why = (
        "every event carries the same id"
        if history.same_id
        else f"{history.shared_gap} facts repeat after the same gap"
    )
    evidence = [f"a gap of {seconds(gaps[0])} is near the usual time-out of {seconds(near[0])}", why]
    return Reading(
        "redelivery", "likely", evidence, ["a message that was sent again because its acknowledgement was late"]
    )


def _overlap(history: History, gaps: list[float]) -> Reading | None:
    if not history.overlapping:
        return None
    return Reading("race", "proven", ["an event was made before the one before it was committed"], [_TWO_AT_ONCE])


_TWO_AT_ONCE = "two workers read the old state and both published"


def _joined(history: History, gaps: list[float]) -> Reading | None:
    """What a stream of triggers says: a loop, a drain, or every n-th trigger."""
    if history.triggers is None or len(gaps) < BURST_GAPS:
        return None
    nth = _every_nth(history)
    if nth is not None:
        return nth
    begin, end = history.times[0], history.times[-1]
    during = [one for one in history.triggers if begin - 1.0 <= one <= end]
    if not during:
        return None
    per_trigger = len(history.times) / len(during)
    followed = len({_ordinal(sorted(during), moment) for moment in history.times} - {0})
    evidence = [
        f"{len(history.times)} events for {len(during)} triggers: {per_trigger:.2f} events a trigger",
        f"{followed} of the triggers are each followed by an event",
    ]
    if per_trigger >= LOOP_FROM and median(gaps) <= BURST_MEDIAN:
        return Reading("runaway_loop", "likely", evidence, ["each publication causes the next one"])
    if DRAIN_BETWEEN[0] <= per_trigger <= DRAIN_BETWEEN[1] and followed >= DRAIN_BETWEEN[0] * len(history.times):
        cause = "a condition that stays true, published again at every trigger until the triggers end"
        return Reading("trigger_drain", "likely", evidence, [cause])
    return None


def _every_nth(history: History) -> Reading | None:
    """Whether the events fall on every n-th trigger: by ordinal, never by timing; binomial against chance."""
    triggers = sorted(history.triggers or ())
    ordinals = [_ordinal(triggers, moment) for moment in history.times]
    ordinals = [one for one in ordinals if one > 0]
    if len(ordinals) < BURST_GAPS or len(triggers) < 2 * len(ordinals):
        return None
    best: tuple[float, int, int] | None = None
    for step in range(2, EVERY_NTH_MOST + 1):
        hits = sum(one % step == 0 for one in ordinals)
        chance = _at_least(hits, len(ordinals), 1 / step) * (EVERY_NTH_MOST - 1)
        if best is None or chance < best[0] or (chance == best[0] and step > best[1]):
            best = (chance, step, hits)
    if best is None or best[0] > EVERY_NTH_CHANCE or best[2] < 0.8 * len(ordinals):
        return None
    chance, step, hits = best
    evidence = [
        f"{hits} of {len(ordinals)} events follow a trigger whose number is a multiple of {step}",
        f"chance {chance:.1g}",
    ]
    return Reading("every_nth", "likely", evidence, [f"a check that runs at every {step}th trigger"])


def _ordinal(triggers: Sequence[float], moment: float) -> int:
    return bisect_right(triggers, moment)


def _at_least(hits: int, trials: int, chance: float) -> float:
    """P(X >= hits) for a binomial X."""
    return sum(comb(trials, k) * chance**k * (1 - chance) ** (trials - k) for k in range(hits, trials + 1))


def _restart(history: History, gaps: list[float]) -> Reading | None:
    if history.restarting < RESTART_KEYS or len(gaps) > 3:
        return None
    evidence = [f"{history.restarting} facts repeat within the same seconds"]
    return Reading(
        "restart_burst", "likely", evidence, ["a process that started again and published what was open once more"]
    )


def _race(history: History, gaps: list[float]) -> Reading | None:
    limit = max(RACE_SECONDS, history.transaction_p95)
    if len(gaps) > 3 or max(gaps) > limit:
        return None
    evidence = [f"{len(gaps)} of {len(gaps)} intervals are at most {seconds(limit)}, the longest {seconds(max(gaps))}"]
    return Reading("race", "likely", evidence, [_TWO_AT_ONCE], "commit times (track_commit_timestamp) would prove it")


def _tight_burst(history: History, gaps: list[float]) -> Reading | None:
    middle = median(gaps)
    if len(gaps) < BURST_GAPS or middle > BURST_MEDIAN or max(gaps) > BURST_STRETCH * max(middle, 1e-6):
        return None
    times_median = max(gaps) / max(middle, 1e-6)
    evidence = [
        f"{len(gaps)} intervals, median {seconds(middle)}, longest {seconds(max(gaps))} ({times_median:.1f} x the median)"
    ]
    stretch = _stretch(gaps)
    if len(gaps) >= REGULAR_GAPS and stretch <= REGULAR_STRETCH:
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
    if len(gaps) < 2 or min(gaps) <= 0 or not (len(gaps) >= BACK_OFF_GAPS or history.same_id):
        return None
    ratios = [after / before for before, after in pairwise(gaps)]
    spread = stdev(map(log, ratios)) if len(ratios) > 1 else 0.0
    if min(ratios) < BACK_OFF_RATIO or median(ratios) > BACK_OFF_MEDIAN or spread > BACK_OFF_SPREAD:
        return None
    evidence = [
        f"each of {len(gaps)} intervals is longer than the one before, by a factor of {median(ratios):.2f} (median)"
    ]
    return Reading("back_off", "likely", evidence, ["a retry with growing pauses"])


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
