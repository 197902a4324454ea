"""What the audit makes of repetitions whose cause is known: worlds acted out by mechanisms, read from an outbox and callbacks."""

import csv
from collections import Counter
from random import Random

import pytest

from pairmark.audit import audit
from pairmark.audit.patterns import read
from pairmark.audit.reading import History
from support.histories import world
from support.readings import OPEN, audited, confusions, macro_f1, matrix, wrong
from support.sizes import size

WORLDS, FEW_WORLDS, FACTS = size(4, 52), size(3, 20), 100


def test_causes_are_found_in_worlds_of_known_cause(tmp_path):
    found = Counter()
    for seed in range(WORLDS):
        made = world(seed, FACTS)
        report = audited(made, tmp_path)
        assert all(any(sign.isdigit() for line in one.evidence for sign in line) for one in report.findings)
        found += confusions(made, report)
    assert found.total() >= 0.93 * WORLDS * FACTS
    assert macro_f1(found) >= 0.95, matrix(found)
    assert wrong(found).total() <= 0.005 * found.total(), matrix(found)


def test_with_few_repetitions_it_is_unclear_and_not_wrong(tmp_path):
    """Two or three events fit almost anything: what is named as likely is right, and what is open says so."""
    named, sure = Counter(), Counter()
    for seed in range(FEW_WORLDS):
        made = world(1_000 + seed, FACTS, few=True)
        report = audited(made, tmp_path)
        named += confusions(made, report)
        sure += confusions(made, report, sure=True)
    assert wrong(sure).total() <= 0.01 * sure.total(), matrix(sure)
    assert wrong(named).total() <= 0.04 * named.total(), matrix(named)


def outbox(path, times_of, header=("aggregate_id", "event_type", "created_at")):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [header, *((name, "done", one) for name, times in times_of.items() for one in times)]
        )
    return str(path)


def test_among_many_facts_some_agree_by_chance_and_nothing_is_made_of_it(tmp_path):
    """900 pairs at chance moments: many share a gap with five others, and a gap near a time-out."""
    draw = Random(8)
    pairs = {}
    for number in range(900):
        begin = draw.uniform(1.763e9, 1.763e9 + 7_200)
        pairs[f"a{number}"] = [f"{begin:.3f}", f"{begin + 10 ** draw.uniform(0, 4):.3f}"]
    found = Counter(one.pattern for one in audit(outbox(tmp_path / "x.csv", pairs)).findings)
    assert sum(number for pattern, number in found.items() if pattern not in OPEN) <= 9, found


def test_facts_that_repeat_after_the_same_gap_are_a_redelivery_and_at_the_same_seconds_a_restart(tmp_path):
    draw = Random(3)
    begins = [1.763e9 + draw.uniform(0, 5_000) for _ in range(12)]
    report = audit(outbox(tmp_path / "x.csv", {f"a{n}": [one, one + 30.05] for n, one in enumerate(begins)}))
    assert {one.pattern for one in report.findings} == {"redelivery"}
    assert "12 facts" in report.findings[0].evidence[1]
    again = {f"a{n}": [one, 1.763e9 + 9_000 + n / 10] for n, one in enumerate(begins)}
    report = audit(outbox(tmp_path / "y.csv", again))
    assert {one.pattern for one in report.findings} == {"restart_burst"}


def test_a_sweep_over_open_facts_is_taken_for_neither(tmp_path):
    sweep = {f"a{n}": [1.763e9 + n / 50 + turn * 30.0 for turn in range(2)] for n in range(12)}
    assert {one.pattern for one in audit(outbox(tmp_path / "x.csv", sweep)).findings} <= OPEN
    thrice = {f"a{n}": [1.763e9 + n / 50 + turn * 77.0 for turn in range(3)] for n in range(12)}
    assert {one.pattern for one in audit(outbox(tmp_path / "y.csv", thrice)).findings} <= OPEN


def test_times_rounded_to_days_or_seconds_are_no_race_and_may_be_a_burst(tmp_path):
    (found,) = audit(outbox(tmp_path / "x.csv", {"a": ["2025-11-15", "2025-11-15"]})).findings
    assert found.pattern == "unclassified"
    seconds = [f"2025-11-15 18:59:{43 + number // 14}" for number in range(83)]
    (found,) = audit(outbox(tmp_path / "y.csv", {"a": seconds})).findings
    assert found.pattern == "tight_burst"
    assert "rounded to 1 s" in found.evidence[1]


def test_triggers_are_joined_by_aggregate_where_they_name_it(tmp_path):
    """The callbacks of a hundred other batches at the same time do not hide that this one had one."""
    draw = Random(2)
    loop = {"mine": [1.763e9 + number * 0.08 for number in range(40)]}
    source = outbox(tmp_path / "x.csv", loop)
    rows = [("mine", 1.763e9 - 0.02), *((f"other{n}", 1.763e9 + draw.uniform(-9, 9)) for n in range(900))]
    callbacks = tmp_path / "callbacks.csv"
    for header, pattern in (("batch_id,received_at", "runaway_loop"), ("colour,received_at", "tight_burst")):
        callbacks.write_text("\n".join([header, *(f"{name},{one}" for name, one in rows)]), encoding="utf-8")
        found = audit(source, triggers=str(callbacks), trigger_columns={"time": "received_at"}).findings[0]
        assert found.pattern == pattern
    columns = {"time": "received_at", "aggregate": "colour"}
    assert audit(source, triggers=str(callbacks), trigger_columns=columns).findings[0].pattern == "runaway_loop"


@pytest.mark.parametrize("late", [0, 3])
def test_every_nth_is_found_in_a_stream_that_begins_late_or_lacks_a_row(tmp_path, late):
    draw = Random(5)
    moments = [1.763e9]
    while len(moments) < 220:
        moments.append(moments[-1] + draw.expovariate(1 / 9))
    source = outbox(tmp_path / "x.csv", {"a": [f"{one + 0.01:.3f}" for one in moments[10::10]]})
    seen = [f"a,{one:.3f}" for number, one in enumerate(moments) if number >= late and number != 95]
    (tmp_path / "c.csv").write_text("\n".join(["batch_id,received_at", *seen]), encoding="utf-8")
    columns = {"time": "received_at"}
    found = audit(source, triggers=str(tmp_path / "c.csv"), trigger_columns=columns).findings[0]
    assert (found.pattern, found.evidence[0][:19]) == ("every_nth", "19 of 20 times a mu")


def test_events_that_have_nothing_to_do_with_the_triggers_are_no_drain():
    """As many triggers as events, at moments of their own."""
    named = 0
    for seed in range(300):
        draw = Random(seed)
        times, triggers = (sorted(draw.uniform(0, 1_000) for _ in range(number)) for number in (30, 32))
        named += read(History(times, triggers=triggers)).pattern == "trigger_drain"
    assert named <= 3


def test_a_drain_whose_delay_is_near_half_the_pause_between_triggers_is_still_one():
    """Many events come after the next trigger already."""
    named = 0
    for seed in range(40):
        draw = Random(seed)
        triggers = [0.0]
        while len(triggers) < 60:
            triggers.append(triggers[-1] + 0.05 * (0.2 + draw.expovariate(1 / 0.8)))
        times = sorted(one + 0.02 * draw.uniform(0.8, 1.2) for one in triggers[20:])
        named += read(History(times, triggers=triggers)).pattern == "trigger_drain"
    assert named >= 35


def test_repetitions_right_after_the_first_event_are_no_restart(tmp_path):
    """Twelve facts of one busy second, each repeated within that second."""
    draw = Random(4)
    pairs = {f"a{n}": [1.763e9 + n / 20, 1.763e9 + n / 20 + draw.uniform(0.1, 0.9)] for n in range(12)}
    assert {one.pattern for one in audit(outbox(tmp_path / "x.csv", pairs)).findings} <= OPEN
