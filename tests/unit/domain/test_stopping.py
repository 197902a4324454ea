"""When to wait, go on, end or give up: each rule at its edge, one step below and one step above."""

import pytest

from pairmark.domain.statuses import StopReason
from pairmark.domain.stopping import (
    MINIMUM_ANSWERS,
    Rules,
    Scale,
    Tally,
    below_success_rate,
    is_due,
    largest_budget,
    may_end,
    overlap,
    stop_reason,
    threshold_passed,
    wave_size,
    wave_size_in_both_orders,
    wave_size_in_jobs,
)

RULES = Rules(target_reliability=0.85, stability_threshold=0.025, success_rate=0.8, completion_threshold=1.0)
EARLY = Rules(target_reliability=None, stability_threshold=0.025, success_rate=0.8, completion_threshold=0.9)


def tally(budget: int, sent: int, answered: int, counted: int | None = None) -> Tally:
    return Tally(budget, sent, answered, answered if counted is None else counted)


def test_a_tally_knows_what_is_open_and_what_failed():
    assert (Tally(100, 50, 40, 35).outstanding, Tally(100, 50, 40, 35).failed) == (10, 5)


@pytest.mark.parametrize(("answered", "due"), [(0, False), (49, False), (50, True)])
def test_a_decision_is_due_when_the_wave_is_answered(answered: int, due: bool):
    assert is_due(tally(100, 50, answered), RULES) is due


@pytest.mark.parametrize(("answered", "due"), [(79, False), (80, True), (100, True)])
def test_with_an_overlap_a_decision_is_due_while_the_latest_wave_is_open(answered: int, due: bool):
    assert is_due(Tally(200, 100, answered, answered, overlap=20), RULES) is due


@pytest.mark.parametrize(
    ("budget", "sent", "rules", "open_then"),
    [
        (1_280, 0, EARLY, 64),  # a long run, and no target that may end it early
        (1_279, 0, EARLY, 0),
        (5_000, 0, RULES, 0),
        (5_000, 960 - 65, RULES, 0),
        (5_000, 960 - 64, RULES, 64),  # eight comparisons sent for each essay
        (960, 960 - 64, RULES, 0),  # the last wave
    ],
)
def test_waves_overlap_where_a_wave_is_little(budget: int, sent: int, rules: Rules, open_then: int):
    assert overlap(64, 120, tally(budget, sent, sent), rules) == open_then


@pytest.mark.parametrize(
    ("scale", "known", "ends"),
    [
        (Scale(0.84, 1.0, connected=True), 100, True),  # .863 with a fifth more verdicts, by Spearman and Brown
        (Scale(0.82, 1.0, connected=True), 100, False),  # .8454
        (Scale(0.84, 1.0, connected=True), 300, False),  # .8485 with a fifteenth more
        (Scale(0.1, 0.02, connected=True), 100, True),  # stable
        (Scale(0.9, 0.0, connected=False), 100, False),
        (Scale(0.9, 0.0, connected=True), MINIMUM_ANSWERS - 1, True),  # with the open ones there are enough
        (Scale(None, None, connected=True), 100, False),
    ],
)
def test_answers_that_may_end_a_batch_are_waited_for(scale: Scale, known: int, ends: bool):
    assert may_end(known, 20, scale, RULES) is ends


def test_nothing_known_ends_nothing():
    assert not may_end(0, 20, Scale(None, None, connected=False), RULES)


@pytest.mark.parametrize(
    ("sent", "answered", "passed"), [(100, 89, False), (100, 90, True), (99, 98, False), (100, 100, True)]
)
def test_the_threshold_counts_against_the_whole_budget_and_only_once_all_is_sent(
    sent: int, answered: int, passed: bool
):
    assert threshold_passed(tally(100, sent, answered), EARLY) is passed
    assert is_due(tally(100, sent, answered), EARLY) is passed


def test_a_threshold_of_one_never_passes_before_the_last_answer():
    assert not threshold_passed(tally(100, 100, 99), RULES)
    assert threshold_passed(tally(100, 100, 100), RULES)


@pytest.mark.parametrize(
    ("budget", "answered", "counted", "below"),
    [
        (100, 11, 0, False),  # too few answers to tell
        (100, 12, 9, True),  # 75 %
        (100, 12, 10, False),  # 83 %
        (100, 100, 80, False),  # exactly at the limit
        (100, 100, 79, True),
        (4, 4, 3, True),  # a small budget is told by all its answers
        (4, 3, 0, False),
        (4, 4, 4, False),
    ],
)
def test_the_success_rate_needs_enough_answers(budget: int, answered: int, counted: int, below: bool):
    assert below_success_rate(Tally(budget, budget, answered, counted), RULES) is below


ENOUGH = tally(100, 50, 50)


@pytest.mark.parametrize(
    ("scale", "reason"),
    [
        (Scale(0.85, 1.0, connected=True), StopReason.RELIABILITY_REACHED),
        (Scale(0.849, 1.0, connected=True), None),
        (Scale(None, 1.0, connected=True), None),
        (Scale(0.5, 0.025, connected=True), StopReason.SCORES_STABLE),
        (Scale(0.5, 0.0251, connected=True), None),
        (Scale(0.5, None, connected=True), None),
        (Scale(0.85, 0.0, connected=True), StopReason.RELIABILITY_REACHED),
        (Scale(0.99, 0.0, connected=False), None),
    ],
)
def test_only_a_connected_scale_ends_as_stable(scale: Scale, reason: StopReason | None):
    assert stop_reason(ENOUGH, scale, RULES) is reason


def test_without_a_target_no_reliability_ends_a_batch():
    assert stop_reason(ENOUGH, Scale(0.999, 1.0, connected=True), EARLY) is None


@pytest.mark.parametrize(
    ("counted", "reason"), [(MINIMUM_ANSWERS - 1, None), (MINIMUM_ANSWERS, StopReason.RELIABILITY_REACHED)]
)
def test_stability_means_nothing_before_enough_verdicts(counted: int, reason: StopReason | None):
    assert stop_reason(Tally(100, 20, 20, counted), Scale(0.99, 0.0, connected=True), RULES) is reason


@pytest.mark.parametrize("connected", [True, False])
def test_a_spent_budget_ends_any_batch(connected: bool):
    scale = Scale(0.1, 1.0, connected=connected)
    assert stop_reason(tally(100, 100, 100), scale, RULES) is StopReason.BUDGET_SPENT
    assert stop_reason(tally(100, 99, 99), scale, RULES) is None


def test_a_goal_that_is_reached_with_the_last_comparison_is_reached():
    assert stop_reason(tally(100, 100, 100), Scale(0.9, 1.0, connected=True), RULES) is StopReason.RELIABILITY_REACHED


@pytest.mark.parametrize(("essays", "sent", "size"), [(10, 0, 10), (10, 95, 5), (10, 100, 0), (2, 0, 2), (200, 0, 100)])
def test_a_wave_gives_two_appearances_within_the_budget(essays: int, sent: int, size: int):
    assert wave_size(essays, tally(100, sent, sent)) == size


@pytest.mark.parametrize(("essays", "limit", "budget"), [(2, 4, 4), (4, 4, 24), (35, 1, 595), (1, 4, 0), (3, 0, 0)])
def test_no_budget_is_larger_than_what_can_be_asked(essays: int, limit: int, budget: int):
    assert largest_budget(essays, limit) == budget


def test_waves_that_take_a_day_are_thirds_of_the_budget():
    sent, sizes = 0, []
    while sent < 1_000:
        sizes.append(wave_size_in_jobs(100, Tally(1_000, sent, sent, sent)))
        sent += sizes[-1]
    assert sizes == [334, 334, 332]
    assert wave_size_in_jobs(40, Tally(90, 0, 0, 0)) == wave_size_in_both_orders(40, Tally(90, 0, 0, 0))
