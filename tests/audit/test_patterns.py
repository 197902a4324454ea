"""Patterns by their rules, each just inside and just outside, and never with too little to go by."""

from random import Random

import pytest

from pairmark.audit.figures import seconds
from pairmark.audit.patterns import PATTERNS, read
from pairmark.audit.reading import History


def at(*gaps: float, begin: float = 1_000.0) -> list[float]:
    """Times with these gaps between them."""
    times = [begin]
    for gap in gaps:
        times.append(times[-1] + gap)
    return times


REGULAR = [0.06, 0.07, 0.065, 0.08, 0.06, 0.07, 0.09, 0.06, 0.07]
CASES = {
    "race": [
        History(at(0.05)), History(at(0.01, 0.02, 0.04)), History(at(0.4), transaction_p95=0.5), History(at(9.0), overlapping=True)
    ],
    "tight_burst": [History(at(*REGULAR)), History(at(0.2, 0.2, 0.2, 4.0)), History(at(1.0, 1.0, 1.0, 1.0))],
    "runaway_loop": [History(at(*REGULAR), triggers=[999.9, 1000.2])],
    "trigger_drain": [History(at(*REGULAR), triggers=[one - 0.01 for one in at(*REGULAR)])],
    "every_nth": [History([float(n) for n in range(10, 210, 10)], triggers=[n - 0.1 for n in range(1, 220)])],
    "periodic": [History(at(*[300.0] * 6)), History(at(300, 301, 299, 600, 300, 305, 300))],
    "back_off": [History(at(1, 2, 4, 8)), History(at(1, 2, 4), same_id=True), History(at(1, 1.3, 1.7, 2.2)),
        History(at(1, 2, 4, 8, 16, 20, 20.5, 19.8)), History(at(1, 2, 12, 16, 32)),
    ],
    "redelivery": [History(at(30.0), same_id=True), History(at(30.1, 30, 30.2, 30), same_id=True), History(at(45.2), shared_gap=5)],
    "restart_burst": [History(at(600.0), restarting=5)],
    "sporadic": [History(at(20_000, 5_000, 900, 40_000))],
    "unclassified": [
        History(at(0.051)), History(at(30.0)), History(at(1, 2, 4)), History(at(*[300.0] * 5)), History(at(0.2, 0.2, 0.2, 4.1)),
        History(at(1, 2, 1.9, 8)), History(at(1, 2, 12, 16)), History(at(1, 2, 4, 5, 4.9, 5)),
        History(at(30.0, 70.0, 30.0), same_id=True), History(at(45.2), shared_gap=5, restarting=5),
        History(at(600.0), restarting=5, swept=2),
        History(at(0.0), resolution=1.0), History(at(600.0), restarting=4), History([5.0]),
    ],
}  # fmt: skip


@pytest.mark.parametrize(("pattern", "history"), [(name, one) for name, some in CASES.items() for one in some])
def test_a_history_is_read_by_its_rule(pattern, history):
    found = read(history)
    assert (found.pattern, bool(found.evidence)) == (pattern, True)


def test_all_patterns_are_tried_above():
    assert set(CASES) == set(PATTERNS)


def test_what_timing_alone_cannot_tell_is_left_open_with_both_readings():
    found = read(History(at(*REGULAR)))
    assert len(found.readings) == 2
    assert "--triggers" in found.settles


@pytest.mark.parametrize("number", [2, 3])
def test_chance_is_seldom_called_a_pattern(number):
    """Two or three events at chance moments of a day: next to nothing may be named."""
    draw = Random(5)
    named = 0
    for _ in range(2_000):
        times = sorted(draw.uniform(0, 20_000) for _ in range(number))
        named += read(History(times)).pattern != "unclassified"
    assert named / 2_000 < 0.01


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0541, "54.1 ms"), (5.994797, "5.99 s"), (600, "10 min"), (11_160, "3.1 h"), (517_716, "5.99 d")],
)
def test_durations_for_people(value, text):
    assert seconds(value) == text
