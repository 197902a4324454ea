"""The library's models for servers that speak as OpenAI does: OpenAI itself, OpenRouter, and any other by its URL.

What is handed over is plain already, so that the client neither copies nor converts it for every single request; half of
its time went there. Keys and addresses are looked up in `provider`.
"""

import os
from typing import TYPE_CHECKING, Any

from pairmark.judges.llm.config import LlmConfig
from pairmark.judges.llm.verdict import SCHEMA

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI
    from pydantic_ai.models import Model

SPEAKING_OPENAI = ("openai", "openrouter", "url")
HEADERS = "OPENAI_CUSTOM_HEADERS"
RESPONSE_FORMAT = {"type": "json_schema", "json_schema": {"name": "verdict", "schema": SCHEMA, "strict": True}}
"""What the library would write, ready for the body of a request."""

WITH_SCHEMA: Any = {"supports_json_schema_output": True}
"""The provider decides whether its model can do structured output, not a list that may be older than the model."""
_SERVED: Any = {**WITH_SCHEMA, "openai_chat_supports_max_completion_tokens": False}
"""Servers of open models all know `max_tokens`; not all know the newer name."""


def openai_model(
    config: LlmConfig, key: str, base_url: str, client: "httpx2.AsyncClient", *, in_jobs: bool
) -> "Model[Any]":
    """The model of this configuration; jobs go to OpenAI's Responses, for the library knows no others."""
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel  # noqa: PLC0415

    openai = _plain(config, key, base_url, client)
    if config.provider == "openrouter":
        from pydantic_ai.models.openrouter import OpenRouterModel  # noqa: PLC0415
        from pydantic_ai.providers.openrouter import OpenRouterProvider  # noqa: PLC0415

        return OpenRouterModel(config.model, provider=OpenRouterProvider(openai_client=openai), profile=WITH_SCHEMA)
    if config.provider == "openai":
        from pydantic_ai.providers.openai import OpenAIProvider  # noqa: PLC0415

        kind = OpenAIResponsesModel if in_jobs else OpenAIChatModel
        return kind(config.model, provider=OpenAIProvider(openai_client=openai), profile=WITH_SCHEMA)
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider  # noqa: PLC0415

    served = OpenAICompatibleProvider("url", openai_client=openai)
    return OpenAIChatModel(config.model, provider=served, profile=_SERVED)


def _plain(config: LlmConfig, key: str, base_url: str, client: "httpx2.AsyncClient") -> "AsyncOpenAI":
    """A client that never repeats a request by itself and sends bodies as they are."""
    from openai import AsyncOpenAI, Omit  # noqa: PLC0415
    from openai._base_client import make_request_options  # noqa: PLC0415
    from openai.resources.chat import AsyncCompletions  # noqa: PLC0415
    from openai.types.chat import ChatCompletion  # noqa: PLC0415

    class PlainCompletions(AsyncCompletions):
        async def create(self, **wanted: Any) -> Any:
            extra = {name: wanted.pop(name, None) for name in ("extra_headers", "extra_body")}
            options = make_request_options(**extra, timeout=wanted.pop("timeout"), security={"bearer_auth": True})
            body = {name: value for name, value in wanted.items() if not isinstance(value, Omit)}
            return await self._post("/chat/completions", cast_to=ChatCompletion, body=body, options=options)

    openai = AsyncOpenAI(
        api_key=key,
        base_url=base_url,
        http_client=client,
        max_retries=0,
        default_headers=_own_headers(config, key),
    )
    if config.provider != "openai":
        openai.organization = openai.project = None
    openai.chat.completions = PlainCompletions(openai)  # type: ignore[misc]
    return openai


def _own_headers(config: LlmConfig, key: str) -> dict[str, Any]:
    """Headers that keep what the environment has for OpenAI alone (the library would send it) from all other servers."""
    if config.provider == "openai":
        return {}
    from openai import Omit  # noqa: PLC0415

    meant_for_openai = [line.partition(":")[0].strip() for line in os.environ.get(HEADERS, "").split("\n")]
    return {name: Omit() for name in meant_for_openai if name} | {"Authorization": f"Bearer {key}"}
