"""Real clients that are led to the fake providers, and the simplest question a judge would put with them.

The clients take seconds to load: import this only where they are used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from anthropic import AsyncAnthropic
from google.genai.types import HttpRetryOptions
from openai import AsyncOpenAI
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, SystemPromptPart, UserPromptPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.models.openrouter import OpenRouterModel
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.openrouter import OpenRouterProvider

from support.providers.scene import ANTHROPIC, GOOGLE, LOCAL, OPENAI, OPENROUTER, RESPONSES
from support.providers.server import FakeProviders
from support.providers.texts import SCHEMA

T = TypeVar("T")

MODELS = {
    OPENAI: "gpt-5-mini",
    RESPONSES: "gpt-5-mini",
    OPENROUTER: "openai/gpt-5-mini",
    LOCAL: "some-model",
    ANTHROPIC: "claude-haiku-4-5",
    GOOGLE: "gemini-2.5-flash",
}
SYSTEM = "You compare two texts. Answer with JSON."


def model_of(server: FakeProviders, provider: str, name: str = "", key: str | None = None) -> Model:
    """A model of pydantic-ai whose client goes to the server and never tries again by itself."""
    name = name or MODELS[provider]
    served = OPENAI if provider == RESPONSES else provider
    url, key = server.url(served), server.scene.keys[served] if key is None else key
    if provider == ANTHROPIC:
        client = AsyncAnthropic(api_key=key, base_url=url, max_retries=0)
        return AnthropicModel(name, provider=AnthropicProvider(anthropic_client=client))
    if provider == GOOGLE:
        once = HttpRetryOptions(attempts=1)
        return GoogleModel(name, provider=GoogleProvider(api_key=key, base_url=url, retry_options=once))
    return _openai(provider, name, url, key)


def _openai(provider: str, name: str, url: str, key: str) -> Model:

    client = AsyncOpenAI(api_key=key or "none", base_url=url, max_retries=0)
    if provider == OPENROUTER:
        return OpenRouterModel(name, provider=OpenRouterProvider(openai_client=client))
    kind = OpenAIResponsesModel if provider == RESPONSES else OpenAIChatModel
    return kind(name, provider=OpenAIProvider(openai_client=client))


def messages(text: str) -> list[ModelMessage]:
    """Instructions and one question."""

    return [ModelRequest(parts=[SystemPromptPart(SYSTEM), UserPromptPart(text)])]


def parameters() -> ModelRequestParameters:
    """Structured output by the provider's own means."""

    output = OutputObjectDefinition(json_schema=SCHEMA, name="verdict", strict=True)
    return ModelRequestParameters(output_mode="native", output_object=output, allow_text_output=False)


class Clients:
    """Models whose clients go to one server, on one event loop; a context manager."""

    def __init__(self, server: FakeProviders) -> None:
        self.server = server
        self._models: dict[tuple[str, str], Model] = {}
        self._runner = asyncio.Runner()

    def model(self, provider: str, name: str = "") -> Model:
        """A model, made once."""
        if (provider, name) not in self._models:
            self._models[provider, name] = model_of(self.server, provider, name)
        return self._models[provider, name]

    def ask(self, provider: str, text: str, request_id: str = "", name: str = "", **settings: Any) -> ModelResponse:
        """Put a question and wait for the answer."""
        given: Any = {"max_tokens": 2_000, **settings}
        if request_id:
            given["extra_headers"] = {"X-Client-Request-Id": request_id}
        return self.run(self.model(provider, name).request(messages(text), given, parameters()))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for it."""
        return self._runner.run(work)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.close()
