"""Whatever is put in the place of a value of a good request, the fake providers answer or refuse; they never fall over."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import msgspec
import pytest

from support.providers import FakeProviders, Scene
from support.providers.http import Request
from support.providers.scene import ANTHROPIC, GOOGLE, OPENAI, OPENROUTER
from support.providers.texts import SCHEMA, question

TEXT = question("one text", "another text")
STRICT = {"type": "json_schema", "json_schema": {"name": "v", "strict": True, "schema": SCHEMA}}
FORM = {"type": "json_schema", "name": "v", "strict": True, "schema": SCHEMA}
MARK = {"type": "ephemeral"}
INLINE = {"contents": [{"role": "user", "parts": [{"text": TEXT}]}]}
SYSTEM = {"parts": [{"text": "Be fair."}]}
CONFIG = {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA, "maxOutputTokens": 900}

REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    (
        OPENAI,
        "/openai/v1/chat/completions",
        {
            "model": "gpt-5",
            "messages": [
                {"role": "system", "content": "Be fair."},
                {"role": "user", "content": [{"type": "text", "text": TEXT}]},
            ],
            "max_completion_tokens": 900,
            "reasoning_effort": "low",
            "response_format": STRICT,
        },
    ),
    (
        OPENAI,
        "/openai/v1/responses",
        {
            "model": "gpt-5",
            "input": [{"role": "user", "content": [{"type": "input_text", "text": TEXT}]}],
            "reasoning": {"effort": "low"},
            "text": {"format": FORM},
        },
    ),
    (
        OPENROUTER,
        "/openrouter/api/v1/chat/completions",
        {
            "model": "m",
            "messages": [{"role": "user", "content": TEXT}],
            "provider": {"require_parameters": True},
            "reasoning": {"effort": "low"},
            "response_format": STRICT,
        },
    ),
    (
        ANTHROPIC,
        "/anthropic/v1/messages",
        {
            "model": "m",
            "max_tokens": 2_000,
            "system": [{"type": "text", "text": "Be fair.", "cache_control": MARK}],
            "messages": [{"role": "user", "content": [{"type": "text", "text": TEXT}]}],
            "thinking": {"type": "enabled", "budget_tokens": 1_024},
            "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}},
        },
    ),
    (
        GOOGLE,
        "/google/v1beta/models/m:generateContent",
        {**INLINE, "systemInstruction": SYSTEM, "generationConfig": CONFIG},
    ),
    (
        ANTHROPIC,
        "/anthropic/v1/messages/batches",
        {"requests": [{"custom_id": "a", "params": {"model": "m", "max_tokens": 5, "messages": []}}]},
    ),
    (
        GOOGLE,
        "/google/v1beta/models/m:batchGenerateContent",
        {
            "batch": {
                "displayName": "d",
                "inputConfig": {"requests": {"requests": [{"request": INLINE, "metadata": {"key": "k"}}]}},
            }
        },
    ),
    (
        OPENAI,
        "/openai/v1/batches",
        {"input_file_id": "file-1", "endpoint": "/v1/chat/completions", "completion_window": "24h"},
    ),
]
OTHERS: list[Any] = [None, 0, -1, 1.5, True, "", "x", [], {}, ["x"], [[]], [{}], {"a": 1}, 10**15]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place within a body, but for those within its schema."""
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        if key not in SCHEMA["properties"]:
            yield from places(one, (*path, key))


def put(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = deepcopy(body)
    inside = changed
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = value
    return changed


@pytest.mark.parametrize(("provider", "path", "body"), REQUESTS, ids=[path for _, path, _ in REQUESTS])
def test_values_of_any_type_are_answered_or_refused(provider: str, path: str, body: dict[str, Any]) -> None:
    server = FakeProviders(Scene())
    key = server.scene.keys[provider]
    headers = {
        "authorization": f"Bearer {key}",
        "x-api-key": key,
        "x-goog-api-key": key,
        "anthropic-version": "2023-06-01",
    }

    def status(sent: Any) -> int:
        return server.handle(Request("POST", path, {}, headers, msgspec.json.encode(sent))).status

    assert status(body) == (404 if path.endswith("v1/batches") else 200)
    told = {status(put(body, place, value)) for place in places(body) for value in OTHERS}
    assert server.faults == []
    assert {400} <= told <= {200, 400, 404}
