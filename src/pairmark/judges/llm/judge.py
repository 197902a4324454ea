"""A language model as a judge: each question is one call, on the judge's own event loop.

What is sent, what an answer means, what it costs and how often it is tried are in the modules beside this one; what is asked
again as a further try is the services' affair.
"""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError
from threading import Lock
from typing import TYPE_CHECKING

from pairmark.errors import BadRequest
from pairmark.judges.llm.answers import answer_to
from pairmark.judges.llm.batching import Batching
from pairmark.judges.llm.config import LlmConfig
from pairmark.judges.llm.loop import LoopThread
from pairmark.judges.llm.prices import BATCH_SHARE, Prices, expected_tokens
from pairmark.judges.llm.prompt import Prompt, Prompts
from pairmark.judges.llm.provider import Connection, check_installed, check_key, check_place, connect
from pairmark.judges.llm.responses import Wire, call_of, call_without_response, read_response
from pairmark.judges.llm.sending import NoAnswer, Sending, patient
from pairmark.judges.question import Answer, Forecast, JudgeUnable, Question

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelResponse

    from pairmark.judges.llm.meanings import Meanings

CONCURRENCY = 64
HELD_TO_THE_SCHEMA = frozenset(("openai", "anthropic", "google"))
ANSWER_TOKENS = 300  # of a usual answer, for the rate limit


class LanguageModelJudge:
    """Asks one model of one provider. It never answers with a tie."""

    in_sets = False
    may_grade = True

    def __init__(self, config: LlmConfig, *, sending: Sending | None = None) -> None:
        self.config = config
        self.name = config.name
        self.prices = Prices(config)
        self._prompts = Prompts(config)
        self._sending = sending or patient(config.requests_per_minute, config.tokens_per_minute)
        self._batching = Batching(config, self._prompts, self.prices)
        self._loop = LoopThread(f"pairmark-{config.provider}")
        self._lock = Lock()
        self._connection: Connection | None = None
        self._meanings: Meanings | None = None

    @property
    def concurrency(self) -> int:
        """How many questions to ask at once; no more than the provider lets through in a minute."""
        limit = self._sending.limits.requests
        return CONCURRENCY if limit <= 0 else max(1, min(CONCURRENCY, int(limit)))

    def check(self, essay_ids: Sequence[str]) -> None:
        """Raise `BadRequest` when the extra is missing or texts would have to leave this machine; any essays will do."""
        check_installed(self.config)
        check_place(self.config)

    def check_access(self) -> None:
        """Raise `BadRequest` when the environment has no usable key; a dry run needs none."""
        check_key(self.config)

    def check_texts(self, texts: Mapping[str, str]) -> None:
        """Raise `BadRequest` naming the longest text when two of these do not fit into the model's context window."""
        window = self.prices.context_window
        sizes = sorted(
            ((len(text.encode("utf-8", "replace")), essay_id) for essay_id, text in texts.items()), reverse=True
        )
        if window is None or not sizes:
            return
        prefix = len(self._prompts.system.encode())
        tokens = expected_tokens(prefix + sum(size for size, _ in sizes[:2])) + self.config.max_output_tokens
        if tokens > window:
            raise BadRequest(
                f"The text {sizes[0][1]!r} is too long for {self.name}: with another one it makes about {tokens:,} tokens, "
                f"and the model takes {window:,}.",
                remedy="Shorten or leave out the longest texts, or choose a model with a larger context window.",
            )

    def prompt(self, question: Question) -> Prompt:
        """What is sent for this question, to the letter; asks nobody."""
        return self._prompts.of(question)

    def estimate(self, question: Question) -> tuple[int, float | None]:
        """Tokens of the prompt, roughly, and what the call costs at worst in US dollars, if its price is known."""
        size = self.prompt(question).size
        share = BATCH_SHARE if self.config.batch else 1.0
        return expected_tokens(size), self.prices.worst_cost(size, share=share)

    def forecast(self, question: Question, without: frozenset[str] = frozenset()) -> Forecast | None:
        """What the call would be; None when this very judge is suspended. Asks nobody."""
        if self.config.digest in without:
            return None
        prompt = self.prompt(question)
        cost = self.prices.worst_cost(prompt.size)
        in_job = self.prices.worst_cost(prompt.size, share=BATCH_SHARE) if self.config.batch else None
        return Forecast(
            self.name, self.config.digest, prompt.hash, cost, self.config.batch, cost_in_job=in_job, size=prompt.size
        )

    def batching(self, member: str) -> Batching | None:
        """The batch API of this model, if it is the one of this digest."""
        return self._batching if member == self.config.digest else None

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """One answer per question, in the same order; raises `JudgeUnable` when none could be asked."""
        answers: list[Answer] = []
        for question in questions:
            try:
                answers.append(self._ask(question))
            except JudgeUnable as unable:
                if not answers:
                    raise
                answers.append(
                    answer_to(question, self.config, NoAnswer("failed", unable.message, charged=False), None)
                )
        return answers

    def close(self) -> None:
        """Give up what is in flight, close the connections and end the thread."""
        with self._lock:
            connection, self._connection = self._connection, None
        self._loop.close(connection.close() if connection else None)
        self._batching.close()

    def _ask(self, question: Question) -> Answer:
        prompt = self.prompt(question)
        connection, meanings = self._connected()
        try:
            return self._loop.run(self._call(connection, meanings, question, prompt))
        except CancelledError:
            ended = NoAnswer("failed", "the judge was closed while it was asked")
            call = call_without_response(self.config.model, ended, prompt, Wire(1, 0), self.prices)
            return answer_to(question, self.config, ended, call)

    def _connected(self) -> "tuple[Connection, Meanings]":
        """The connection, made at the first question; a run that only shows its prompts needs none."""
        with self._lock:
            if self._connection is None or self._meanings is None:
                try:
                    self._connection = connect(self.config, self._learn)
                except BadRequest as refused:
                    raise JudgeUnable(refused.message, remedy=refused.remedy) from refused
                from pairmark.judges.llm.meanings import Meanings  # noqa: PLC0415 - loads the library

                self._meanings = Meanings(self.config)
            return self._connection, self._meanings

    async def _call(self, connection: Connection, meanings: "Meanings", question: Question, prompt: Prompt) -> Answer:
        begun = time.monotonic()

        async def request() -> "ModelResponse":
            nonlocal begun
            begun = time.monotonic()
            return await connection.request(prompt, question.call_id)

        tokens = expected_tokens(prompt.size) + ANSWER_TOKENS
        response, attempts = await self._sending.send(request, meanings.of, tokens)
        wire = Wire(attempts, round(1000 * (time.monotonic() - begun)))
        if isinstance(response, NoAnswer):
            call = call_without_response(self.config.model, response, prompt, wire, self.prices)
            return answer_to(question, self.config, response, call)
        meanings.worked = True
        told = read_response(response, prompt, strict=self.config.provider in HELD_TO_THE_SCHEMA)
        return answer_to(question, self.config, told, call_of(response, prompt, wire, self.prices))

    def _learn(self, headers: Mapping[str, str]) -> None:
        self._sending.limits.learn(
            _number(headers, "x-ratelimit-limit-requests", "anthropic-ratelimit-requests-limit"),
            _number(headers, "x-ratelimit-limit-tokens", "anthropic-ratelimit-input-tokens-limit"),
        )


def _number(headers: Mapping[str, str], *names: str) -> float | None:
    for name in names:
        told = headers.get(name, "")
        if told.isascii() and told.isdigit():
            return float(told)
    return None
