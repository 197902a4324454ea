"""The public door of `stats`: what it exports, that it is lazy, tables of results, columns in, the next wave."""

import subprocess
import sys
from math import inf, nan

import numpy as np
import pyarrow
import pytest

import pairmark.stats
import pairmark.stats.split_half
from pairmark.stats import BadComparisonsError, Fit, StatsError, comparisons, fit, from_columns, split_half, surprises
from pairmark.stats.display import html_table, text_table

VOTES = [("anna", "bela", 1), ("bela", "cleo", 1), ("cleo", "anna", 0), ("anna", "bela", 0)] * 5 + [("dora", "cleo", 0)]
JUDGES = ["kim", "lou", "max"] * 7


@pytest.fixture(scope="module")
def scores() -> Fit:
    return fit(comparisons(VOTES, judges=JUDGES))


def test_the_door_has_what_it_says_and_each_name_once():
    assert len(set(pairmark.stats.__all__)) == len(pairmark.stats.__all__)
    assert set(pairmark.stats._HOMES) == set(pairmark.stats.__all__)
    assert all(getattr(pairmark.stats, name) is not None for name in pairmark.stats.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        _ = pairmark.stats.nothing


def test_functions_stay_in_front_of_modules_of_their_name():
    assert callable(split_half)
    assert callable(comparisons)
    assert sys.modules["pairmark.stats.split_half"].split_half is split_half


def test_the_door_loads_nothing_before_it_is_used():
    code = "import sys, pairmark.stats; print('numpy' in sys.modules, [n for n in sys.modules if 'stats.' in n])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False []"


def test_an_item_is_asked_for_by_id_or_number(scores):
    assert scores.probability("anna", "cleo") == scores.probability(0, 2)
    assert scores.win_probability("anna", 2) == scores.win_probability(0, "cleo")
    assert scores.difference_se("anna", "dora") == scores.difference_se(0, 3)
    assert scores.outcome_chances("anna", "dora") == scores.outcome_chances(0, 3)
    for wrong in ("eve", 4, -1):
        with pytest.raises(StatsError, match=str(wrong)):
            scores.probability("anna", wrong)


def test_a_fit_becomes_a_data_frame_of_any_library(scores):
    table = pyarrow.table(scores.to_dict(rank_intervals=True))
    assert table.num_rows == 4
    assert table["theta"].to_pylist() == scores.theta.tolist()
    assert table["item"].to_pylist() == list(scores.items)
    assert table["rank_low"].to_pylist() == scores.rank_interval()[0].tolist()
    assert (table["low"].to_numpy() < scores.interval(0.5)[0]).all()


def test_the_answers_of_a_fit_are_those_of_the_functions(scores):
    assert scores.judge_misfit(simulations=0).to_dict()["ids"] == ["kim", "lou", "max"]
    assert scores.essay_misfit(simulations=20).to_dict().keys() >= {"infit", "outfit_p"}
    assert "log_likelihood" not in scores.screen().to_dict()
    assert scores.judge_summary().to_dict()["comparisons"] == [7, 7, 7]
    assert scores.split_half("comparisons", splits=20).over == "comparisons"
    assert scores.surprises(3).to_dict() == surprises(scores, 3).to_dict()


def test_reliability_names_both_formulas_and_warns_of_adaptive_pairs():
    truth = np.linspace(-3, 3, 40)
    rng = np.random.default_rng(5)
    blind = [tuple(rng.choice(40, 2, replace=False)) for _ in range(480)]
    near = [(i, i + d) for d in (1, 2) for i in range(40 - d)] * 6 + blind
    for pairs, told in ((near, True), (blind, False)):
        first, second = np.array(pairs).T
        won = (rng.random(len(first)) < 1 / (1 + np.exp(truth[second] - truth[first]))).astype(float)
        found = fit(comparisons((first, second, won), items=[f"e{k:02}" for k in range(40)])).reliability()
        assert found.looks_adaptive is told
        assert bool(found.warning) is told
        assert "1 - 1/G**2" in repr(found)
        assert 0 < found.headline < 1


def test_results_show_themselves_escaped(scores):
    hostile = fit(comparisons([("<b>x</b>", "\x1b[2J", 1), ("\x1b[2J", "<b>x</b>", 0)]))
    page = hostile._repr_html_()
    assert "<b>x" not in page
    assert "&lt;b&gt;x" in page
    assert "\x1b" not in page
    assert "\x1b" not in repr(hostile.essay_misfit(simulations=0))
    assert "4 items from 21 comparisons by 3 judges" in repr(scores)
    assert scores._repr_html_().index("anna") < scores._repr_html_().index("cleo"), "best first"


def test_a_long_table_shows_its_ends_and_a_number_that_is_none_a_dash():
    columns = {"id": [f"e{k}" for k in range(40)], "p": [nan] + [0.5] * 39}
    lines = text_table(columns).splitlines()
    assert len(lines) == 1 + 10 + 1 + 5
    assert lines[1].split() == ["e0", "-"]
    assert "e39" in lines[-1]
    assert "0.500" in lines[-1]
    assert html_table(columns).count("<tr>") == 17


COLUMNS = {
    "left": ["a", "b", "c"],
    "right": ["b", "c", "a"],
    "word": ["left", "tie", "Right"],
    "number": [1, 0.5, 0],
    "best": ["a", None, "a"],
    "who": ["kim", "lou", "kim"],
    "time": [1.5, nan, None],
}


@pytest.mark.parametrize("how", [{"outcome": "word"}, {"outcome": "number"}, {"winner": "best"}])
@pytest.mark.parametrize("frame", [COLUMNS, pyarrow.table(COLUMNS)], ids=["dict", "arrow"])
def test_columns_of_any_table_are_the_same_comparisons(frame, how):
    found = from_columns(frame, first="left", second="right", judge="who", seconds="time", **how)
    assert found.outcome.tolist() == [1, 0.5, 0]
    assert found.items == ("a", "b", "c")
    assert found.judges == ("kim", "lou")
    assert found.seats
    assert np.isnan(found.seconds).tolist() == [False, True, True]


def test_winners_and_losers_say_nothing_about_seats():
    found = from_columns(winner=np.array([1, 2, 1]), loser=[2, 3, 3], weight=[1, 2, 1], judge=["k", "k", "l"])
    assert found.items == ("1", "2", "3")
    assert found.weight.tolist() == [1, 2, 1]
    assert not found.seats
    assert not found.only(np.array([0])).seats
    with pytest.raises(StatsError, match="shown first"):
        fit(found, order_effect=True)
    scores = fit(found)
    assert np.isnan(scores.judge_summary().first_share).all()
    assert "one seat" not in scores.screen(false_alarms=1.0).finding


def test_whole_numbers_are_the_same_ids_where_a_gap_made_them_floats():
    """A column of whole numbers becomes one of floats in pandas as soon as a value is missing, such as the winner of a tie."""
    found = from_columns(first=[1, 2, 3], second=np.array([2.0, 3.0, 1.0]), winner=[1.0, nan, np.float32(1)])
    assert found.items == ("1", "2", "3")
    assert found.outcome.tolist() == [1, 0.5, 0]


class Series:
    """A column as pandas and polars hand it out: its list shows Python's floats, its dtype what they were."""

    def __init__(self, values, dtype):
        self.values, self.dtype = values, dtype

    def to_list(self):
        return list(map(float, self.values))


@pytest.mark.parametrize("bits", [16, 32])
@pytest.mark.parametrize("form", ["numpy", "arrow", "float{}", "Float{}", "{}[pyarrow]"])
def test_short_floats_are_ids_only_as_far_as_each_stands_for_one_number(bits, form):
    """Their columns become lists of Python's floats, in which 16777216 may have been 16777217."""
    several = {16: 2**11, 32: 2**24}[bits]

    def column(*values):
        array = np.array(values, dtype=f"float{bits}")
        if form in ("numpy", "arrow"):
            return array if form == "numpy" else pyarrow.chunked_array([array])
        return Series(values, form.format(pyarrow.from_numpy_dtype(array.dtype) if "[" in form else bits))

    assert from_columns(winner=column(several - 1), loser=[1]).items == ("1", str(several - 1))
    with pytest.raises(BadComparisonsError, match=rf"Row 2: the id {several}\.0"):
        from_columns(winner=column(several - 1, several), loser=[1, 2])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"first": "left", "second": "right"}, "Give winner and loser"),
        ({"winner": "left", "loser": "nowhere"}, "no column 'nowhere'"),
        ({"first": "left", "second": "right", "winner": ["a", "a", "x"]}, "Row 2: the winner 'a'"),
        ({"first": "left", "second": "right", "outcome": ["left", "what", 1]}, "Row 2: the outcome nan"),
        ({"winner": ["a", None], "loser": ["b", "c"]}, "Row 2: the id None"),
        ({"winner": ["a"], "loser": ["b", "c"]}, "differ in length: winner 1, loser 2"),
        ({"winner": [1.5], "loser": ["b"]}, "Row 1: the id 1.5"),
        ({"winner": [1.0, nan], "loser": [2.0, 3.0]}, "Row 2: the id nan"),
        ({"winner": [1.0, inf], "loser": [2.0, 3.0]}, "Row 2: the id inf"),
        ({"winner": [2.0**53], "loser": [1]}, "Row 1: the id 9007199254740992.0"),
        ({"winner": [np.float32(2**24)], "loser": [1]}, "Row 1: the id 16777216.0"),
        ({"winner": [True], "loser": [2]}, "Row 1: the id True"),
    ],
)
def test_columns_that_do_not_fit_are_named(given, said):
    with pytest.raises(BadComparisonsError, match=said):
        from_columns(COLUMNS, **given)
    with pytest.raises(BadComparisonsError, match="no data"):
        from_columns(winner="left", loser="right")


def test_the_most_surprising_comparison_comes_first_and_ties_count_where_they_are_modelled(scores):
    found = surprises(scores, 100, item="dora")
    assert found.row.tolist() == [20]
    everything = surprises(scores, 100)
    assert (np.diff(everything.chance) >= 0).all()
    by_hand = [scores.probability(*(one, other) if won else (other, one)) for one, other, won in VOTES]
    assert everything.chance == pytest.approx(sorted(by_hand))
    assert everything.judge[0] == JUDGES[everything.row[0]]
    tied = fit(comparisons([("a", "b", 0.5), ("a", "b", 1), ("b", "c", 1), ("c", "a", 0.5)]))
    chance = dict(zip(surprises(tied).row.tolist(), surprises(tied).chance.tolist(), strict=True))
    at_mode = tied.outcome_chances("a", "b")
    assert chance[0] + chance[1] < 1
    assert chance[0] == pytest.approx(at_mode[1], abs=0.1)


def test_the_next_wave_respects_judges(scores):
    wave = scores.next_pairs(8, judges=["kim", "new"], may_not_see={"new": ["anna"]}, quotas={"new": 2})
    assert 0 < len(wave) <= 8
    assert wave.judge.count("new") <= 2
    for one, other, judge in zip(wave.first, wave.second, wave.judge, strict=True):
        assert judge != "new" or "anna" not in (one, other)
        seen = {frozenset(row[:2]) for row, who in zip(VOTES, JUDGES, strict=True) if who == judge}
        assert frozenset((one, other)) not in seen
    assert scores.next_pairs(3).judge == (None, None, None)
    with pytest.raises(StatsError, match="'eve' is not one of the judges"):
        scores.next_pairs(3, judges=["kim"], quotas={"eve": 1})
    with pytest.raises(StatsError, match="listed twice"):
        scores.next_pairs(3, judges=["kim", "kim"])
    with pytest.raises(StatsError, match="pairs in a wave"):
        scores.next_pairs(0)


def test_a_pair_that_every_judge_there_has_seen_is_not_planned():
    votes = [("a", "b", 1), ("b", "c", 1), ("c", "a", 1)]
    scores = fit(comparisons(votes, judges=["kim"] * 3))
    assert len(scores.next_pairs(9, judges=["kim"])) == 0
    wave = scores.next_pairs(9, judges=["kim", "lou"], quotas={"kim": 9, "lou": 9})
    assert set(wave.judge[:3]) == {"lou"}


def test_pairs_asked_often_may_be_asked_again_unless_a_limit_says_no(scores):
    assert len(scores.next_pairs(30)) > 0
    assert len(scores.next_pairs(100, pair_limit=1)) == 2, "only two pairs were never asked"
