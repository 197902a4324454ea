"""What a design needs: more for a higher target, noisier judges and closer essays; and what is refused."""

import pytest

from pairmark.stats.designs import Design, need
from pairmark.stats.errors import StatsError

SEEDS = range(6)


def comparisons(rule="equal-appearances", **design):
    return need(Design(**{"essays": 40, "target": 0.8} | design), rule, SEEDS).comparisons.median


def test_harder_tasks_need_more_comparisons():
    easy = comparisons()
    assert comparisons(target=0.9) > easy
    assert comparisons(judge_noise=1.5) > easy
    assert comparisons(random_share=0.3) > easy
    assert comparisons(true_sd=1.0) > easy
    assert comparisons(essays=80) > easy


def test_noise_of_two_is_the_same_as_half_the_spread():
    noisy = need(Design(40, 0.7, true_sd=2.0, judge_noise=2.0), "random", SEEDS)
    close = need(Design(40, 0.7, true_sd=1.0), "random", SEEDS)
    assert noisy == close


def test_the_rule_that_looks_at_scores_needs_fewer():
    assert comparisons("adaptive", essays=60, target=0.85) < comparisons(essays=60, target=0.85)


def test_what_it_comes_to_follows_from_the_comparisons():
    found = need(Design(40, 0.8, seconds=90.0, cost=0.25, comparisons_per_judge=50), "adaptive", [1])
    asked = found.comparisons.median
    assert (found.comparisons.low, found.comparisons.high) == (asked, asked)
    assert found.comparisons_per_essay.median == pytest.approx(2 * asked / 40)
    assert found.judges.median == -(-asked // 50)
    assert found.hours.median == pytest.approx(asked * 90 / 3600)
    assert found.cost.median == pytest.approx(asked * 0.25)
    assert found.reliability.median >= 0.8
    assert (found.sessions, found.reached) == (1, 1)


def test_the_true_reliability_is_near_the_target_where_sessions_stop():
    found = need(Design(100, 0.8), "adaptive", range(8))
    assert found.true_reliability.median == pytest.approx(0.8, abs=0.06)


def test_coin_tosses_never_get_there():
    found = need(Design(40, 0.8, true_sd=0.0, most_per_essay=10), "adaptive", SEEDS)
    assert (found.reached, found.comparisons, found.hours) == (0, None, None)


def test_the_same_seeds_give_the_same_numbers():
    assert need(Design(20, 0.7), "adaptive", SEEDS) == need(Design(20, 0.7), "adaptive", SEEDS)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"essays": 2}, "number of essays must lie between 3 and 1,000, not 2"),
        ({"target": 1.0}, "target reliability must lie between 0.05 and 0.99, not 1"),
        ({"target": float("nan")}, "target reliability must lie between 0.05 and 0.99, not nan"),
        ({"true_sd": -1.0}, "true SD must lie between 0 and 10"),
        ({"judge_noise": 0.0}, "judge noise must lie between 0.1 and 10"),
        ({"random_share": 1.5}, "random share must lie between 0 and 0.9"),
        ({"seconds": 0.0}, "seconds per comparison must lie"),
        ({"cost": float("inf")}, "cost per comparison must lie"),
        ({"comparisons_per_judge": 0}, "comparisons per judge must lie between 1"),
        ({"most_per_essay": 1}, "most comparisons per essay must lie between 2 and 200"),
    ],
)
def test_refused(wrong, sentence):
    with pytest.raises(StatsError, match=sentence):
        Design(**{"essays": 40, "target": 0.8} | wrong)
