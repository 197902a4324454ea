import math
import subprocess
import sys
from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairmark.judges.question import Question
from pairmark.judges.simulated import SimulatedJudge

Build = Callable[..., Question]
IDS = [f"essay-{number}" for number in range(300)]

questions = st.lists(
    st.builds(
        Question,
        request_id=st.just("r"),
        first_id=st.text(max_size=5),
        second_id=st.text(max_size=5),
        first_text=st.text(max_size=3),
        second_text=st.just(""),
        repeat=st.integers(0, 5),
        attempt=st.integers(1, 5),
    ),
    max_size=12,
)


@given(asked=questions, seed=st.integers(0, 2**63 - 1), order=st.randoms())
def test_the_same_question_gets_the_same_answer_alone_in_a_set_and_after_a_restart(asked, seed, order) -> None:
    in_a_set = SimulatedJudge(seed=seed, fail=0.3).ask(asked)
    shuffled = list(range(len(asked)))
    order.shuffle(shuffled)
    restarted = SimulatedJudge(seed=seed, fail=0.3)
    for index in shuffled:
        assert restarted.ask([asked[index]]) == [in_a_set[index]]


def test_answers_are_the_same_in_another_process(ask_about: Build) -> None:
    code = (
        "from pairmark.judges.question import Question\n"
        "from pairmark.judges.simulated import SimulatedJudge\n"
        "asked = [Question('r', 'a', f'b{n}', '', '', 0, 1) for n in range(64)]\n"
        "print(','.join(a.winner for a in SimulatedJudge(seed=5).ask(asked)))"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    here = SimulatedJudge(seed=5).ask([ask_about("a", f"b{number}") for number in range(64)])
    assert there == ",".join(str(answer.winner) for answer in here)


def test_truth_depends_on_seed_and_id_alone_and_has_the_sd_asked_for() -> None:
    judge = SimulatedJudge(sd=2.0, seed=3)
    all_of_them = judge.truth(IDS)
    assert SimulatedJudge(sd=2.0, seed=3).truth([IDS[7]])[0] == all_of_them[7]
    assert not np.array_equal(SimulatedJudge(sd=2.0, seed=4).truth(IDS), all_of_them)
    assert np.allclose(SimulatedJudge(sd=1.0, seed=3).truth(IDS) * 2, all_of_them)
    many = judge.truth([str(number) for number in range(20_000)])
    assert abs(many.mean()) < 4 * 2 / math.sqrt(20_000)
    assert many.std() == pytest.approx(2.0, rel=0.03)


def test_wins_follow_the_logistic_of_the_difference(ask_about: Build) -> None:
    judge = SimulatedJudge(sd=1.5, seed=11)
    asked = [ask_about(a, b) for a, b in permutations(IDS[:150], 2)]
    truth = dict(zip(IDS, judge.truth(IDS), strict=True))
    expected = np.array([1 / (1 + math.exp(truth[q.second_id] - truth[q.first_id])) for q in asked])
    won = np.array([answer.winner == "first" for answer in judge.ask(asked)])
    for low in np.arange(0, 1, 0.1):
        here = (expected >= low) & (expected < low + 0.1)
        error = 4 * math.sqrt((expected[here] * (1 - expected[here])).sum())
        assert abs(won[here].sum() - expected[here].sum()) < error


def test_both_orders_and_repeats_are_drawn_independently(ask_about: Build) -> None:
    judge = SimulatedJudge(sd=0, seed=2)
    ids = [str(number) for number in range(4000)]
    sets = [[ask_about(a, "x") for a in ids], [ask_about("x", a) for a in ids], [ask_about(a, "x", 1) for a in ids]]
    won = [np.array([answer.winner == "first" for answer in judge.ask(asked)]) for asked in sets]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert abs(np.corrcoef(won[one], won[other])[0, 1]) < 4 / math.sqrt(4000)
        assert abs(won[one].mean() - 0.5) < 4 * 0.5 / math.sqrt(4000)


def test_order_bias_moves_the_first_seat_by_its_logits(ask_about: Build) -> None:
    asked = [ask_about(str(number), "x") for number in range(10_000)]
    answers = SimulatedJudge(sd=0, seed=1, order_bias=0.8).ask(asked)
    share = sum(answer.winner == "first" for answer in answers) / len(answers)
    assert share == pytest.approx(1 / (1 + math.exp(-0.8)), abs=4 * 0.5 / 100)


def test_failures_have_the_share_asked_for_and_another_attempt_is_drawn_anew(ask_about: Build) -> None:
    judge = SimulatedJudge(seed=9, fail=0.25)
    first = judge.ask([ask_about(str(number), "x") for number in range(10_000)])
    failed = [index for index, answer in enumerate(first) if answer.kind == "failed"]
    assert len(failed) / 10_000 == pytest.approx(0.25, abs=4 * math.sqrt(0.25 * 0.75) / 100)
    again = judge.ask([ask_about(str(number), "x", attempt=2) for number in failed])
    assert sum(answer.kind == "failed" for answer in again) / len(failed) == pytest.approx(0.25, abs=0.04)
    reliable = SimulatedJudge(seed=9).ask([ask_about(str(number), "x") for number in failed])
    recovered = [(a.winner, b.winner) for a, b in zip(again, reliable, strict=True) if a.kind == "verdict"]
    assert all(after_failure == without for after_failure, without in recovered)


def test_a_delay_is_waited_for_each_question_and_ends_asking_in_sets(ask_about: Build) -> None:
    waited: list[float] = []
    judge = SimulatedJudge(seed=1, delay_ms=250, pause=waited.append)
    answers = judge.ask([ask_about("a", "b"), ask_about("a", "c")])
    assert waited == [0.5]
    assert [answer.response_time_ms for answer in answers] == [250, 250]
    assert not judge.in_sets
    assert SimulatedJudge(seed=1).in_sets
    assert [a.winner for a in answers] == [
        a.winner for a in SimulatedJudge(seed=1).ask([ask_about("a", "b"), ask_about("a", "c")])
    ]


def test_nothing_asked_nothing_answered() -> None:
    assert SimulatedJudge().ask([]) == []
