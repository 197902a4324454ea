"""Which path leads where, for each provider, and whose key opens it.

/openai/v1, /openrouter/api/v1, /anthropic, /google, and /v1 for a server of one's own that wants no key.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import msgspec

from support.providers.answering import Answering
from support.providers.anthropic_batches import AnthropicBatches
from support.providers.anthropic_messages import AnthropicMessages
from support.providers.asked import Dialect, Refused, bad, reading
from support.providers.gemini import Gemini
from support.providers.gemini_batches import GeminiBatches
from support.providers.http import Reply, Request, as_json
from support.providers.jobs import Jobs
from support.providers.openai_batches import OpenAiBatches
from support.providers.openai_chat import LocalChat, OpenAiChat
from support.providers.openai_responses import OpenAiResponses
from support.providers.openrouter import OpenRouter
from support.providers.scene import ANTHROPIC, GOOGLE, LOCAL, OPENAI, OPENROUTER, Card, Scene

GOOGLE_PATH = re.compile(r"(?:(?P<upload>upload)/)?(?:download/)?v1(?:beta)?/(?P<name>[\w./-]+?)(?::(?P<verb>\w+))?")


class Front(ABC):
    """One provider's door: the key, then what is behind it. Subclasses say what is behind it."""

    prefix = ""
    provider = ""

    def __init__(self, answering: Answering, dialect: Dialect) -> None:
        self._answering, self._dialect = answering, dialect
        self._key = answering.scene.keys.get(self.provider, "")

    def handle(self, request: Request) -> Reply:
        """Answer a request to this provider."""
        request_id = request.headers.get("x-client-request-id", "")
        try:
            self._open(request)
            return self._inside(request, request.path.removeprefix(self.prefix).strip("/"), request_id)
        except msgspec.DecodeError:
            refused = bad("We could not parse the JSON body of your request.")
        except Refused as found:
            refused = found
        return self._answering.refuse(self._dialect, refused, request_id).reply(0)

    def _open(self, request: Request) -> None:
        if self._key and request.headers.get("authorization", "").removeprefix("Bearer ") != self._key:
            raise Refused(401, "key", "Incorrect API key provided.", code="invalid_api_key")

    @abstractmethod
    def _inside(self, request: Request, path: str, request_id: str) -> Reply:
        """What is behind the door."""

    def _answer(self, dialect: Dialect, body: Any, request_id: str) -> Reply:
        return self._answering.answer(dialect, body, request_id).reply(self._answering.delay())

    def _nowhere(self, request: Request) -> Refused:
        return Refused(404, "no path", f"Invalid URL ({request.method} {request.path})")

    def _card(self, model: str) -> Card:
        card = self._answering.scene.card(self.provider, model)
        if card is None:
            raise Refused(404, "model", model, code="model_not_found")
        return card

    def _models(self) -> list[str]:
        return [card.name for card in self._answering.scene.cards if card.provider in {"", self.provider}]


class OpenAiFront(Front):
    """OpenAI itself."""

    prefix, provider = "/openai/v1", OPENAI

    def __init__(self, answering: Answering, dialect: Dialect, jobs: Jobs) -> None:
        super().__init__(answering, dialect)
        self._responses = OpenAiResponses(answering.scene)
        self.batches = OpenAiBatches(jobs, {"/v1/chat/completions": dialect, "/v1/responses": self._responses})

    def _inside(self, request: Request, path: str, request_id: str) -> Reply:
        if (request.method, path) == ("POST", "chat/completions"):
            return self._answer(self._dialect, request.json(), request_id)
        if (request.method, path) == ("GET", "models"):
            told = [{"id": name, "object": "model", "created": 0, "owned_by": self.provider} for name in self._models()]
            return as_json({"object": "list", "data": told})
        if request.method == "GET" and path.startswith("models/"):
            return as_json(
                {"id": self._card(path[7:]).name, "object": "model", "created": 0, "owned_by": self.provider}
            )
        return self._further(request, path, request_id)

    def _further(self, request: Request, path: str, request_id: str) -> Reply:
        if (request.method, path) == ("POST", "responses"):
            return self._answer(self._responses, request.json(), request_id)
        if path.partition("/")[0] in {"files", "batches"}:
            return self.batches.handle(request, path.split("/"))
        raise self._nowhere(request)


class OpenRouterFront(OpenAiFront):
    """OpenRouter, which has no batches."""

    prefix, provider = "/openrouter/api/v1", OPENROUTER

    def _further(self, request: Request, path: str, request_id: str) -> Reply:
        raise self._nowhere(request)


class LocalFront(OpenRouterFront):
    """A server of one's own."""

    prefix, provider = "/v1", LOCAL


class AnthropicFront(Front):
    """Anthropic."""

    prefix, provider = "/anthropic", ANTHROPIC

    def __init__(self, answering: Answering, dialect: Dialect, jobs: Jobs, address: Callable[[], str]) -> None:
        super().__init__(answering, dialect)
        self.batches = AnthropicBatches(jobs, dialect, lambda: address() + self.prefix)

    def _open(self, request: Request) -> None:
        given = request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")
        if self._key and given != self._key:
            raise Refused(401, "key", "invalid x-api-key")
        if "anthropic-version" not in request.headers:
            raise bad("anthropic-version: header is required")

    def _inside(self, request: Request, path: str, request_id: str) -> Reply:
        if (request.method, path) == ("POST", "v1/messages"):
            return self._answer(self._dialect, request.json(), request_id)
        if (request.method, path) == ("GET", "v1/models"):
            told = [{"id": name, "type": "model", "display_name": name} for name in self._models()]
            return as_json({"data": told, "has_more": False, "first_id": None, "last_id": None})
        if request.method == "GET" and path.startswith("v1/models/"):
            return as_json({"id": self._card(path[10:]).name, "type": "model", "display_name": path[10:]})
        if path.startswith("v1/messages/batches"):
            return self.batches.handle(request, path.split("/")[3:])
        raise Refused(404, "model", "Not Found")


class GoogleFront(Front):
    """Google."""

    prefix, provider = "/google", GOOGLE

    def __init__(self, answering: Answering, dialect: Dialect, jobs: Jobs, address: Callable[[], str]) -> None:
        super().__init__(answering, dialect)
        self.batches = GeminiBatches(jobs, dialect, lambda: address() + self.prefix)

    def _open(self, request: Request) -> None:
        if self.batches.awaits(request.query.get("upload_id", "")):
            return  # the address of an upload is a secret by itself
        given = request.headers.get("x-goog-api-key") or request.query.get("key")
        if self._key and given is None:
            raise Refused(403, "forbidden", "Method doesn't allow unregistered callers.")
        if self._key and given != self._key:
            raise Refused(400, "key", "API key not valid. Please pass a valid API key.")

    def _inside(self, request: Request, path: str, request_id: str) -> Reply:
        found = GOOGLE_PATH.fullmatch(path)
        if found is None:
            raise Refused(404, "model", path)
        name, verb = found["name"], found["verb"] or ""
        if found["upload"]:
            with reading():
                return self.batches.upload(request)
        if name.startswith("models/"):
            return self._model(request, name.removeprefix("models/"), verb, request_id)
        if (request.method, name) == ("GET", "batches"):
            return self.batches.listed()
        if name.startswith("batches/"):
            return self.batches.handle(request, name, verb)
        if name.startswith("files/"):
            return self.batches.handle_file(request, name, verb)
        raise Refused(404, "model", name)

    def _model(self, request: Request, model: str, verb: str, request_id: str) -> Reply:
        if request.method == "GET" and not verb:
            card = self._card(model)
            told = {"name": f"models/{model}", "inputTokenLimit": card.context, "outputTokenLimit": card.max_output}
            return as_json({**told, "supportedGenerationMethods": ["generateContent", "batchGenerateContent"]})
        if verb == "batchGenerateContent":
            with reading():
                return self.batches.create(request, model)
        if verb != "generateContent":
            raise Refused(404, "model", model)
        body = request.json()
        return self._answer(self._dialect, {**body, "model": model} if isinstance(body, dict) else body, request_id)


def fronts(scene: Scene, answering: Answering, jobs: Jobs, address: Callable[[], str]) -> list[Front]:
    """All doors; the first whose prefix fits is taken."""
    return [
        OpenAiFront(answering, OpenAiChat(scene), jobs),
        OpenRouterFront(answering, OpenRouter(scene), jobs),
        AnthropicFront(answering, AnthropicMessages(scene), jobs, address),
        GoogleFront(answering, Gemini(scene), jobs, address),
        LocalFront(answering, LocalChat(scene), jobs),
    ]
