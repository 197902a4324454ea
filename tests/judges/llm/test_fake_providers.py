"""The fake providers keep each provider's contract: good requests of the real clients pass, everything else is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors, types
from pydantic_ai.messages import TextPart

from support.providers import Card, FakeProviders, Limits, Scene, Traits, digest
from support.providers.clients import MODELS, Clients
from support.providers.prices import priced
from support.providers.scene import ANTHROPIC, GOOGLE, LOCAL, OPENAI, OPENROUTER, RESPONSES
from support.providers.texts import SCHEMA, question

ALL = [OPENAI, RESPONSES, OPENROUTER, LOCAL, ANTHROPIC, GOOGLE]
FIRST, SECOND = "The strong text, with reasons and proof.", "A weak one."
THINKER = Card("thinker", reasoning=True, thinking_tokens=40)
PLAIN = Card("plain", structured=False)
SMALL = Card("small", context=100)
SCENE = Scene(cards=[THINKER, PLAIN, SMALL], judge=Traits(abilities={digest(FIRST): 9.0, digest(SECOND): -9.0}))


@pytest.fixture(scope="module")
def server() -> Iterator[FakeProviders]:
    with FakeProviders(SCENE) as running:
        yield running


@pytest.mark.parametrize("provider", ALL)
def test_a_good_request_gets_the_verdict_of_the_scripted_judge(server: FakeProviders, provider: str) -> None:
    with Clients(server) as clients:
        response = clients.ask(provider, question(FIRST, SECOND), f"good {provider}")
        other = clients.ask(provider, question(SECOND, FIRST), f"other {provider}")
    told = json.loads("".join(part.content for part in response.parts if isinstance(part, TextPart)))
    assert list(told) == list(SCHEMA["properties"])
    assert (told["better"], told["evidence_2"], told["instructions_found"]) == ("1", SECOND, False)
    assert response.model_name == MODELS[provider]

    [entry] = server.book.of(f"good {provider}")
    assert (entry.status, entry.better, entry.first) == (200, "1", digest(FIRST))
    assert (response.usage.input_tokens, response.usage.output_tokens) == (entry.input_tokens, entry.output_tokens)
    assert entry.charged == pytest.approx((entry.input_tokens * 1.0 + entry.output_tokens * 4.0) / 1e6)

    assert '"better": "2"' in "".join(part.content for part in other.parts if isinstance(part, TextPart))


@cache
def openai_client(url: str, key: str) -> openai.OpenAI:
    return openai.OpenAI(api_key=key or "none", base_url=url, max_retries=0)


def chat(server: FakeProviders, provider: str = OPENAI, key: str | None = None, **changes: Any) -> Any:
    client = openai_client(server.url(provider), server.scene.keys[provider] if key is None else key)
    asked: dict[str, Any] = {
        "model": "some-model",
        "messages": [{"role": "user", "content": question(FIRST, SECOND)}],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "verdict", "strict": True, "schema": SCHEMA},
        },
        **changes,
    }
    return client.chat.completions.create(**{name: value for name, value in asked.items() if value is not None})


def schema(**changes: Any) -> dict[str, Any]:
    changed = {**deepcopy(SCHEMA), **changes}
    return {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": changed}}


def named(name: str) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": name, "strict": True, "schema": SCHEMA}}


OPENED = {name: value for name, value in SCHEMA.items() if name != "additionalProperties"}
BOUNDED = {**SCHEMA["properties"], "reason": {"type": "string", "maxLength": 9}}
NESTED = {**SCHEMA["properties"], "more": {"type": "object", "properties": {}, "required": []}}

CHAT_REFUSALS = [
    (
        {"response_format": schema(additionalProperties=True)},
        "'additionalProperties' is required to be supplied and to be false",
    ),
    ({"response_format": schema(required=["better"])}, "Missing 'evidence_1'"),
    ({"response_format": schema(properties=NESTED, required=list(NESTED))}, r"In context=\('properties', 'more'\)"),
    ({"response_format": schema(type="array")}, "got 'type: \"array\"'"),
    ({"response_format": schema(allOf=[{"type": "object"}])}, "'allOf' is not permitted"),
    ({"response_format": named("two words")}, "does not match pattern"),
    ({"response_format": named("x" * 65)}, "does not match pattern"),
    ({"response_format": {"type": "verdict"}}, "response_format.type"),
    ({"response_format": {"type": "json_object"}}, "must contain the word 'json'"),
    ({"messages": []}, "Missing required parameter: 'messages'"),
    ({"messages": [{"role": "judge", "content": "hello"}]}, "role"),
    ({"model": "thinker", "temperature": 0.0}, "'temperature' does not support 0.0"),
    ({"model": "thinker", "top_p": 0.5}, "'top_p' does not support"),
    ({"model": "thinker", "max_tokens": 100}, "Use 'max_completion_tokens' instead"),
    ({"reasoning_effort": "low"}, "Unrecognized request argument supplied: reasoning_effort"),
    ({"model": "thinker", "extra_body": {"reasoning_effort": "extreme"}}, "Invalid value: 'extreme'"),
    ({"extra_body": {"top_k": 3}}, "Unrecognized request argument supplied: top_k"),
    ({"max_completion_tokens": 1_000_000}, "max_tokens is too large"),
    ({"model": "plain"}, "'json_schema' is not supported with this model"),
    (
        {"model": "small", "messages": [{"role": "user", "content": "word " * 400}]},
        "maximum context length is 100 tokens",
    ),
]


@pytest.mark.parametrize(("changes", "message"), CHAT_REFUSALS)
def test_openai_refuses(server: FakeProviders, changes: dict[str, Any], message: str) -> None:
    before = server.book.charged()
    with pytest.raises(openai.BadRequestError, match=message) as caught:
        chat(server, **changes)
    assert isinstance(caught.value.body, dict)
    assert set(caught.value.body) == {"message", "type", "param", "code"}
    assert server.book.charged() == before


def test_openai_takes_temperature_1_of_a_reasoning_model_and_counts_its_thoughts(server: FakeProviders) -> None:
    told = chat(server, model="thinker", temperature=1, max_completion_tokens=4_000, reasoning_effort="low")
    assert told.usage.completion_tokens_details.reasoning_tokens == 40
    cut = chat(server, model="thinker", max_completion_tokens=45)
    assert cut.choices[0].finish_reason == "length"
    assert cut.usage.completion_tokens == 45


def test_openai_names_wrong_keys_and_models(server: FakeProviders) -> None:
    with pytest.raises(openai.AuthenticationError) as key:
        chat(server, key="wrong")
    assert key.value.code == "invalid_api_key"
    with pytest.raises(openai.NotFoundError) as model:
        chat(server, model="unknown-model")
    assert model.value.code == "model_not_found"
    assert server.book.entries[-2].status == 401


def test_openai_tells_in_headers_when_to_come_again_and_who_asked(server: FakeProviders) -> None:
    for line, name, value in (("429(retry_after=0.25,form=ms)", "retry-after-ms", "250"), ("429", "retry-after", None)):
        server.play(line)
        with pytest.raises(openai.RateLimitError) as caught:
            chat(server, extra_headers={"X-Client-Request-Id": f"asked {name}"})
        assert caught.value.response.headers.get(name) == value
        [entry] = server.book.of(f"asked {name}")
        assert caught.value.request_id == entry.identity
    server.play("")


def test_limits_are_told_with_each_answer_in_the_provider_s_own_words() -> None:
    with FakeProviders(Scene(limits=Limits(requests=10, tokens=9_000))) as server:
        asked = openai_client(server.url(OPENAI), server.scene.keys[OPENAI]).chat.completions.with_raw_response
        told = asked.create(model="m", messages=[{"role": "user", "content": "hello"}]).headers
        assert (told["x-ratelimit-limit-requests"], told["x-ratelimit-remaining-requests"]) == ("10", "9")
        assert told["x-ratelimit-limit-tokens"] == "9000"
        sent = anthropic_client(server.url(ANTHROPIC), api_key=server.scene.keys[ANTHROPIC]).messages.with_raw_response
        told = sent.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "hello"}]).headers
        assert (told["anthropic-ratelimit-requests-limit"], told["anthropic-ratelimit-input-tokens-limit"]) == (
            "10",
            "9000",
        )


def test_a_redirect_leads_elsewhere(server: FakeProviders) -> None:
    server.play(f"redirect(to={server.url(LOCAL)}/chat/completions) for elsewhere times 0")
    assert chat(server, model="elsewhere").model == "elsewhere"
    assert [entry.provider for entry in server.book.entries[-2:]] == [OPENAI, LOCAL]
    server.play("")


def test_models_can_be_looked_up(server: FakeProviders) -> None:
    client = openai_client(server.url(OPENAI), server.scene.keys[OPENAI])
    assert {model.id for model in client.models.list()} == {"thinker", "plain", "small"}
    assert client.models.retrieve("gpt-5-mini").id == "gpt-5-mini"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("unknown-model")
    assert (
        anthropic_client(server.url(ANTHROPIC), api_key=server.scene.keys[ANTHROPIC]).models.retrieve("small").id
        == "small"
    )
    assert (
        google_client(server.url(GOOGLE), "v1beta", server.scene.keys[GOOGLE])
        .models.get(model="small")
        .input_token_limit
        == 100
    )


def test_models_that_exist_have_the_prices_of_the_table() -> None:
    card = priced("openai", "gpt-5-mini", context=5_000)
    assert (card.reasoning, card.context) == (True, 5_000)
    assert (card.input, card.cached, card.output) == pytest.approx((0.25, 0.025, 2.0))
    assert priced("anthropic", "claude-haiku-4-5").cache_write > priced("anthropic", "claude-haiku-4-5").input
    with pytest.raises(LookupError):
        priced("openai", "no-such-model")


def test_a_server_of_ones_own_wants_no_key_and_takes_what_openai_does_not(server: FakeProviders) -> None:
    told = chat(server, LOCAL, key="", max_tokens=500, temperature=0.0, extra_body={"top_k": 3})
    assert json.loads(told.choices[0].message.content)["better"] == "1"


def test_openrouter_routes_only_to_who_keeps_to_the_schema(server: FakeProviders) -> None:
    routed = {"provider": {"require_parameters": True}}
    told = chat(server, OPENROUTER, extra_body=routed)
    assert told.usage.cost == pytest.approx(server.book.entries[-1].charged)
    with pytest.raises(openai.NotFoundError, match="No endpoints found"):
        chat(server, OPENROUTER, model="plain", extra_body=routed)
    with pytest.raises(openai.BadRequestError, match="Unrecognized key"):
        chat(server, OPENROUTER, extra_body={"provider": {"requires": True}})
    with pytest.raises(openai.BadRequestError, match="not a valid model ID"):
        chat(server, OPENROUTER, model="unknown-model")
    with pytest.raises(openai.AuthenticationError):
        chat(server, OPENROUTER, key="wrong")


def respond(server: FakeProviders, **changes: Any) -> Any:
    client = openai_client(server.url(OPENAI), server.scene.keys[OPENAI])
    form = {"type": "json_schema", "name": "verdict", "strict": True, "schema": SCHEMA}
    asked: dict[str, Any] = {
        "model": "some-model",
        "input": question(FIRST, SECOND),
        "text": {"format": form},
        **changes,
    }
    return client.responses.create(**asked)


RESPONSE_REFUSALS = [
    (
        {"text": {"format": {"type": "json_schema", "name": "v", "strict": True, "schema": OPENED}}},
        "additionalProperties",
    ),
    ({"text": {"format": {"type": "json_schema", "name": "a b", "schema": SCHEMA}}}, "text.format.name"),
    ({"max_output_tokens": 5}, "below minimum value"),
    ({"extra_body": {"max_tokens": 500}}, "Unknown parameter: 'max_tokens'"),
    ({"model": "thinker", "temperature": 0}, "'temperature' is not supported"),
    ({"input": []}, "Missing required parameter: 'input'"),
]


@pytest.mark.parametrize(("changes", "message"), RESPONSE_REFUSALS)
def test_openai_refuses_responses(server: FakeProviders, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(openai.BadRequestError, match=message):
        respond(server, **changes)


@cache
def anthropic_client(url: str, **known: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(**known, base_url=url, max_retries=0)  # type: ignore[arg-type]


def send(server: FakeProviders, key: str | None = None, token: str | None = None, **changes: Any) -> Any:
    known = {"auth_token": token} if token else {"api_key": server.scene.keys[ANTHROPIC] if key is None else key}
    client = anthropic_client(server.url(ANTHROPIC), **known)
    asked: dict[str, Any] = {
        "model": "some-model",
        "max_tokens": 1_000,
        "messages": [{"role": "user", "content": question(FIRST, SECOND)}],
        "extra_body": {
            "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
            **changes.pop("body", {}),
        },
        **changes,
    }
    return client.messages.create(**asked)


def formed(schema: dict[str, Any]) -> dict[str, Any]:
    return {"body": {"output_config": {"format": {"type": "json_schema", "schema": schema}}}}


CACHED = {"type": "text", "text": "a block", "cache_control": {"type": "ephemeral"}}

MESSAGE_REFUSALS = [
    ({"body": {"temperature": 0.0}}, "`temperature` is deprecated"),
    ({"body": {"top_p": 0.9}}, "`top_p` is deprecated"),
    ({"body": {"top_k": 5}}, "`top_k` is deprecated"),
    ({"body": {"max_tokens": None}}, "max_tokens"),
    ({"body": {"max_tokens": 1_000_000}}, "which is the maximum"),
    ({"messages": []}, "at least one message"),
    ({"messages": [{"role": "user", "content": []}]}, "messages.0.content: Field required"),
    ({"messages": [{"role": "assistant", "content": "hello"}]}, "first message must use"),
    ({"messages": [{"role": "user", "content": " "}]}, "non-whitespace"),
    ({"body": {"seed": 1}}, "seed: Extra inputs are not permitted"),
    (formed(OPENED), "'additionalProperties' must be explicitly set to false"),
    (
        formed({**SCHEMA, "properties": BOUNDED}),
        "'maxLength' is not",
    ),
    ({"body": {"output_config": {"effort": "none"}}}, "output_config.effort"),
    ({"body": {"thinking": {"type": "enabled", "budget_tokens": 2_000}}}, "must be greater than"),
    ({"model": "plain"}, "does not support structured outputs"),
    (
        {"model": "small", "messages": [{"role": "user", "content": "word " * 400}]},
        "prompt is too long: 500 tokens > 100 maximum",
    ),
    ({"system": [CACHED] * 5}, "A maximum of 4 blocks with cache_control may be provided. Found 5"),
    ({"system": [CACHED, {**CACHED, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]}, "must not come after"),
]


@pytest.mark.parametrize(("changes", "message"), MESSAGE_REFUSALS)
def test_anthropic_refuses(server: FakeProviders, changes: dict[str, Any], message: str) -> None:
    before = server.book.charged()
    with pytest.raises(anthropic.BadRequestError, match=message) as caught:
        send(server, **deepcopy(changes))
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["type"] == "error"
    assert server.book.charged() == before


def test_anthropic_takes_its_key_in_either_header_and_names_wrong_keys_and_models(server: FakeProviders) -> None:
    assert send(server).stop_reason == "end_turn"
    assert send(server, token=server.scene.keys[ANTHROPIC]).stop_reason == "end_turn"
    with pytest.raises(anthropic.AuthenticationError):
        send(server, key="wrong")
    with pytest.raises(anthropic.NotFoundError, match="model: unknown-model"):
        send(server, model="unknown-model")


@cache
def google_client(url: str, version: str, key: str) -> genai.Client:
    once = types.HttpRetryOptions(attempts=1)
    return genai.Client(
        api_key=key, http_options=types.HttpOptions(base_url=url, api_version=version, retry_options=once)
    )


def generate(server: FakeProviders, version: str = "v1beta", key: str | None = None, **changes: Any) -> Any:
    client = google_client(server.url(GOOGLE), version, server.scene.keys[GOOGLE] if key is None else key)
    model = changes.pop("model", "some-model")
    contents = changes.pop("contents", question(FIRST, SECOND))
    config = {"response_mime_type": "application/json", "response_json_schema": SCHEMA, **changes}
    return client.models.generate_content(model=model, contents=contents, config=types.GenerateContentConfig(**config))


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_google_answers_at_both_versions(server: FakeProviders, version: str) -> None:
    told = generate(server, version, system_instruction="Be fair.", max_output_tokens=900)
    assert json.loads(told.text)["better"] == "1"
    assert told.candidates[0].finish_reason == types.FinishReason.STOP
    assert told.usage_metadata.prompt_token_count == server.book.entries[-1].input_tokens


GOOGLE_REFUSALS = [
    ({"response_mime_type": "text/plain"}, 400, "response_mime_type"),
    ({"response_json_schema": {**SCHEMA, "pattern": "x"}}, 400, "Unsupported keyword 'pattern'"),
    ({"response_json_schema": {**SCHEMA, "required": ["winner"]}}, 400, "property is not defined: winner"),
    ({"response_schema": {"type": "OBJECT"}}, 400, "Only one of"),
    ({"temperature": 3.0}, 400, "temperature must be"),
    ({"candidate_count": 3}, 400, "Only one candidate"),
    ({"max_output_tokens": 1_000_000}, 400, "max_output_tokens"),
    ({"http_options": {"extra_body": {"generationConfig": {"seeds": 1}}}}, 400, 'Unknown name "seeds"'),
    ({"http_options": {"extra_body": {"essays": 1}}}, 400, 'Unknown name "essays"'),
    ({"model": "plain"}, 400, "JSON mode is not enabled"),
    ({"model": "small", "contents": "word " * 400}, 400, r"input token count \(500\) exceeds"),
    ({"model": "unknown-model"}, 404, "models/unknown-model is not found"),
    ({"key": "wrong"}, 400, "API key not valid"),
]


@pytest.mark.parametrize(("changes", "status", "message"), GOOGLE_REFUSALS)
def test_google_refuses(server: FakeProviders, changes: dict[str, Any], status: int, message: str) -> None:
    before = server.book.charged()
    with pytest.raises(errors.ClientError, match=message) as caught:
        generate(server, **deepcopy(changes))
    assert caught.value.code == status
    assert server.book.charged() == before
