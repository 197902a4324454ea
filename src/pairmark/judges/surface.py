"""The surface baseline: the longer text wins. A grey control beside real judges, never a judge to grade by.

On school essays, counting words ranks nearly as well as one human rater, so any judge must be seen to do better.
"""

from collections.abc import Sequence

from pairmark.judges.question import Answer, Question, Winner
from pairmark.judges.words import count_distinct_words, count_words


class SurfaceJudge:
    """More words win; at equal length more distinct words; a tie if both are equal."""

    name = "surface"
    in_sets = True
    may_grade = False

    def check(self, essay_ids: Sequence[str]) -> None:
        """Any essays will do."""

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Compare the surfaces of both texts; each text is counted once per call."""
        texts = {text for question in questions for text in (question.first_text, question.second_text)}
        surface = {text: (count_words(text), count_distinct_words(text)) for text in texts}
        return [_answer(q, surface[q.first_text], surface[q.second_text]) for q in questions]


def _answer(question: Question, first: tuple[int, int], second: tuple[int, int]) -> Answer:
    winner: Winner = "tie" if first == second else "first" if first > second else "second"
    return Answer(
        request_id=question.request_id,
        kind="verdict",
        winner=winner,
        swapped=False,
        judge="surface",
        provider="pairmark",
        model="surface",
        justification=f"{first[0]} words, {first[1]} distinct, against {second[0]}, {second[1]} distinct.",
    )
