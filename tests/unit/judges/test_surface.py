from collections.abc import Callable

import pytest

from pairmark.judges.question import Question
from pairmark.judges.surface import SurfaceJudge
from pairmark.judges.words import count_distinct_words, count_words

Build = Callable[..., Question]


@pytest.mark.parametrize(
    ("first", "second", "winner"),
    [
        ("one two three", "one two", "first"),
        ("one two", "one two three", "second"),
        ("one two two", "one two three", "second"),
        ("one, two!", "Two ONE", "tie"),
        ("same", "same", "tie"),
    ],
)
def test_more_words_win_then_more_distinct_words_else_it_is_a_tie(
    ask_about: Build, first: str, second: str, winner: str
) -> None:
    (answer,) = SurfaceJudge().ask([ask_about("a", "b", texts=(first, second))])
    (turned,) = SurfaceJudge().ask([ask_about("b", "a", texts=(second, first))])
    assert answer.winner == winner
    assert turned.winner == {"first": "second", "second": "first", "tie": "tie"}[winner]
    assert not answer.swapped


def test_the_answer_says_what_was_counted(ask_about: Build) -> None:
    (answer,) = SurfaceJudge().ask([ask_about("a", "b", texts=("no no no", "no"))])
    assert answer.justification == "3 words, 1 distinct, against 1, 1 distinct."


def test_the_baseline_may_not_grade() -> None:
    assert SurfaceJudge().may_grade is False


@pytest.mark.parametrize(
    ("text", "words", "distinct"),
    [
        ("", 0, 0),
        (" -- ... ' _", 0, 0),
        ("Don't don\u2019t well-known", 3, 3),
        ("The the THE", 3, 1),
        ("Åsa läste 2 böcker.", 4, 4),
        ("end.Start", 2, 2),
    ],
)
def test_words_are_letters_and_digits_with_inner_apostrophes_and_hyphens(text: str, words: int, distinct: int) -> None:
    assert (count_words(text), count_distinct_words(text)) == (words, distinct)
