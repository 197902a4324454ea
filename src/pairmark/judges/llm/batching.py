"""One model's batch API: questions handed in as one job at half the price, looked at, and collected within a day.

What is sent and how an answer is read is the same as for single calls. Jobs are noted and looked after in the services.
"""

from collections.abc import Coroutine, Sequence
from concurrent.futures import CancelledError
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from pairmark.errors import BadRequest
from pairmark.judges.llm.answers import answer_to
from pairmark.judges.llm.config import LlmConfig
from pairmark.judges.llm.listing import Wanted, candidates
from pairmark.judges.llm.loop import LoopThread
from pairmark.judges.llm.prices import BATCH_SHARE, Prices
from pairmark.judges.llm.prompt import Prompts
from pairmark.judges.llm.provider import Connection, connect, whom
from pairmark.judges.llm.responses import Wire, call_of, call_without_response, read_response
from pairmark.judges.llm.sending import Again, Meaning, NoAnswer
from pairmark.judges.question import Answer, JobFailed, JobUnsure, JudgeUnable, Question

if TYPE_CHECKING:
    from pydantic_ai.models.batch import Batch, BatchRequest, BatchResult

    from pairmark.judges.llm.meanings import Meanings

T = TypeVar("T")

CLOCKS_APART = timedelta(minutes=5)
"""How far the provider's clock may be behind ours."""
MISSING = "the job ended without a result for this request"
NEVER_RUN = "the provider did not come to this request before the job ended"


class Batching:
    """Jobs of one model, from any thread. A job is a text that the provider's library can read again in any process."""

    def __init__(self, config: LlmConfig, prompts: Prompts, prices: Prices) -> None:
        self._config = config
        self._prompts = prompts
        self._prices = prices
        self._loop = LoopThread(f"pairmark-jobs-{config.provider}")
        self._lock = Lock()
        self._connection: Connection | None = None
        self._meanings: Meanings | None = None

    def submit(self, questions: Sequence[Question]) -> str:
        """Hand these questions in as one job, each under its call id.

        Raises `JudgeUnable` when surely no job was made, and `JobUnsure` when nobody knows.
        """
        return self._run(self._submit(questions))

    def find(self, questions: Sequence[Question], since: datetime, known: Sequence[str]) -> str | None:
        """A job at the provider that holds these calls, or may: its results tell. `known` are the ids of other jobs."""
        return self._run(self._find(questions, since, frozenset(known)))

    def look(self, job: str) -> tuple[str, bool]:
        """The job as it stands now, and whether it has ended."""
        return self._run(self._look(job))

    def cancel(self, job: str) -> None:
        """Ask the provider to stop the job; what ran until then is charged."""
        self._run(self._cancel(job))

    def collect(self, job: str, questions: Sequence[Question], took: timedelta) -> dict[str, Answer]:
        """One answer for each question, by call id, out of a job that has ended.

        Of results that contradict each other the first counts; what was never asked is passed over. Raises `JobFailed` when the
        job has results, but none of ours.
        """
        milliseconds = max(0, round(took.total_seconds() * 1000))
        return self._run(self._collect(job, questions, Wire(1, milliseconds)))

    def identity(self, job: str) -> str:
        """The provider's own id of the job."""
        return _read(job).id

    def close(self) -> None:
        """Close the connections and end the thread."""
        with self._lock:
            connection, self._connection = self._connection, None
        self._loop.close(connection.close() if connection else None)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            self._connected()
        except BaseException:
            work.close()
            raise
        try:
            return self._loop.run(work)
        except CancelledError as closed:
            raise JobUnsure("the judge was closed while it was asked") from closed

    def _connected(self) -> "tuple[Connection, Meanings]":
        with self._lock:
            if self._connection is None or self._meanings is None:
                try:
                    self._connection = connect(self._config, lambda headers: None, in_jobs=True)
                except BadRequest as refused:
                    raise JudgeUnable(refused.message, remedy=refused.remedy) from refused
                from pairmark.judges.llm.meanings import Meanings  # noqa: PLC0415 - loads the library

                self._meanings = Meanings(self._config)
                self._meanings.worked = True  # what is wrong with one request of many is that request's affair
            return self._connection, self._meanings

    async def _submit(self, questions: Sequence[Question]) -> str:
        connection, _ = self._connected()
        model = connection.model
        try:
            encoded = [await model.batch_encode(self._request(connection, question)) for question in questions]
            return _written(await model.batch_create(encoded))
        except Exception as error:
            raise self._not_submitted(error) from error

    def _not_submitted(self, error: Exception) -> Exception:
        """Whether a job may have been made all the same: only a refusal, or no connection, says that none was."""
        meant = self._meaning(error)
        if isinstance(meant, JudgeUnable):
            return meant
        status = getattr(error, "status_code", 0)
        if isinstance(meant, Again) and isinstance(meant.lasting, JudgeUnable) and status < 500:
            unable = meant.lasting
            return JudgeUnable(
                unable.message, remedy=unable.remedy, retry_after=meant.retry_after or unable.retry_after
            )
        if 400 <= status < 500:
            told = f"{whom(self._config)} refuses the job: {meant.detail}."
            return JudgeUnable(told, remedy="Run the same command without --batch.")
        return JobUnsure(meant.detail)

    def _meaning(self, error: Exception) -> Meaning:
        return self._connected()[1].of(error)

    def _failed(self, error: Exception) -> Exception:
        """What kept us from looking at a job: it goes on without us, unless the provider knows it no more."""
        if getattr(error, "status_code", 0) == HTTPStatus.NOT_FOUND:
            return JobFailed(f"{whom(self._config)} knows the job no more")
        meant = self._meaning(error)
        if isinstance(meant, JudgeUnable):
            return meant
        return JobUnsure(meant.detail)

    async def _find(self, questions: Sequence[Question], since: datetime, known: frozenset[str]) -> str | None:
        connection, _ = self._connected()
        try:
            encoded = await connection.model.batch_encode(self._request(connection, questions[0]))
            call_ids = frozenset(question.call_id for question in questions)
            async for batch in candidates(connection, Wanted(call_ids, since - CLOCKS_APART, encoded.group)):
                if batch.id not in known:
                    return _written(batch)
        except Exception as error:
            raise self._failed(error) from error
        return None

    async def _look(self, job: str) -> tuple[str, bool]:
        connection, _ = self._connected()
        try:
            batch = await connection.model.batch_status(_read(job))
        except Exception as error:
            raise self._failed(error) from error
        return _written(batch), batch.status == "ended"

    async def _cancel(self, job: str) -> None:
        connection, _ = self._connected()
        try:
            await connection.model.batch_cancel(_read(job))
        except Exception as error:
            raise self._failed(error) from error

    async def _collect(self, job: str, questions: Sequence[Question], wire: Wire) -> dict[str, Answer]:
        from pydantic_ai.models._batch_codec import BatchJobError  # noqa: PLC0415 - the library has no public name for it

        connection, _ = self._connected()
        batch = _read(job)
        whole: NoAnswer | None = None
        results: list[BatchResult] = []
        try:
            results = await connection.model.batch_results(batch)
        except BatchJobError as error:
            whole = self._of_part(error)
        except Exception as error:
            raise self._failed(error) from error
        by_call: dict[str, BatchResult] = {}
        for result in results:
            by_call.setdefault(result.custom_id, result)
        if results and not any(question.call_id in by_call for question in questions):
            raise JobFailed("the job holds none of the calls")
        unlisted = whole or self._unlisted(connection, batch)
        return {
            question.call_id: self._answer(connection, question, by_call.get(question.call_id), unlisted, wire)
            for question in questions
        }

    def _unlisted(self, connection: Connection, batch: "Batch") -> NoAnswer:
        """What became of a request without a result; not charged only where the provider says that it never ran."""
        if connection.model._batch_unlisted_status(batch) is not None:
            return NoAnswer("timed_out", NEVER_RUN, charged=False)
        return NoAnswer("failed", MISSING)

    def _answer(
        self,
        connection: Connection,
        question: Question,
        result: "BatchResult | None",
        unlisted: NoAnswer,
        wire: Wire,
    ) -> Answer:
        prompt = self._prompts.of(question)
        if result is None:
            ended = unlisted
        elif result.status in ("expired", "canceled"):
            ended = NoAnswer("timed_out", NEVER_RUN, charged=False)
        else:
            try:
                response = connection.model.batch_decode(result, self._request(connection, question))
            except Exception as error:
                ended = self._of_part(error) if result.status == "errored" else self._unreadable(error)
            else:
                told = read_response(response, prompt, strict=True)
                call = call_of(response, prompt, wire, self._prices, share=BATCH_SHARE)
                return answer_to(question, self._config, told, call)
        call = call_without_response(self._config.model, ended, prompt, wire, self._prices)
        return answer_to(question, self._config, ended, call)

    def _of_part(self, error: Exception) -> NoAnswer:
        """A request of a job that failed: refused or fallen over before the model answered, so it cost nothing."""
        meant = self._meaning(error)
        if isinstance(meant, NoAnswer):
            return replace(meant, charged=False)
        return NoAnswer("failed", meant.detail if isinstance(meant, Again) else meant.message, charged=False)

    def _unreadable(self, error: Exception) -> NoAnswer:
        meant = self._meaning(error)
        return meant if isinstance(meant, NoAnswer) else NoAnswer("failed", "the result cannot be read")

    def _request(self, connection: Connection, question: Question) -> "BatchRequest":
        from pydantic_ai.models.batch import BatchRequest  # noqa: PLC0415 - part of the extra

        return BatchRequest(
            custom_id=question.call_id,
            messages=connection.messages(self._prompts.of(question)),
            model_settings=connection.fixed,
            model_request_parameters=connection.parameters,
        )


def _written(batch: "Batch") -> str:
    from pydantic import TypeAdapter  # noqa: PLC0415 - part of the extra
    from pydantic_ai.models.batch import Batch  # noqa: PLC0415

    return TypeAdapter(Batch).dump_json(batch).decode()


def _read(job: str) -> "Batch":
    from pydantic import TypeAdapter  # noqa: PLC0415 - part of the extra
    from pydantic_ai.models.batch import Batch  # noqa: PLC0415

    return TypeAdapter(Batch).validate_json(job)
