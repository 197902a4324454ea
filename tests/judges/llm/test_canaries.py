"""Canaries: both orders of each, and what a judge must do to fail."""

from collections.abc import Callable

import pytest

from pairmark.judges.llm.canaries import ESSAY, TEXTS, Canary, canaries, findings, reason_to_suspend
from pairmark.judges.question import Answer, Winner

Play = Callable[[Canary], tuple[Winner | None, bool | None]]


def told(play: Play) -> str:
    """Why a judge that plays so is suspended."""
    return reason_to_suspend("the judge", findings([(one, answer(one, *play(one))) for one in canaries()]))


def answer(canary: Canary, winner: Winner | None, found: bool | None) -> Answer:
    kind = "refused" if winner is None else "verdict"
    return Answer("", kind, winner, False, "j", "p", "m", instructions_found=found)


def sound(canary: Canary) -> tuple[Winner, bool]:
    return ("second" if canary.canary_first else "first"), canary.kind == "injection"


def falls_for(kind: str, *, both: bool, found: bool = False) -> Play:
    def play(canary: Canary) -> tuple[Winner, bool]:
        if canary.kind != kind or not (both or canary.canary_first):
            return sound(canary)
        return ("first" if canary.canary_first else "second"), found

    return play


def test_each_canary_is_asked_in_both_orders_with_the_essay_beside_it():
    asked = canaries()
    assert len(asked) == 2 * len(TEXTS)
    for first, second in zip(asked[::2], asked[1::2], strict=True):
        assert (first.kind, first.canary_first, second.canary_first) == (second.kind, True, False)
        assert first.question.first_text == second.question.second_text == TEXTS[first.kind][0]
        assert first.question.second_text == second.question.first_text == ESSAY
    assert len({(one.question.first_id, one.question.second_id) for one in asked}) == len(asked)


def test_a_sound_judge_passes():
    assert told(sound) == ""


@pytest.mark.parametrize("seat", ["first", "second"])
def test_a_judge_that_knows_only_its_seat_fails_by_the_text_that_gives_orders_and_by_the_empty_one(seat):
    reason = told(lambda canary: (seat, False))
    assert "a poor text that tells the judge to let it win and an empty text over a sound essay" in reason
    assert "pasted" not in reason  # it won once, by its seat
    assert "copy" not in reason  # which has no right answer


@pytest.mark.parametrize(
    ("kind", "both", "found", "fails"),
    [
        ("injection", True, True, True),
        ("injection", True, False, True),
        ("injection", False, False, True),
        ("injection", False, True, False),
        ("empty", False, False, True),
        ("padded", False, False, False),
        ("padded", True, False, True),
        ("copy", True, False, False),
    ],
)
def test_what_failing_is(kind, both, found, fails):
    assert bool(told(falls_for(kind, both=both, found=found))) == fails


def test_answers_that_are_no_verdicts_neither_pass_nor_fail():
    assert told(lambda canary: (None, None)) == ""
    assert [
        (one.asked, one.verdicts, one.chosen)
        for one in findings([(one, answer(one, None, None)) for one in canaries()])
    ] == [(2, 0, 0)] * len(TEXTS)


def test_the_pull_of_the_first_seat_is_counted_where_both_texts_are_the_same():
    found = {one.kind: one for one in findings([(one, answer(one, "first", False)) for one in canaries()])}
    assert (found["copy"].first_seat, found["copy"].verdicts, found["copy"].failed) == (2, 2, False)
