"""Judges for the pairs of a wave: own work, quotas, pairs seen, level loads, and as many pairs placed as possible."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from pairmark.stats.assignment import NOBODY, assign, unseen_by_all
from pairmark.stats.errors import StatsError
from pairmark.stats.pairing import plan_wave


def test_peers_never_see_their_own_work_and_get_equal_shares():
    pairs = plan_wave(30, [], [], size=150, seed=1)
    judge = assign(pairs, 30, [(k, k) for k in range(30)], 6)
    assert (np.bincount(judge, minlength=30) == 5).all()
    assert not np.any(judge[:, None] == pairs)


@pytest.mark.parametrize("seed", range(20))
def test_every_pair_that_can_be_judged_is_within_the_rules(seed):
    rng = np.random.default_rng(seed)
    judges, pairs = int(rng.integers(1, 8)), plan_wave(12, [], [], size=40, seed=seed)
    hidden = [(int(j), int(i)) for j, i in np.argwhere(rng.random((judges, 12)) < 0.3)]
    quotas = rng.integers(0, 12, judges)
    seen = [(int(rng.integers(judges)), *pairs[k, ::-1].tolist()) for k in rng.integers(0, 40, 30)]
    judge = assign(pairs, judges, hidden, quotas.tolist(), seen=seen)
    able = [
        [j for j in range(judges) if not {(j, a), (j, b)} & set(hidden) and (j, b, a) not in seen]
        for a, b in pairs.tolist()
    ]
    given = judge != NOBODY
    assert all(int(judge[k]) in able[k] for k in np.flatnonzero(given))
    assert (np.bincount(judge[given], minlength=judges) <= quotas).all()
    assert int(given.sum()) == most_that_can_be_placed(able, quotas)


def most_that_can_be_placed(able, quotas):
    """Each judge as many columns as the quota: an ordinary matching, solved by SciPy."""
    column = np.concatenate([[0], np.cumsum(quotas)])
    rows = [k for k, judges in enumerate(able) for j in judges for _ in range(quotas[j])]
    columns = [c for judges in able for j in judges for c in range(column[j], column[j + 1])]
    if not rows:
        return 0
    graph = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(able), int(column[-1])))
    return int((maximum_bipartite_matching(graph, perm_type="column") >= 0).sum())


def test_loads_are_level_even_where_one_judge_may_see_everything():
    """Judges 1 and 2 see only a part; the first takes over what they cannot see, and no more."""
    pairs = [(0, 1)] * 4 + [(2, 3)] * 4 + [(4, 5)] * 1
    hidden = [(1, 2), (1, 4), (2, 0), (2, 4)]
    judge = assign(pairs, 3, hidden)
    assert sorted(np.bincount(judge, minlength=3).tolist()) == [3, 3, 3]


def test_a_pair_that_all_may_not_see_gets_nobody_and_can_be_blocked_beforehand():
    hidden = [(0, 0), (1, 1)]
    assert assign([(0, 1), (0, 2), (1, 2)], 2, hidden).tolist() == [NOBODY, 1, 0]
    blocked = unseen_by_all(3, 2, hidden)
    assert blocked.tolist() == [[0, 1]]
    assert (assign(plan_wave(3, [], [], size=9, seed=1, blocked=blocked), 2, hidden) != NOBODY).all()


def test_a_judge_without_a_quota_left_does_not_count_as_able_to_see():
    assert unseen_by_all(3, 2, [(0, 2)], [5, 0]).tolist() == [[0, 2], [1, 2]]
    assert unseen_by_all(3, 2, [(0, 2)], 5).tolist() == []


def test_an_empty_wave_has_no_judges():
    assert assign(np.zeros((0, 2), dtype=np.int64), 3).shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"judges": 0}, "at least one judge, not 0"),
        ({"pairs": [(0, 1, 2)]}, "two in each row"),
        ({"pairs": [(0.5, 1)]}, "two in each row"),
        ({"pairs": [(-1, 1)]}, "two in each row"),
        ({"may_not_see": [(2, 0)]}, "judges from 0 to 1"),
        ({"seen": [(2, 0, 1)]}, "judges from 0 to 1"),
        ({"quotas": -1}, "whole number from 0 up"),
        ({"quotas": [1, 2, 3]}, "one for each of the 2 judges"),
    ],
)
def test_refused(arguments, sentence):
    with pytest.raises(StatsError, match=sentence):
        assign(**{"pairs": [(0, 1)], "judges": 2} | arguments)


def test_an_item_that_is_not_there_is_refused():
    with pytest.raises(StatsError, match="only 3 items"):
        unseen_by_all(3, 2, [(0, 7)])


def test_pairs_seen_by_somebody_who_is_not_there_are_refused():
    with pytest.raises(StatsError, match="a judge or an item that is not there"):
        unseen_by_all(3, 2, [], seen=[(2, 0, 1)])
    with pytest.raises(StatsError, match="a judge or an item that is not there"):
        unseen_by_all(3, 2, [], seen=[(1, 0, 3)])
