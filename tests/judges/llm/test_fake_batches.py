"""Batch jobs of the fake providers by way of the real clients: half the price, any order, and part of the results only."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import types
from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.messages import TextPart
from pydantic_ai.models.batch import Batch, BatchRequest, BatchResult

from support.providers import BatchPlan, FakeProviders, Scene
from support.providers.clients import MODELS, Clients, messages, parameters
from support.providers.scene import ANTHROPIC, GOOGLE, OPENAI, RESPONSES
from support.providers.texts import SCHEMA, question

ALL = [RESPONSES, ANTHROPIC, GOOGLE]
LOOKS = 5  # more than any job here needs


def request(number: int) -> BatchRequest:
    return BatchRequest(
        custom_id=f"call-{number}",
        messages=messages(question(f"Text {number}, the one.", f"Text {number}, the other.")),
        model_settings={"max_tokens": 2_000},
        model_request_parameters=parameters(),
    )


def run(clients: Clients, provider: str, number: int, stop: bool = False) -> tuple[Batch, list[BatchResult]]:
    """Submit, look until it has ended, collect."""

    async def job() -> tuple[Batch, list[BatchResult]]:
        model = clients.model(provider)
        batch = await model.batch_create([await model.batch_encode(request(place)) for place in range(number)])
        if stop:
            batch = await model.batch_cancel(batch)
        for _ in range(LOOKS):
            batch = await model.batch_status(batch)
        assert batch.status == "ended"
        return batch, await model.batch_results(batch)

    return clients.run(job())


def winner(clients: Clients, provider: str, result: BatchResult) -> str:
    response = clients.model(provider).batch_decode(result, request(int(result.custom_id.partition("-")[2])))
    return str(json.loads("".join(part.content for part in response.parts if isinstance(part, TextPart)))["better"])


@pytest.mark.parametrize("provider", ALL)
def test_a_job_is_answered_in_any_order_at_half_the_price(provider: str) -> None:
    with FakeProviders(Scene(batch=BatchPlan(polls=3))) as server, Clients(server) as clients:
        batch, results = run(clients, provider, 12)
        assert batch.request_count == 12
        assert [result.custom_id for result in results] != sorted(result.custom_id for result in results)
        told = {result.custom_id: winner(clients, provider, result) for result in results}
        assert told == {entry.request_id: entry.better for entry in server.book.entries}
        assert len(told) == 12
        assert {entry.batch for entry in server.book.entries} == {batch.id}
        for entry in server.book.entries:
            assert entry.charged == pytest.approx((entry.input_tokens + 4 * entry.output_tokens) / 2e6)


@pytest.mark.parametrize("provider", ALL)
def test_part_of_a_job_may_fail_and_part_may_never_run(provider: str) -> None:
    plan = BatchPlan(ends="expired", unrun=0.3)
    with FakeProviders(Scene(rules="30% 500", batch=plan, seed=4)) as server, Clients(server) as clients:
        _, results = run(clients, provider, 20)
        kinds = {result.status for result in results}
        assert {"succeeded", "errored"} <= kinds
        assert ("expired" in kinds) == (provider != GOOGLE)  # which leaves such requests out
        assert (len(results) < 20) == (provider == GOOGLE)
        ran = {entry.request_id for entry in server.book.entries}
        assert 0 < len(ran) < 20
        for result in results:
            if result.status == "succeeded":
                assert winner(clients, provider, result) in "12"
            else:
                with pytest.raises(ModelAPIError):
                    winner(clients, provider, result)
        good = [entry for entry in server.book.entries if entry.status == 200]
        assert len(good) == sum(result.status == "succeeded" for result in results)


@pytest.mark.parametrize("provider", ALL)
def test_results_may_come_twice_contradict_each_other_be_missing_or_nobody_s(provider: str) -> None:
    plan = BatchPlan(twice=0.3, contradicted=0.4, missing=0.2, stranger=True)
    with FakeProviders(Scene(batch=plan, seed=3)) as server, Clients(server) as clients:
        _, results = run(clients, provider, 20)
        names = [result.custom_id for result in results]
        assert "never-asked" in names
        assert set(names) - {"never-asked"} < {f"call-{place}" for place in range(20)}
        if provider != RESPONSES:  # whose client keeps the last of each
            assert len(names) > len(set(names))
            told = {
                (result.custom_id, winner(clients, provider, result))
                for result in results
                if "call" in result.custom_id
            }
            assert len(told) > len(set(names) - {"never-asked"})


@pytest.mark.parametrize("provider", ALL)
def test_a_job_may_be_cancelled_and_charges_what_ran(provider: str) -> None:
    with FakeProviders(Scene(batch=BatchPlan(polls=50))) as server, Clients(server) as clients:
        _, results = run(clients, provider, 20, stop=True)
        assert len(server.book.entries) == sum(result.status == "succeeded" for result in results) < 20


@pytest.mark.parametrize("provider", [RESPONSES, GOOGLE])
def test_a_job_may_fail_as_a_whole(provider: str) -> None:
    with FakeProviders(Scene(batch=BatchPlan(ends="failed"))) as server, Clients(server) as clients:
        try:
            _, results = run(clients, provider, 3)
            assert {result.status for result in results} == {"errored"}
        except ModelAPIError:
            assert provider == GOOGLE
        assert server.book.charged() == 0


def line(number: int, **changes: Any) -> dict[str, Any]:
    asked = {"model": "some-model", "messages": [{"role": "user", "content": question(f"a {number}", f"b {number}")}]}
    return {"custom_id": f"call-{number}", "method": "POST", "url": "/v1/chat/completions", "body": asked, **changes}


def submit(server: FakeProviders, lines: list[dict[str, Any]], **changes: Any) -> Any:
    client = openai.OpenAI(api_key=server.scene.keys[OPENAI], base_url=server.url(OPENAI), max_retries=0)
    content = "\n".join(json.dumps(one) for one in lines).encode()
    file = client.files.create(file=("batch.jsonl", content), purpose="batch")
    asked = {"input_file_id": file.id, "endpoint": "/v1/chat/completions", "completion_window": "24h", **changes}
    batch = client.batches.create(**asked)
    for _ in range(LOOKS):
        batch = client.batches.retrieve(batch.id)
    return client, batch


def test_openai_runs_batches_of_chat_completions_and_puts_errors_into_a_file_of_their_own() -> None:
    with FakeProviders(Scene()) as server:
        bad = line(7)
        bad["body"]["response_format"] = {"type": "json_schema", "json_schema": {"name": "v v", "schema": SCHEMA}}
        client, batch = submit(server, [*(line(number) for number in range(7)), bad])
        assert (batch.request_counts.completed, batch.request_counts.failed) == (7, 1)
        good = [json.loads(text) for text in client.files.content(batch.output_file_id).text.splitlines()]
        assert {one["response"]["body"]["object"] for one in good} == {"chat.completion"}
        [wrong] = client.files.content(batch.error_file_id).text.splitlines()
        assert json.loads(wrong)["response"]["status_code"] == 400


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([line(1), line(1)], "custom_id"),
        ([line(1, url="/v1/responses")], "url /v1/chat/completions"),
        ([line(1, method="GET")], "method must be POST"),
        ([{"custom_id": "x"}], "must have custom_id, method, url and body"),
        ([line(1), line(2, body={"model": "other", "messages": []})], "same model"),
        ([], "1 to 50000 lines"),
    ],
)
def test_openai_fails_a_batch_whose_file_is_wrong(lines: list[dict[str, Any]], problem: str) -> None:
    with FakeProviders(Scene()) as server:
        _, batch = submit(server, lines)
        assert batch.status == "failed"
        assert problem in " ".join(str(error.message) for error in batch.errors.data)
        assert server.book.charged() == 0


@pytest.mark.parametrize(
    "changes", [{"endpoint": "/v1/embeddings"}, {"completion_window": "1h"}, {"input_file_id": "file-9"}]
)
def test_openai_refuses_batches(changes: dict[str, Any]) -> None:
    with FakeProviders(Scene()) as server, pytest.raises((openai.BadRequestError, openai.NotFoundError)):
        submit(server, [line(1)], **changes)


def params(**changes: Any) -> dict[str, Any]:
    text = question("this", "that")
    return {"model": "some-model", "max_tokens": 900, "messages": [{"role": "user", "content": text}], **changes}


@pytest.mark.parametrize(
    "requests",
    [
        [],
        [{"custom_id": "a b", "params": params()}],
        [{"custom_id": "x" * 65, "params": params()}],
        [{"custom_id": "a", "params": params()}, {"custom_id": "a", "params": params()}],
    ],
)
def test_anthropic_refuses_batches(requests: list[dict[str, Any]]) -> None:
    with FakeProviders(Scene()) as server, pytest.raises(anthropic.BadRequestError):
        anthropic_client(server).messages.batches.create(requests=requests)  # type: ignore[arg-type]


def anthropic_client(server: FakeProviders) -> anthropic.Anthropic:
    return anthropic.Anthropic(api_key=server.scene.keys[ANTHROPIC], base_url=server.url(ANTHROPIC), max_retries=0)


def test_anthropic_gives_results_only_when_a_batch_has_ended_and_checks_parameters_then() -> None:
    with FakeProviders(Scene(batch=BatchPlan(polls=1))) as server:
        batches = anthropic_client(server).messages.batches
        requests: Any = [{"custom_id": "good", "params": params()}, {"custom_id": "bad", "params": params(top_p=0.5)}]
        batch = batches.create(requests=requests)
        assert batch.results_url is None
        with pytest.raises(anthropic.AnthropicError):
            batches.results(batch.id)
        for _ in range(LOOKS):
            batch = batches.retrieve(batch.id)
        assert (batch.request_counts.succeeded, batch.request_counts.errored) == (1, 1)
        told = {result.custom_id: result.result for result in batches.results(batch.id)}
        assert told["good"].type == "succeeded"
        assert told["bad"].type == "errored"
        assert told["bad"].error.error.type == "invalid_request_error"


def google_client(server: FakeProviders) -> genai.Client:
    return genai.Client(api_key=server.scene.keys[GOOGLE], http_options=types.HttpOptions(base_url=server.url(GOOGLE)))


def inlined(client: genai.Client) -> Any:
    asked = [{"contents": [{"parts": [{"text": question(f"a {n}", f"b {n}")}], "role": "user"}]} for n in range(3)]
    return client.batches.create(model=MODELS[GOOGLE], src=asked, config={"display_name": "three"})


def filed(client: genai.Client) -> Any:
    asked = [{"contents": [{"parts": [{"text": question(f"a {n}", f"b {n}")}], "role": "user"}]} for n in range(3)]
    content = "\n".join(json.dumps({"key": f"k{n}", "request": one}) for n, one in enumerate(asked)).encode()
    file = client.files.upload(file=io.BytesIO(content), config={"mime_type": "application/jsonl", "display_name": "f"})
    return client.batches.create(model=MODELS[GOOGLE], src=file.name, config={"display_name": "three"})


@pytest.mark.parametrize("create", [inlined, filed])
def test_google_takes_requests_inline_and_in_files(create: Callable[[genai.Client], Any]) -> None:
    with FakeProviders(Scene(batch=BatchPlan(polls=2))) as server:
        client = google_client(server)
        job = create(client)
        for _ in range(LOOKS):
            job = client.batches.get(name=job.name)
        assert job.state == types.JobState.JOB_STATE_SUCCEEDED
        if job.dest.inlined_responses:
            answers = [one.response.text for one in job.dest.inlined_responses]
        else:
            content = client.files.download(file=job.dest.file_name)
            lines = [json.loads(text) for text in content.splitlines()]
            assert {one["key"] for one in lines} == {"k0", "k1", "k2"}
            answers = [one["response"]["candidates"][0]["content"]["parts"][0]["text"] for one in lines]
        assert sorted(json.loads(answer)["better"] for answer in answers) == sorted(
            e.better for e in server.book.entries
        )
