"""Each scenario arrives at a real client as it would from the provider, and is charged as it would be."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic_ai import exceptions as failures
from pydantic_ai.messages import ModelResponse, TextPart

from support.providers import FakeProviders, Limits, Scene
from support.providers.clients import Clients, messages, parameters
from support.providers.rules import Rule
from support.providers.scene import ANTHROPIC, GOOGLE, LOCAL, OPENAI, OPENROUTER, RESPONSES
from support.providers.texts import question

ALL = [OPENAI, RESPONSES, OPENROUTER, LOCAL, ANTHROPIC, GOOGLE]
TEXTS = question("One text, which is long enough to be quoted from.", "Another text, which is as long as that.")


@pytest.fixture(scope="module")
def clients() -> Iterator[Clients]:
    with FakeProviders(Scene()) as running, Clients(running) as connected:
        yield connected


def text_of(response: ModelResponse) -> str:
    return "".join(part.content for part in response.parts if isinstance(part, TextPart))


def played(clients: Clients, provider: str, line: str, **settings: Any) -> ModelResponse:
    clients.server.play(line)
    return clients.ask(provider, TEXTS, **settings)


FAILURES = [
    ("429", failures.ModelRateLimitError),
    ("429(retry_after=7)", failures.ModelRateLimitError),
    ("500", failures.ModelServerError),
    ("502", failures.ModelServerError),
    ("503", failures.ModelUnavailableError),
    ("529", failures.ModelOverloadedError),
    ("quota", failures.ModelQuotaExceededError),
    ("key", failures.ModelAuthenticationError),
    ("forbidden", failures.ModelAuthenticationError),
    ("no_schema", failures.ModelRequestRejectedError),
    ("context", failures.ModelContextWindowExceededError),
    ("drop", failures.ModelConnectionError),
]


@pytest.mark.parametrize("provider", ALL)
@pytest.mark.parametrize(("line", "kind"), FAILURES)
def test_what_is_refused_is_of_its_kind_and_costs_nothing(
    clients: Clients, provider: str, line: str, kind: type[Exception]
) -> None:
    before = clients.server.book.charged()
    with pytest.raises(kind) as caught:
        played(clients, provider, line)
    assert clients.server.book.charged() == before
    assert isinstance(caught.value, failures.ModelAPIError)
    assert caught.value.retry_after == (7 if "retry_after" in line else None)


@pytest.mark.parametrize("provider", [OPENAI, OPENROUTER, ANTHROPIC, GOOGLE])
@pytest.mark.parametrize(("form", "given"), [("header", 3.0), ("date", 3.0)])
def test_a_429_says_when_to_come_again_in_each_form(clients: Clients, provider: str, form: str, given: float) -> None:
    with pytest.raises(failures.ModelRateLimitError) as caught:
        played(clients, provider, f"429(retry_after=3,form={form})")
    assert caught.value.retry_after == pytest.approx(given, abs=1.5)


@pytest.mark.parametrize("provider", ALL)
def test_a_stream_that_is_cut_is_charged(clients: Clients, provider: str) -> None:
    before = clients.server.book.charged()
    with pytest.raises(failures.ModelConnectionError):
        played(clients, provider, "cut")
    assert clients.server.book.charged() > before


@pytest.mark.parametrize("provider", ALL)
@pytest.mark.parametrize("line", ["slow(seconds=30)", "hang", "drip(seconds=60)"])
def test_what_comes_too_late_is_a_time_out_and_charged(clients: Clients, provider: str, line: str) -> None:
    before = clients.server.book.charged()
    with pytest.raises((failures.ModelConnectionError, failures.ModelRequestTimeout)):
        played(clients, provider, line, timeout=0.2)
    assert clients.server.book.charged() > before


ENDS = [
    ("truncated", "length"),
    ("filtered", "content_filter"),
    ("refusal", "content_filter"),
    ("refusal_in_words", "stop"),
]


@pytest.mark.parametrize("provider", ALL)
@pytest.mark.parametrize(("line", "finish"), ENDS)
def test_an_answer_that_is_none_says_so_and_is_charged(clients: Clients, provider: str, line: str, finish: str) -> None:
    before = clients.server.book.charged()
    response = played(clients, provider, line)
    assert response.finish_reason == finish
    with pytest.raises(json.JSONDecodeError):
        json.loads(text_of(response))
    assert clients.server.book.charged() > before


@pytest.mark.parametrize("line", ["fenced", "prefixed", "wrong_enum", "number", "extra_key", "missing_key", "not_json"])
def test_a_bad_answer_is_the_model_s_own_words(clients: Clients, line: str) -> None:
    assert text_of(played(clients, LOCAL, "good")) != text_of(played(clients, LOCAL, line))
    good, bad = clients.server.book.entries[-2:]
    assert bad.better == (good.better if line in {"fenced", "prefixed"} else "")


def test_both_orders_of_keys_hold_the_same(clients: Clients) -> None:
    usual, other = (json.loads(text_of(played(clients, OPENAI, line))) for line in ("good", "reversed_keys"))
    assert usual == other
    assert list(usual) == list(reversed(other))


@pytest.mark.parametrize("provider", [OPENAI, RESPONSES, OPENROUTER, LOCAL, GOOGLE])
def test_an_answer_may_lack_its_usage_and_is_charged_all_the_same(clients: Clients, provider: str) -> None:
    response = played(clients, provider, "no_usage")
    assert response.usage.input_tokens == 0
    assert clients.server.book.entries[-1].input_tokens > 0
    assert clients.server.book.entries[-1].charged > 0


def test_the_client_of_anthropic_stumbles_over_an_answer_without_usage(clients: Clients) -> None:
    with pytest.raises(AttributeError):
        played(clients, ANTHROPIC, "no_usage")
    assert clients.server.book.entries[-1].charged > 0


@pytest.mark.parametrize("provider", ALL)
def test_a_model_may_answer_by_another_name(clients: Clients, provider: str) -> None:
    assert played(clients, provider, "other_model(name=elsewhere)").model_name == "elsewhere"


@pytest.mark.parametrize("provider", ALL)
def test_an_answer_sent_twice_is_read_once(clients: Clients, provider: str) -> None:
    model = clients.model(provider)
    clients.server.play("twice")

    async def once() -> ModelResponse:
        return await model.request(messages(TEXTS), {"max_tokens": 900}, parameters())

    async def two() -> list[ModelResponse]:
        first = await once()
        try:
            return [first, await once()]
        except failures.ModelConnectionError:  # the server ended that connection just then
            return [first, await once()]

    first, second = clients.run(two())
    assert text_of(first) == text_of(second)


def test_openrouter_says_within_a_200_that_it_failed(clients: Clients) -> None:
    with pytest.raises(failures.ModelHTTPError) as caught:
        played(clients, OPENROUTER, "error_in_200")
    assert caught.value.status_code == 502
    assert clients.server.book.entries[-1].status == 200
    assert clients.server.book.entries[-1].charged == 0


@pytest.mark.parametrize("provider", [OPENAI, RESPONSES, ANTHROPIC, OPENROUTER])
def test_a_blocked_prompt_is_an_error(clients: Clients, provider: str) -> None:
    with pytest.raises(failures.ModelRequestRejectedError):
        played(clients, provider, "blocked")


def test_google_answers_a_blocked_prompt_without_candidates(clients: Clients) -> None:
    response = played(clients, GOOGLE, "blocked")
    assert response.finish_reason == "content_filter"
    assert response.parts == []


@pytest.mark.parametrize("provider", [RESPONSES, ANTHROPIC, GOOGLE])
def test_there_may_be_no_answer_in_an_answer(clients: Clients, provider: str) -> None:
    assert text_of(played(clients, provider, "empty")) == ""
    assert clients.server.book.entries[-1].charged > 0


@pytest.mark.parametrize("provider", [OPENAI, LOCAL, OPENROUTER])
def test_the_client_of_openai_stumbles_over_an_answer_without_choices(clients: Clients, provider: str) -> None:
    with pytest.raises(IndexError):
        played(clients, provider, "empty")
    assert clients.server.book.entries[-1].charged > 0


def test_limits_of_a_minute_are_kept_per_model() -> None:
    with FakeProviders(Scene(limits=Limits(requests=2))) as server, Clients(server) as clients:
        for model in ("one", "two"):
            clients.ask(LOCAL, TEXTS, name=model)
            clients.ask(LOCAL, TEXTS, name=model)
            with pytest.raises(failures.ModelRateLimitError) as caught:
                clients.ask(LOCAL, TEXTS, name=model)
            assert caught.value.retry_after is not None
            assert 50 <= caught.value.retry_after <= 60
    with FakeProviders(Scene(limits=Limits(tokens=100))) as server, Clients(server) as clients:
        clients.ask(LOCAL, TEXTS)
        with pytest.raises(failures.ModelRateLimitError, match="tokens per minute"):
            clients.ask(LOCAL, TEXTS)


def test_a_rule_of_a_test_s_own_sees_the_prompt(clients: Clients) -> None:
    clients.server.play("", Rule("500", when=lambda asked: "bomb" in asked.prompt))
    clients.ask(LOCAL, TEXTS)
    with pytest.raises(failures.ModelServerError):
        clients.ask(LOCAL, question("a bomb", "no such thing"))


def test_many_calls_at_once_meet_what_the_line_says_and_the_book_has_each_of_them() -> None:
    scene = Scene(rules="5% refusal, 5% invalid, 5% 429, 2% 500, cut at 40", delay=0.05, seed=2)
    with FakeProviders(scene) as server, Clients(server) as clients:
        model, gate, met = clients.model(LOCAL), asyncio.Semaphore(64), Counter[str]()

        async def one(number: int) -> None:
            settings: Any = {"max_tokens": 900, "extra_headers": {"X-Client-Request-Id": f"call {number}"}}
            text = question(f"The text {number}.", f"The text {number + 200}.")
            async with gate:
                try:
                    response = await model.request(messages(text), settings, parameters())
                except failures.ModelAPIError as failure:
                    met[type(failure).__name__.removeprefix("_HTTP")] += 1
                else:
                    met["refusal" if response.finish_reason == "content_filter" else "answer"] += 1

        async def all_of_them() -> None:
            await asyncio.gather(*(one(number) for number in range(200)))

        clients.run(all_of_them())
        entries = server.book.entries
        played = Counter(entry.scenario.partition(":")[0] for entry in entries)
        assert {entry.request_id for entry in entries} == {f"call {number}" for number in range(200)}
        assert set(played) == {"good", "refusal", "invalid", "429", "500", "cut"}
        assert met == {
            "answer": played["good"] + played["invalid"],
            "refusal": played["refusal"],
            "ModelRateLimitError": played["429"],
            "ModelServerError": played["500"],
            "ModelConnectionError": 1,
        }
        assert sum(entry.charged > 0 for entry in entries) == 200 - played["429"] - played["500"]
        assert server.traffic.most > 40  # refusals come at once
