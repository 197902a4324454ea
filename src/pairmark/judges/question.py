"""What is put to a judge, what comes back, and what a judge is.

A question shows two texts in a fixed order; an answer is either a verdict or the reason why there is none. How
questions are planned, retried and stored lives in the services.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Protocol, get_args

from pairmark.errors import BrokenData, Busy

AnswerKind = Literal["verdict", "refused", "truncated", "invalid", "blocked", "timed_out", "unavailable", "failed"]
Winner = Literal["first", "second", "tie"]

KINDS = frozenset(get_args(AnswerKind))
WINNERS = frozenset(get_args(Winner))
MAX_JUSTIFICATION = 500  # characters; the limit of the callback contract


@dataclass(frozen=True, slots=True)
class Question:
    """One comparison, in the order in which it is asked.

    `repeat` counts how often this unordered pair was asked before in the batch (0 for the first time); `attempt`
    numbers the tries to get an answer to this very comparison. `call_id` names the call in the book of calls, where
    there is one, and `member` (a digest) the member of a panel that was written down for it.
    """

    request_id: str
    first_id: str
    second_id: str
    first_text: str
    second_text: str
    repeat: int
    attempt: int
    call_id: str = ""
    member: str = ""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a call would be, told before it is made, so that it can be written down and paid for.

    `judge` is the name and `digest` the digest of the model that is asked: of the member, where a panel judges. `cost` is
    the most the call may cost in US dollars; None: no price is known. Without a `prompt_hash` it is no model that is asked, and
    its answer costs nothing. `in_jobs`: it is asked by its provider's batch API, where a call costs at most `cost_in_job`.
    `size` is that of the prompt in bytes.
    """

    judge: str
    digest: str
    prompt_hash: str
    cost: float | None
    in_jobs: bool = False
    cost_in_job: float | None = None
    size: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """What a call of a language model was and cost; whatever the provider did not tell is None, never 0.

    `prompt_hash` is the SHA-256 of what was sent, `finish` the provider's word for why the answer ended, `cost` in US
    dollars by the price row `price`, `attempts` the requests on the wire, `answer` the text that came back.
    """

    model: str
    provider_request_id: str
    prompt_hash: str
    finish: str
    input_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    cost: float | None
    price: str
    latency_ms: int
    attempts: int
    answer: str


class JudgeUnable(Busy):
    """A judge that can answer nothing now, whatever is asked: no key, no quota, nobody there.

    Nothing was asked, so no try is spent; `retry_after` is how many seconds to leave it alone, where that is known.
    """

    def __init__(self, message: str, *, remedy: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.retry_after = retry_after


class JobUnsure(Exception):
    """Whether a job was made, or how it stands, could not be found out; it says why."""


class JobFailed(Exception):
    """A job is not, or no longer, there to be collected; it says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A judge's answer to one question.

    `winner` refers to the order asked: "first" is the question's `first_id`. `swapped` says that the judge saw the
    texts in the opposite order. Only the kind "verdict" carries a winner (G11); anything else raises `BrokenData`.
    `confidence` runs from 1 to 5, `cost` is in US dollars. `evidence` are quotes from the question's first and second
    text; `instructions_found` whether a model saw a text speak to it.
    """

    request_id: str
    kind: AnswerKind
    winner: Winner | None
    swapped: bool
    judge: str
    provider: str
    model: str
    justification: str = ""
    confidence: float | None = None
    response_time_ms: int = 0
    token_usage: dict[str, int] = field(default_factory=dict)
    cost: float = 0.0
    detail: str = ""
    call: Call | None = None
    evidence: tuple[str, str] = ("", "")
    instructions_found: bool | None = None

    def __post_init__(self) -> None:
        if self.kind == "verdict":
            if self.winner not in WINNERS:
                raise BrokenData(f"Answer {self.request_id} is a verdict without a usable winner ({self.winner!r}).")
        elif self.winner is not None or self.kind not in KINDS:
            raise BrokenData(f"Answer {self.request_id} of kind {self.kind!r} must not name a winner.")
        if len(self.justification) > MAX_JUSTIFICATION:
            raise BrokenData(f"Answer {self.request_id} has a justification over {MAX_JUSTIFICATION} characters.")
        if self.confidence is not None and not 1 <= self.confidence <= 5:
            raise BrokenData(f"Answer {self.request_id} has a confidence outside 1 to 5 ({self.confidence}).")
        if self.response_time_ms < 0:
            raise BrokenData(f"Answer {self.request_id} has a negative response time.")


class Judge(Protocol):
    """A pure function of its configuration and the question: asked again after a crash, it answers the same."""

    @property
    def name(self) -> str:
        """The kind of judge, for people."""
        ...

    @property
    def in_sets(self) -> bool:
        """True: `ask` is quick and takes whole sets. False: call it with single questions on a thread pool."""
        ...

    @property
    def may_grade(self) -> bool:
        """False if grades may never rest on this judge."""
        ...

    def check(self, essay_ids: Sequence[str]) -> None:
        """Raise `BadRequest` if this judge cannot serve a batch of these essays."""
        ...

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """One answer per question, in the same order; never raises for a single unanswerable question."""
        ...


class BatchRoad(Protocol):
    """A provider's batch API, for one model. A job is a text that any process can go on with.

    Whatever waits for the network may raise `JudgeUnable` (surely nothing happened), `JobUnsure` (nobody knows) or `JobFailed`.
    """

    def submit(self, questions: Sequence[Question]) -> str:
        """Hand questions in, each under its call id."""
        ...

    def find(self, questions: Sequence[Question], since: datetime, known: Sequence[str]) -> str | None:
        """A job with these calls that was made since then, if the provider lists one that is not `known` by its id."""
        ...

    def look(self, job: str) -> tuple[str, bool]:
        """The job as it stands, and whether it has ended."""
        ...

    def cancel(self, job: str) -> None:
        """Stop it."""
        ...

    def collect(self, job: str, questions: Sequence[Question], took: timedelta) -> dict[str, Answer]:
        """One answer for each question, by call id, out of a job that has ended."""
        ...

    def identity(self, job: str) -> str:
        """The provider's own id of the job."""
        ...


class ModelJudge(Judge, Protocol):
    """A judge whose every answer is a call that may cost money: each stands in the book of calls before it is made."""

    @property
    def concurrency(self) -> int:
        """How many calls may be in flight at once."""
        ...

    def forecast(self, question: Question, without: frozenset[str] = frozenset()) -> Forecast | None:
        """Who would be asked this question, and what that may cost; asks nobody.

        Members whose digest is in `without` are suspended; None: nobody is left. A question that comes back with the
        forecast's `digest` as its `member` is put to that member and to no other.
        """
        ...

    def batching(self, member: str) -> BatchRoad | None:
        """The batch API by which the member of this digest is asked; None where there is none."""
        ...
