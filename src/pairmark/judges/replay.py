"""The replay judge: recorded human votes answer the questions, each vote at most once.

An ask of an unordered pair draws, by seed, one of its unused votes and returns it as recorded, with its sides and
ties; a pair with no vote left is unavailable. Reading the votes is done next door, in `votes`.
"""

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

from pairmark.errors import BadRequest
from pairmark.judges.question import Answer, Question, Winner
from pairmark.judges.votes import Vote, check_coverage, read_votes


class ReplayJudge:
    """Answers from the votes in a CSV file.

    `digest` is the expected sha256 of that file; raises `BadRequest` when the file has changed since.
    """

    name = "replay"
    in_sets = True
    may_grade = True

    def __init__(self, path: Path, *, seed: int = 0, digest: str | None = None) -> None:
        self._file = read_votes(path)
        if digest is not None and digest != self._file.digest:
            raise BadRequest(
                f"The recorded votes in {path} have changed since this judge was chosen.",
                remedy="Restore the file, or start a new assessment with the changed one.",
            )
        self._drawn = _shuffled_by_pair(self._file.votes, seed)

    @property
    def most_repeats(self) -> int:
        """How often every recorded pair can be asked: the fewest votes any of them has."""
        return min((len(votes) for votes in self._drawn.values()), default=1)

    def check(self, essay_ids: Sequence[str]) -> None:
        """Raise `BadRequest` for votes on other texts and for pairs without a vote; fewer than two texts need none."""
        if len(essay_ids) > 1:
            check_coverage(self._file, list(essay_ids))

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """The vote numbered `repeat` of each question's pair, in the order drawn by the seed."""
        return [self._answer(question) for question in questions]

    def _answer(self, question: Question) -> Answer:
        votes = self._drawn.get(frozenset((question.first_id, question.second_id)), ())
        if not 0 <= question.repeat < len(votes):
            return _unavailable(question, len(votes))
        vote = votes[question.repeat]
        swapped = vote.left != question.first_id
        return Answer(
            request_id=question.request_id,
            kind="verdict",
            winner=_winner(vote, swapped),
            swapped=swapped,
            judge=vote.judge,
            provider="pairmark",
            model="replay",
            response_time_ms=vote.milliseconds,
            detail=f"row {vote.row} of {self._file.path.name}",
        )


def _shuffled_by_pair(votes: tuple[Vote, ...], seed: int) -> dict[frozenset[str], tuple[Vote, ...]]:
    by_pair: dict[frozenset[str], list[Vote]] = {}
    for vote in votes:
        by_pair.setdefault(frozenset((vote.left, vote.right)), []).append(vote)
    key = seed.to_bytes(8, "big")
    # The row is unique in the file, so each vote has its own place in the shuffle.
    return {
        pair: tuple(sorted(group, key=lambda vote: blake2b(str(vote.row).encode(), digest_size=8, key=key).digest()))
        for pair, group in by_pair.items()
    }


def _winner(vote: Vote, swapped: bool) -> Winner:
    if vote.word == "tie":
        return "tie"
    return "first" if (vote.word == "left") != swapped else "second"


def _unavailable(question: Question, recorded: int) -> Answer:
    return Answer(
        request_id=question.request_id,
        kind="unavailable",
        winner=None,
        swapped=False,
        judge="replay",
        provider="pairmark",
        model="replay",
        detail=f"No unused vote for {question.first_id} and {question.second_id}; {recorded} recorded.",
    )
