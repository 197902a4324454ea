from typing import Any

import pytest

from pairmark.errors import BrokenData
from pairmark.judges.question import KINDS, Answer


def answer(**changes: Any) -> Answer:
    fields = {"request_id": "r1", "kind": "verdict", "winner": "first", "swapped": False}
    return Answer(**{**fields, "judge": "j", "provider": "p", "model": "m", **changes})


@pytest.mark.parametrize("winner", ["first", "second", "tie"])
def test_a_verdict_names_its_winner(winner: str) -> None:
    assert answer(winner=winner).winner == winner


@pytest.mark.parametrize("winner", [None, "", "Essay A", "FIRST"])
def test_g11_a_verdict_without_a_usable_winner_is_refused(winner: str | None) -> None:
    with pytest.raises(BrokenData, match="r1 is a verdict without a usable winner"):
        answer(winner=winner)


@pytest.mark.parametrize("kind", sorted(KINDS - {"verdict"}))
def test_g11_an_answer_that_is_no_verdict_cannot_name_a_winner(kind: str) -> None:
    assert answer(kind=kind, winner=None).winner is None
    with pytest.raises(BrokenData, match="must not name a winner"):
        answer(kind=kind, winner="first")


def test_g11_an_unknown_kind_is_refused() -> None:
    with pytest.raises(BrokenData, match="'guess'"):
        answer(kind="guess", winner=None)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"justification": "x" * 501}, "over 500 characters"),
        ({"confidence": 0.9}, "outside 1 to 5"),
        ({"confidence": 5.1}, "outside 1 to 5"),
        ({"confidence": float("nan")}, "outside 1 to 5"),
        ({"response_time_ms": -1}, "negative response time"),
    ],
)
def test_what_the_callback_contract_cannot_carry_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BrokenData, match=said):
        answer(**changes)


def test_the_limits_of_the_callback_contract_are_accepted() -> None:
    assert answer(justification="x" * 500, confidence=1).confidence == 1
    assert answer(confidence=5.0, response_time_ms=0).confidence == 5.0
