"""Several judges with shares, one judge to the outside: each question goes to one member, a later try to another.

Who answers what hangs on the question alone, so it is the same in every process and after a crash. How a member judges is
its own affair.
"""

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from itertools import accumulate

from pairmark.judges.llm.judge import LanguageModelJudge
from pairmark.judges.llm.provider import check_one_server
from pairmark.judges.question import Answer, BatchRoad, Forecast, Judge, JudgeUnable, Question

_GOLDEN = 0.6180339887498949  # steps of it fill the unit interval evenly (Weyl 1916)


class Panel:
    """Routes questions to its members; a member that is unable is passed over, and only when all are, the panel is.

    Of many pairs each member gets its share as far as chance allows, and of the repeats of one pair evenly. Both orders of
    a pair are two repeats after each other, and go to the same member.
    """

    name = "panel"

    def __init__(self, members: Sequence[tuple[Judge, float]]) -> None:
        self.members = tuple(judge for judge, _ in members)
        self.models = tuple(judge for judge in self.members if isinstance(judge, LanguageModelJudge))
        self._ends = list(accumulate(share for _, share in members))
        self._digests = [_digest(place, judge) for place, judge in enumerate(self.members)]
        self.in_sets = all(judge.in_sets for judge in self.members)
        self.may_grade = all(judge.may_grade for judge in self.members)
        self.concurrency = max(getattr(judge, "concurrency", 16) for judge in self.members)

    def check(self, essay_ids: Sequence[str]) -> None:
        """Raise `BadRequest` if one of the members cannot serve a batch of these essays."""
        for judge in self.members:
            judge.check(essay_ids)

    def check_access(self) -> None:
        """Raise `BadRequest` if one of the members lacks a key, or the one key for URLs would go to several servers."""
        for judge in self.models:
            judge.check_access()
        check_one_server([judge.config for judge in self.models])

    def check_texts(self, texts: Mapping[str, str]) -> None:
        """Raise `BadRequest` if one of the members cannot take two of these texts."""
        for judge in self.models:
            judge.check_texts(texts)

    def member_of(self, first_id: str, second_id: str, repeat: int, attempt: int) -> int:
        """The place of the member who is asked about this pair, in whichever order, at this try.

        Repeats 0 and 1 are the two orders of a pair asked once, 2 and 3 of a pair asked again, and so on. A try that
        brought no answer is followed by one of the next member.
        """
        pair = "\0".join(sorted((first_id, second_id))).encode("utf-8", "surrogatepass")
        drawn = int.from_bytes(blake2b(pair, digest_size=8, person=b"panel").digest(), "big") / 2**64
        point = (drawn + repeat // 2 * _GOLDEN) % 1.0
        at_first = next((place for place, end in enumerate(self._ends) if point < end), len(self.members) - 1)
        return (at_first + attempt - 1) % len(self.members)

    def member_for(self, question: Question) -> Judge:
        """The member who is asked this question, if it is able."""
        return self.members[self._place(question)]

    def forecast(self, question: Question, without: frozenset[str] = frozenset()) -> Forecast | None:
        """Which member is asked, of those that are not in `without`; None when nobody is left."""
        for place in self._from(self._place(question)):
            judge, digest = self.members[place], self._digests[place]
            if digest in without:
                continue
            return (
                judge.forecast(question)
                if isinstance(judge, LanguageModelJudge)
                else Forecast(judge.name, digest, "", 0.0)
            )
        return None

    def batching(self, member: str) -> BatchRoad | None:
        """The batch API of the member of this digest, if it has one."""
        return next((road for judge in self.models if (road := judge.batching(member)) is not None), None)

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """One answer per question, in the same order; raises `JudgeUnable` when all members are unable."""
        asked: dict[int, list[Question]] = {}
        for question in questions:
            asked.setdefault(self._place(question), []).append(question)
        answers = {answer.request_id: answer for place, part in asked.items() for answer in self._ask(place, part)}
        return [answers[question.request_id] for question in questions if question.request_id in answers]

    def close(self) -> None:
        """Let go of what the members hold."""
        for judge in self.members:
            close: Callable[[], None] | None = getattr(judge, "close", None)
            if close is not None:
                close()

    def _place(self, question: Question) -> int:
        if question.member in self._digests:
            return self._digests.index(question.member)
        return self.member_of(question.first_id, question.second_id, question.repeat, question.attempt)

    def _ask(self, place: int, questions: Sequence[Question]) -> list[Answer]:
        unable: list[JudgeUnable] = []
        for other in self._from(place):
            if questions[0].member and other != place:  # that member alone is written down for the call
                break
            try:
                return self.members[other].ask(questions)
            except JudgeUnable as error:
                unable.append(error)
        waits = [error.retry_after for error in unable if error.retry_after is not None]
        raise JudgeUnable(
            " ".join(dict.fromkeys(error.message for error in unable)),
            remedy=" ".join(dict.fromkeys(error.remedy for error in unable if error.remedy)),
            retry_after=min(waits) if len(waits) == len(unable) else None,
        )

    def _from(self, place: int) -> list[int]:
        """Every member's place, this one first."""
        return [(place + further) % len(self.members) for further in range(len(self.members))]


def _digest(place: int, judge: Judge) -> str:
    """Tells members apart; those that are no models are told apart by their place."""
    return judge.config.digest if isinstance(judge, LanguageModelJudge) else f"{place} {judge.name}"
