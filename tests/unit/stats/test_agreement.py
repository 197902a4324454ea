"""Agreement, first seats and turned answers: counts by hand, and intervals that hold what they promise."""

import numpy as np
import pytest

from pairmark.stats.agreement import agreement, agreement_within
from pairmark.stats.comparisons import comparisons
from pairmark.stats.errors import StatsError
from pairmark.stats.length import longer_wins
from pairmark.stats.seats import first_wins, flips, seats
from pairmark.stats.shares import share
from support.sizes import size

VOTES = [
    ("a", "b", 1, "kim"), ("b", "a", 0, "kim"), ("b", "c", 1, "kim"), ("c", "b", 1, "kim"), ("a", "c", 0.5, "kim"),
    ("a", "b", 1, "lou"), ("c", "b", 1, "lou"), ("a", "c", 1, "lou"),
]  # fmt: skip


def told():
    return comparisons([row[:3] for row in VOTES], judges=[row[3] for row in VOTES])


def of(data, name):
    return data.judge == data.judges.index(name)


def test_agreement_is_counted_per_pair_whichever_text_stood_first():
    data = told()
    found = agreement(data, of(data, "kim"), of(data, "lou"))
    assert found.value == 0.75  # on a-b both say a; on b-c kim says both, lou c; kim's tie on a-c says nothing
    assert (found.decisions, found.clusters) == (2, 2)


def test_where_nobody_decided_the_same_pair_nothing_is_told():
    data = comparisons([("a", "b", 1), ("b", "c", 1)], judges=["kim", "lou"])
    assert agreement(data, of(data, "kim"), of(data, "lou")) is None
    assert agreement_within(data, np.ones(2, dtype=bool)) is None


def test_agreement_among_people_leaves_each_judgement_itself_out():
    data = comparisons([("a", "b", 1)] * 3 + [("b", "a", 1), ("b", "c", 1)])
    found = agreement_within(data, np.ones(5, dtype=bool))
    assert found.value == pytest.approx(0.5)  # 3 of 6 pairs of four judgements; b-c was judged once
    assert found.clusters == 1


def test_seats_and_turned_answers_by_hand():
    data = told()
    found = seats(data)
    assert found.first_share.tolist() == [0.7, 1.0]
    assert found.both_orders.tolist() == [2, 0]
    assert found.flip_rate[0] == 0.5
    kim = data.only(of(data, "kim"))
    assert flips(kim).value == 0.5
    assert first_wins(kim).value == 0.75  # the tie says nothing
    with pytest.raises(StatsError, match="who judged"):
        seats(comparisons([("a", "b", 1)]))


def test_the_longer_text_wins_as_often_as_it_does():
    found = longer_wins(comparisons([("a", "b", 1), ("b", "c", 0), ("a", "c", 1)]), [10, 20, np.nan])
    assert (found.value, found.decisions) == (0.0, 1)
    assert longer_wins(comparisons([("a", "b", 1)]), [7, 7]) is None


def test_a_share_of_independent_decisions_has_wilsons_interval():
    found = share(np.array([1.0] * 8 + [0.0] * 2), np.arange(10))
    assert (found.low, found.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)  # binom::binom.wilson(8, 10)
    assert share(np.zeros(0), np.zeros(0, dtype=int)) is None


def test_unanimous_decisions_are_worth_no_more_than_their_clusters():
    once, again = share(np.ones(5), np.arange(5)), share(np.ones(50), np.repeat(np.arange(5), 10))
    assert again.low == once.low < share(np.ones(50), np.arange(50)).low
    assert once.high == 1.0


def test_alike_answers_within_a_pair_widen_the_interval():
    values = np.tile([1.0, 1.0, 0.0], 20).repeat(4)
    apart, together = share(values, np.arange(240)), share(values, np.repeat(np.arange(60), 4))
    assert together.high - together.low > 1.8 * (apart.high - apart.low)


@pytest.mark.parametrize(("pairs", "answers", "spread"), [(30, 1, 0.0), (40, 2, 0.3), (100, 6, 0.35)])
def test_intervals_hold_the_true_share_about_as_often_as_promised(pairs, answers, spread):
    """Each pair has a chance of its own around .8; answers about it are drawn from that."""
    draw, held, runs = np.random.default_rng(pairs), 0, size(400, 4000)
    for _ in range(runs):
        chance = np.clip(0.8 + spread * draw.choice([-1.0, 0.5], size=pairs, p=[1 / 3, 2 / 3]), 0, 1)
        values = (draw.random((pairs, answers)) < chance[:, None]).astype(float).ravel()
        found = share(values, np.repeat(np.arange(pairs), answers))
        held += found.low <= 0.8 <= found.high
    assert held / runs == pytest.approx(0.95, abs=0.035)
