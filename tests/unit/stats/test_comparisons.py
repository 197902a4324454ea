"""The validation gate: what it refuses, and what it says."""

import numpy as np
import pytest

from pairmark.stats.comparisons import comparisons
from pairmark.stats.errors import BadComparisonsError, StatsError

INDICES = np.array([0, 1]), np.array([1, 2]), np.array([1.0, 0.5])


@pytest.mark.parametrize(
    ("rows", "options", "sentence"),
    [
        ([("a", "b", 1), ("b", "b", 1)], {}, "Row 2: 'b' is compared with itself."),
        ([("a", "b", 1), ("a", "x", 1)], {"items": ["a", "b"]}, "Row 2: 'x' is not one of the items."),
        ([("a", "b", 0.7)], {}, "Row 1: the outcome 0.7 is not 1, 0.5 or 0."),
        ([("a", "b", float("nan"))], {}, "Row 1: the outcome nan is not 1, 0.5 or 0."),
        ([("a", "b", "left")], {}, "Row 1: the outcome nan is not 1, 0.5 or 0."),
        ([("a", "b", 1)], {"weights": [float("inf")]}, "Row 1: the weight inf is not a finite number."),
        ([("a", "b", 1), ("a", "b", 1)], {"weights": [1, -2]}, "Row 2: the weight -2.0 is negative."),
        ([("a", "b", 1), ("a", "b", 1)], {"weights": [0, 1e-300]},
         "Row 2: the weight 1e-300 is neither 0 nor from 1e-09 to 1e+09."),
        ([("a", "b", 1)], {"weights": [1e12]}, "Row 1: the weight 1000000000000.0 is neither 0 nor from 1e-09 to 1e+09."),
        ([("a", "b", 1)], {"weights": ["x"]}, "Row 1: the weight 'x' is not a number."),
        ([("a", "b", 1)], {"weights": [1e6], "judges": ["k"], "judge_weights": {"k": 1e6}},
         "Row 1: the weight 1000000000000.0 is neither 0 nor from 1e-09 to 1e+09."),
        ([("a", "b", 1), None], {}, "Row 2: expected (first id, second id, outcome) with text ids, got None."),
        ([("a", "b", 1)], {"seconds": ["x"]}, "Row 1: the time 'x' is not a finite number of seconds from 0 up."),
        ((*INDICES[:2], np.array(["1", "x"])), {"items": ["a", "b", "c"]}, "Row 1: the outcome '1' is not a number."),
        (INDICES, {"items": ["a", "b", 3]}, "The item 3 is not a text id; `from_columns` takes numbers, too."),
        (INDICES, {"items": ["a", None, "c"]}, "The item None is not a text id; `from_columns` takes numbers, too."),
        ([("a", "b", 1)], {"weights": [1, 1]}, "There are 1 comparisons but 2 weights."),
        ([("a", "b", 1)], {"items": ["a", "b", "a"]}, "The item 'a' is listed twice."),
        ([], {}, "There are no comparisons."),
        ([], {"items": ["a", "b"]}, "There are no comparisons."),
        ([("a", "a", 1)], {}, "One item cannot be compared; at least two are needed."),
        ([("a", "b")], {}, "Row 1: expected (first id, second id, outcome) with text ids, got ('a', 'b')."),
        ([(1, 2, 1)], {}, "Row 1: expected (first id, second id, outcome) with text ids, got (1, 2, 1)."),
        (INDICES, {}, "Arrays of indices need the list of items they point into."),
        (INDICES, {"items": ["a", "b"]}, "Row 2: index outside the list of 2 items (1, 2)."),
        ((-INDICES[0], *INDICES[1:]), {"items": ["a", "b", "c"]}, "Row 2: index outside the list of 3 items (-1, 2)."),
        ((INDICES[0][:1], *INDICES[1:]), {"items": ["a", "b"]}, "The arrays of first, second and outcome differ in length."),
        ((INDICES[0] / 2, *INDICES[1:]), {"items": ["a"]}, "The arrays of first and second must hold whole-number indices."),
    ],
)  # fmt: skip
def test_refused_in_one_sentence_that_names_the_row(rows, options, sentence):
    with pytest.raises(BadComparisonsError) as refused:
        comparisons(rows, **options)
    assert str(refused.value) == sentence
    assert isinstance(refused.value, StatsError)
    assert isinstance(refused.value, ValueError)


def test_ids_and_indices_give_the_same_comparisons():
    from_ids = comparisons([("a", "b", 1), ("b", "c", 0.5)])
    from_indices = comparisons(INDICES, items=["a", "b", "c"])
    assert from_ids.items == from_indices.items == ("a", "b", "c")
    for name in ("first", "second", "outcome", "weight"):
        np.testing.assert_array_equal(getattr(from_ids, name), getattr(from_indices, name))


def test_the_arrays_of_the_caller_are_copied_and_ours_are_read_only():
    first, second, outcome = (part.copy() for part in INDICES)
    data = comparisons((first, second, outcome), items=["a", "b", "c"])
    outcome[0] = 0
    assert data.outcome[0] == 1
    with pytest.raises(ValueError, match="read-only"):
        data.outcome[0] = 0


def test_counts_of_pairs_and_items():
    data = comparisons([("a", "b", 1), ("b", "a", 1), ("b", "a", 0.5), ("c", "a", 0)], weights=[1, 2, 3, 4])
    assert (data.pairs.first.tolist(), data.pairs.second.tolist()) == ([0, 0], [1, 2])
    assert (data.pairs.won.tolist(), data.pairs.weight.tolist()) == ([2.5, 4.0], [6.0, 4.0])
    assert (data.ordered_pairs.first.tolist(), data.ordered_pairs.second.tolist()) == ([0, 1, 2], [1, 0, 0])
    assert (data.wins.tolist(), data.appearances.tolist()) == ([6.5, 3.5, 0.0], [10.0, 6.0, 4.0])


def test_groups_are_told_apart_and_an_unseen_item_is_its_own_group():
    data = comparisons([("d", "c", 1), ("b", "a", 1), ("a", "e", 1)], items=["a", "b", "c", "d", "e", "unseen"])
    assert data.groups() == (("a", "b", "e"), ("c", "d"), ("unseen",))


def test_a_comparison_of_weight_zero_connects_nothing():
    assert len(comparisons([("a", "b", 1), ("b", "c", 1)], weights=[1, 0]).groups()) == 2


@pytest.mark.parametrize(
    ("rows", "strongly"),
    [
        ([("a", "b", 1), ("b", "c", 1)], False),
        ([("a", "b", 1), ("b", "c", 1), ("c", "a", 1)], True),
        ([("a", "b", 0.5), ("b", "c", 0.5)], True),
        ([("a", "b", 1), ("b", "a", 1), ("c", "b", 0), ("c", "a", 0)], False),
    ],
)
def test_strong_connection(rows, strongly):
    assert comparisons(rows).strongly_connected is strongly


def test_items_that_won_or_lost_everything():
    data = comparisons([("a", "b", 1), ("b", "c", 1), ("a", "c", 1)], items=["a", "b", "c", "unseen"])
    assert (data.all_won(), data.all_lost()) == (("a",), ("c",))


@pytest.mark.parametrize("n_items", [30, 30_000])  # short and long cell numbers
def test_counts_per_pair_are_those_of_a_plain_loop(n_items):
    rng = np.random.default_rng(6)
    first = rng.integers(0, 30, 500)
    second = (first + rng.integers(1, 30, 500)) % 30
    outcome = rng.integers(0, 3, 500) / 2
    expected = {}
    for i, j, y in zip(first.tolist(), second.tolist(), outcome.tolist(), strict=True):
        pair, result = ((i, j), y) if i < j else ((j, i), 1 - y)
        won, weight, tied = expected.get(pair, (0, 0, 0))
        expected[pair] = (won + result, weight + 1, tied + (result == 0.5))
    offset = n_items - 30  # the last items, so that the numbers are as long as they get
    items = [f"{k:05}" for k in range(n_items)]
    for weight in (None, np.full(500, 3.0), np.full(500, 0.1)):
        data = comparisons((first + offset, second + offset, outcome), items=items, weights=weight)
        pairs, times = data.pairs, 1.0 if weight is None else weight[0]
        found = zip(pairs.first - offset, pairs.second - offset, pairs.won, pairs.weight, pairs.tied, strict=True)
        counts = {(i, j): (won / times, total / times, tied / times) for i, j, won, total, tied in found}
        assert list(counts) == sorted(expected)
        for pair, values in counts.items():
            assert values == pytest.approx(expected[pair], rel=1e-12)
