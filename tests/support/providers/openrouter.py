"""OpenRouter: Chat Completions with routing, its own shape of errors, and errors inside a 200."""

from __future__ import annotations

from typing import Any

from support.providers.answering import price
from support.providers.asked import Asked, Refused, Said, bad
from support.providers.openai_chat import EFFORTS, OpenAiChat, worded
from support.providers.scenarios import retry_headers
from support.providers.scene import OPENROUTER, Card

ROUTING = frozenset({
    "order", "allow_fallbacks", "require_parameters", "data_collection", "zdr", "only", "ignore", "quantizations",
    "sort", "max_price", "preferred_min_throughput", "preferred_max_latency", "enforce_distillable_text",
})  # fmt: skip
STATUS = {"quota": 402, "blocked": 403, "overloaded": 503, "error in 200": 502}


class OpenRouter(OpenAiChat):
    """What OpenRouter holds requests to."""

    provider = OPENROUTER

    def _check_fields(self, body: dict[str, Any], card: Card) -> None:
        if body.get("stream") or body.get("tools"):
            raise bad("Streams and tools are no part of this server.")
        routing = body.get("provider", {})
        if not isinstance(routing, dict) or routing.keys() - ROUTING:
            raise bad("provider: Unrecognized key(s) in object")
        reasoning = body.get("reasoning", {})
        if not isinstance(reasoning, dict) or reasoning.get("effort", "low") not in EFFORTS:
            raise bad("reasoning.effort: Invalid option")
        if routing.get("require_parameters") and "response_format" in body and not card.structured:
            raise Refused(404, "no route", "No endpoints found that can handle the requested parameters.")

    def _card(self, body: dict[str, Any]) -> Card:
        model = body.get("model")
        if not isinstance(model, str) or not model:
            raise bad("No models provided")
        card = self._scene.card(self.provider, model)
        if card is None:
            raise bad(f"{model} is not a valid model ID")
        return card

    def write(self, asked: Asked, said: Said) -> dict[str, Any]:
        """An answer, with who gave it and what it cost."""
        body = super().write(asked, said)
        body["provider"] = "Fake"
        for choice in body["choices"]:
            choice["native_finish_reason"] = choice["finish_reason"]
        if "usage" in body:
            body["usage"]["cost"] = price(asked.card, said.usage)
        return body

    def error(self, refused: Refused) -> dict[str, Any]:
        """An error; its code is the status it would have, also where the status is 200."""
        retry_headers(refused, "header")
        code = STATUS.get(refused.kind, refused.status)
        told: dict[str, Any] = {"code": code, "message": worded(refused)}
        if refused.kind == "blocked":
            told["metadata"] = {"reasons": ["violence"], "flagged_input": "…", "provider_name": "Fake"}
        elif refused.kind not in {"invalid", "key", "quota"}:
            told["metadata"] = {"provider_name": "Fake", "raw": refused.message}
        refused.status = 200 if refused.kind == "error in 200" else code
        return {"error": told}
