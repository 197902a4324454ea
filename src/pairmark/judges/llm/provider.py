"""From a configuration to a provider's model that can be asked: keys, addresses, proxies, and the shape of a request.

Keys are read from the environment here and nowhere else; they are kept out of every message. What an error means is in
`meanings`, when and how often is sent in `sending`.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from operator import attrgetter
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pairmark.errors import BadRequest
from pairmark.judges.llm.config import LlmConfig
from pairmark.judges.llm.openai_models import RESPONSE_FORMAT, SPEAKING_OPENAI, WITH_SCHEMA, openai_model
from pairmark.judges.llm.places import stays_here
from pairmark.judges.llm.prompt import Prompt
from pairmark.judges.llm.verdict import SCHEMA

if TYPE_CHECKING:
    import ssl

    import httpx2
    from pydantic_ai.messages import ModelResponse
    from pydantic_ai.models import Model, ModelRequestParameters
    from pydantic_ai.settings import ModelSettings

INSTALL = "Install it with pip install 'pairmark[llm]'."
KEYS = {
    "openai": ("OPENAI_API_KEY",),
    "anthropic": ("ANTHROPIC_API_KEY",),
    "google": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "openrouter": ("OPENROUTER_API_KEY",),
    "url": ("PAIRMARK_JUDGE_KEY",),
}
ADDRESSES = {
    "openai": (("OPENAI_BASE_URL",), "https://api.openai.com/v1"),
    "anthropic": (("ANTHROPIC_BASE_URL",), "https://api.anthropic.com"),
    "google": (("GOOGLE_GEMINI_BASE_URL", "GOOGLE_BASE_URL"), "https://generativelanguage.googleapis.com"),
    "openrouter": (("OPENROUTER_BASE_URL",), "https://openrouter.ai/api/v1"),
}
PACKAGES = {
    "openai": "openai",
    "anthropic": "anthropic",
    "google": "google.genai",
    "openrouter": "openai",
    "url": "openai",
}
NAMES = {"openai": "OpenAI", "anthropic": "Anthropic", "google": "Google", "openrouter": "OpenRouter"}
CONNECT_SECONDS = 10.0
LANES = 8
CONNECTIONS = 16  # of each lane; twice its part of 64, so that none waits for another
CALL_HEADER = "X-Client-Request-Id"

_KEY_LIKE = re.compile(r"\b(?:sk|pk|rk|xai|gsk|AIza)[-_A-Za-z0-9*.]{6,}|Bearer\s+\S+|https?://[^\s/@]+@", re.IGNORECASE)
_SHORTEST_SECRET = 6


class Elsewhere(Exception):
    """A judge that is held to this machine would have had to leave it; nothing was sent."""

    def __init__(self, host: str) -> None:
        super().__init__(f"{host} is not this machine")
        self.host = host


class Redirected(Exception):
    """An address answered with another address; it is not followed, because essays go only where they were meant to."""


@dataclass
class Lane:
    """A model with connections of its own, and how many requests are on them."""

    model: "Model[Any]"
    client: "httpx2.AsyncClient"
    busy: int = 0


@dataclass(frozen=True)
class Connection:
    """A provider's model, ready to be asked; belongs to the event loop it is used on.

    Its connections are spread over several lanes, because a pool looks at all its connections for each request: with 64 in one
    pool a third of all time went there.
    """

    config: LlmConfig
    lanes: tuple[Lane, ...]
    parameters: "ModelRequestParameters"
    fixed: "ModelSettings"

    @property
    def model(self) -> "Model[Any]":
        """The library's model."""
        return self.lanes[0].model

    async def request(self, prompt: Prompt, call_id: str) -> "ModelResponse":
        """One request on the wire, whatever comes of it."""
        lane = min(self.lanes, key=attrgetter("busy"))
        lane.busy += 1
        try:
            return await lane.model.request(self.messages(prompt), self.settings(call_id), self.parameters)
        finally:
            lane.busy -= 1

    def messages(self, prompt: Prompt) -> list[Any]:
        """The prompt as the library takes it; only Anthropic has to be told where a prefix ends."""
        from pydantic_ai.messages import CachePoint, ModelRequest, SystemPromptPart, UserPromptPart  # noqa: PLC0415

        content: str | list[str | CachePoint] = prompt.first + prompt.second
        if self.config.provider == "anthropic":
            content = [prompt.first, CachePoint(), prompt.second]
        return [ModelRequest(parts=[SystemPromptPart(content=prompt.system), UserPromptPart(content=content)])]

    def settings(self, call_id: str) -> "ModelSettings":
        """The settings of one request, which carries the id of its call."""
        return {**self.fixed, "extra_headers": {CALL_HEADER: call_id}} if call_id else self.fixed

    async def close(self) -> None:
        """Close the connections."""
        for lane in self.lanes:
            await lane.client.aclose()


def check_installed(config: LlmConfig) -> None:
    """Raise `BadRequest` when the extra for language models, or the part of it for this provider, is missing."""
    for package in ("pydantic_ai", PACKAGES[config.provider]):
        try:
            found = find_spec(package)
        except ImportError:
            found = None
        if found is None:
            raise BadRequest(f"The judge {config.name} needs packages that are not installed.", remedy=INSTALL)


def check_place(config: LlmConfig) -> None:
    """Raise `BadRequest` when a judge held to this machine has an address elsewhere, as far as its name tells."""
    if not config.local_only:
        return
    host = urlsplit(address(config)).hostname or ""
    check_installed(config)
    if not stays_here(host):
        raise BadRequest(
            f"The judge {config.name} is at {host}, and texts must not leave this machine.",
            remedy="Name a server on this machine, such as http://127.0.0.1:11434/v1#MODEL, or leave out --local-only.",
        )


def check_key(config: LlmConfig) -> None:
    """Raise `BadRequest` when a key is needed and the environment has none, or one that cannot be a key."""
    key, variables = key_of(config), " or ".join(KEYS[config.provider])
    if not key and config.provider != "url":
        raise BadRequest(
            f"There is no key for {NAMES[config.provider]}.", remedy=f"Set {variables} in the environment."
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise BadRequest(
            f"What {variables} holds cannot be a key.", remedy="Copy it again, without spaces or line ends."
        )
    place = urlsplit(address(config))
    if key and place.scheme == "http" and not stays_here(place.hostname or ""):
        raise BadRequest(
            f"The key in {variables} would go to {place.hostname} over http, where anybody on the way can read it.",
            remedy="Write https, or unset the key if that server wants none.",
        )


def check_one_server(configs: Sequence[LlmConfig]) -> None:
    """Raise `BadRequest` if the key for judges named by URL would be shown to more than one server."""
    servers = sorted(
        {urlsplit(config.base_url).netloc for config in configs if config.provider == "url" and key_of(config)}
    )
    if len(servers) > 1:
        raise BadRequest(
            f"The key in {KEYS['url'][0]} would be shown to {len(servers)} servers: {', '.join(servers)}.",
            remedy="Name one server by URL, or unset it.",
        )


def key_of(config: LlmConfig) -> str:
    """The key for this judge, or nothing."""
    return next((key for name in KEYS[config.provider] if (key := os.environ.get(name, "").strip())), "")


def address(config: LlmConfig) -> str:
    """Where the judge is asked: its own URL, or that of its provider, which the environment may replace by a gateway's."""
    if config.provider == "url":
        return config.base_url
    variables, known = ADDRESSES[config.provider]
    given = next(((name, text) for name in variables if (text := os.environ.get(name, "").strip())), None)
    if given is None:
        return known
    if not _is_url(given[1]):
        raise BadRequest(f"What {given[0]} holds is no URL.", remedy="Write https://HOST/PATH, or unset it.")
    return given[1].rstrip("/")


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # half an IPv6 address, or a port that is no number
        return False


def whom(config: LlmConfig) -> str:
    """The provider, for people."""
    return NAMES.get(config.provider) or f"the server at {config.base_url}"


def scrub(text: str) -> str:
    """The text without any key: those of the environment, and whatever looks like one."""
    for name in [name for names in KEYS.values() for name in names]:
        secret = os.environ.get(name, "").strip()
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "…")
    return _KEY_LIKE.sub("…", text)


def connect(config: LlmConfig, learn: Callable[[Mapping[str, str]], None], *, in_jobs: bool = False) -> Connection:
    """Make ready to ask, single questions or whole jobs; nothing is sent yet. `learn` is told the headers of every response."""
    check_installed(config)
    check_key(config)
    check_place(config)
    from pydantic_ai.models import ModelRequestParameters  # noqa: PLC0415
    from pydantic_ai.output import OutputObjectDefinition  # noqa: PLC0415

    clients = [_client(config, learn) for _ in range(1 if in_jobs else LANES)]
    if config.provider in SPEAKING_OPENAI and not in_jobs:
        parameters = ModelRequestParameters(output_mode="text", allow_text_output=True)
    else:
        wanted = OutputObjectDefinition(json_schema=SCHEMA, name="verdict", strict=True)
        parameters = ModelRequestParameters(output_mode="native", output_object=wanted, allow_text_output=True)
    lanes = tuple(Lane(_model(config, client, in_jobs=in_jobs), client) for client in clients)
    return Connection(config, lanes, parameters, _fixed(config, in_jobs=in_jobs))


@cache
def _trust() -> "ssl.SSLContext":
    """Whom to trust, read once: it takes longer than everything else that is made for a judge."""
    import httpx2  # noqa: PLC0415 - part of the extra

    return httpx2.create_ssl_context()


def _client(config: LlmConfig, learn: Callable[[Mapping[str, str]], None]) -> "httpx2.AsyncClient":
    import httpx2  # noqa: PLC0415 - part of the extra

    async def told(response: httpx2.Response) -> None:
        if response.is_redirect:
            raise Redirected
        learn(response.headers)

    limits = httpx2.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    transport = None
    if config.local_only:
        from pairmark.judges.llm.loopback import LoopbackTransport  # noqa: PLC0415

        transport = LoopbackTransport(verify=_trust(), limits=limits)
    return httpx2.AsyncClient(
        verify=_trust(),
        timeout=httpx2.Timeout(config.timeout, connect=min(CONNECT_SECONDS, config.timeout)),
        limits=limits,
        transport=transport,
        follow_redirects=False,
        trust_env=not (config.local_only or stays_here(urlsplit(address(config)).hostname or "")),
        event_hooks={"response": [told]},
    )


def _model(config: LlmConfig, client: "httpx2.AsyncClient", *, in_jobs: bool) -> "Model[Any]":
    """The library's class for this provider; only that one is imported, and it never repeats a request by itself."""
    if config.provider == "anthropic":
        return _anthropic(config, client)
    if config.provider == "google":
        return _google(config, client)
    return openai_model(config, key_of(config) or "none", address(config), client, in_jobs=in_jobs)


def _anthropic(config: LlmConfig, client: "httpx2.AsyncClient") -> "Model[Any]":
    from anthropic import AsyncAnthropic  # noqa: PLC0415
    from pydantic_ai.models.anthropic import AnthropicModel  # noqa: PLC0415
    from pydantic_ai.providers.anthropic import AnthropicProvider  # noqa: PLC0415

    anthropic = AsyncAnthropic(
        api_key=key_of(config), base_url=address(config), http_client=client, max_retries=0, timeout=config.timeout
    )
    return AnthropicModel(config.model, provider=AnthropicProvider(anthropic_client=anthropic), profile=WITH_SCHEMA)


def _google(config: LlmConfig, client: "httpx2.AsyncClient") -> "Model[Any]":
    from google.genai import Client  # noqa: PLC0415
    from google.genai.types import HttpOptions, HttpRetryOptions  # noqa: PLC0415
    from pydantic_ai.models.google import GoogleModel  # noqa: PLC0415
    from pydantic_ai.providers.google import GoogleProvider  # noqa: PLC0415

    options = HttpOptions(
        base_url=address(config),
        httpx_async_client=client,
        timeout=1_000 * config.timeout,
        retry_options=HttpRetryOptions(attempts=1),
        client_args={"verify": _trust()},  # of clients that are made and never used
        async_client_args={"verify": _trust()},
    )
    provider = GoogleProvider(client=Client(vertexai=False, api_key=key_of(config), http_options=options))
    return GoogleModel(config.model, provider=provider, profile=WITH_SCHEMA)


def _fixed(config: LlmConfig, *, in_jobs: bool) -> "ModelSettings":
    """What every request of this judge says beside its prompt; one in a job waits as long as the job does."""
    settings: dict[str, Any] = {"max_tokens": config.max_output_tokens}
    settings |= {} if in_jobs else {"timeout": config.timeout}
    if config.provider in SPEAKING_OPENAI and not in_jobs:
        settings["extra_body"] = {"response_format": RESPONSE_FORMAT}
    effort = config.effort
    if config.provider == "openrouter":
        settings["openrouter_provider"] = {"require_parameters": True}
        settings |= {"openrouter_reasoning": {"effort": effort}} if effort else {}
    elif config.provider in ("openai", "url"):
        settings |= {"openai_reasoning_effort": effort} if effort else {}
    elif config.provider == "anthropic":
        settings["anthropic_cache_instructions"] = True
        if effort in ("none", "minimal"):
            settings["thinking"] = False
        elif effort:
            settings["anthropic_effort"] = effort
    elif effort:
        settings["thinking"] = False if effort == "none" else effort
    return settings  # type: ignore[return-value]
