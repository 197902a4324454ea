"""OpenAI's Chat Completions, as OpenAI itself and as lenient servers speak it (llama.cpp, vLLM, Ollama).

Only what a judge needs: text in, text out. Tools, pictures and streams are refused.
"""

from __future__ import annotations

import re
import time
from typing import Any

from support.providers.asked import Asked, Refused, Said, bad
from support.providers.scenarios import retry_headers
from support.providers.scene import LOCAL, OPENAI, Card, Scene
from support.providers.schemas import fields, hold, openai_strict

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
ROLES = frozenset(("system", "developer", "user", "assistant"))
EFFORTS = frozenset(("none", "minimal", "low", "medium", "high", "xhigh", "max"))
SAMPLING = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias")
KNOWN = frozenset({
    "model", "messages", "response_format", "max_completion_tokens", "max_tokens", "reasoning_effort",
    "service_tier", "store", "safety_identifier", "seed", "prompt_cache_key", "prompt_cache_retention",
    "prompt_cache_options", "n", "stream", "stream_options", "user", "metadata", "stop", "verbosity", "modalities",
    "moderation", "prediction", "tools", "tool_choice", "parallel_tool_calls", "web_search_options", *SAMPLING,
})  # fmt: skip
TYPES = {
    "invalid": "invalid_request_error",
    "no schema": "invalid_request_error",
    "blocked": "invalid_request_error",
    "context": "invalid_request_error",
    "model": "invalid_request_error",
    "key": "invalid_request_error",
    "forbidden": "invalid_request_error",
    "too many": "requests",
    "quota": "insufficient_quota",
}
FINISH = {"stop": "stop", "length": "length", "refusal": "stop", "filtered": "content_filter", "error": "stop"}


class OpenAiChat:
    """What OpenAI holds requests to; `provider` may be a name under which a lenient server stands."""

    provider = OPENAI

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def read(self, body: dict[str, Any]) -> Asked:
        """Check a request."""
        card = self._card(body)
        self._check_fields(body, card)
        limit = body.get("max_completion_tokens") or body.get("max_tokens")
        if limit is not None and (not isinstance(limit, int) or limit < 1):
            raise bad("max_completion_tokens must be a positive integer.", "max_completion_tokens", "invalid_value")
        if limit is not None and limit > card.max_output:
            raise bad(f"max_tokens is too large: {limit}. This model supports at most {card.max_output}.", "max_tokens")
        schema = self._schema(body.get("response_format"), card)
        prompt = self._prompt(body)
        if body.get("response_format") == {"type": "json_object"} and "json" not in prompt.lower():
            raise bad(
                "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
            )
        return Asked(self.provider, card.name, card, prompt, limit, fields=fields(schema))

    def _card(self, body: dict[str, Any]) -> Card:
        model = body.get("model")
        if not isinstance(model, str) or not model:
            raise bad("you must provide a model parameter")
        card = self._scene.card(self.provider, model)
        if card is None:
            raise Refused(404, "model", model, code="model_not_found")
        return card

    def _check_fields(self, body: dict[str, Any], card: Card) -> None:
        unknown = body.keys() - KNOWN
        if unknown:
            raise bad(f"Unrecognized request argument supplied: {min(unknown)}", code=None)
        if body.get("stream") or body.get("tools"):
            raise bad("Streams and tools are no part of this server.")
        if card.reasoning and "max_tokens" in body:
            text = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
            raise bad(text, "max_tokens", "unsupported_parameter")
        given = [name for name in SAMPLING if name in body]
        if (
            card.reasoning
            and not card.samples
            and given
            and not (given == ["temperature"] and body["temperature"] == 1)
        ):
            text = f"Unsupported value: '{given[0]}' does not support {body[given[0]]} with this model."
            raise bad(text, given[0], "unsupported_value")
        effort = body.get("reasoning_effort")
        if effort is not None and not card.reasoning:
            raise bad("Unrecognized request argument supplied: reasoning_effort")
        if effort is not None and effort not in EFFORTS:
            raise bad(f"Invalid value: '{effort}'.", "reasoning_effort", "invalid_value")

    def _schema(self, form: object, card: Card) -> object:
        if form is None:
            return None
        kind = form.get("type") if isinstance(form, dict) else None
        if not isinstance(form, dict) or kind not in {"text", "json_object", "json_schema"}:
            raise bad("Invalid value for 'response_format.type'.", "response_format.type", "invalid_value")
        if kind != "json_schema":
            return None
        if not card.structured:
            text = "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model."
            raise Refused(400, "no schema", text, param="response_format")
        inner = form.get("json_schema")
        if not isinstance(inner, dict) or "name" not in inner:
            raise bad(
                "Missing required parameter: 'response_format.json_schema.name'.", None, "missing_required_parameter"
            )
        if not isinstance(inner["name"], str) or not NAME.fullmatch(inner["name"]):
            text = "Invalid 'response_format.json_schema.name': string does not match pattern '^[a-zA-Z0-9_-]+$'."
            raise bad(text, "response_format.json_schema.name", "invalid_value")
        schema = inner.get("schema")
        if inner.get("strict"):
            said = f"Invalid schema for response_format '{inner['name']}': "
            hold(openai_strict, schema, lambda problem: said + problem, "response_format", None)
        return schema

    def _prompt(self, body: dict[str, Any]) -> str:
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            raise bad("Missing required parameter: 'messages'.", "messages", "missing_required_parameter")
        return "\n".join(self._message(place, message) for place, message in enumerate(messages))

    def _message(self, place: int, message: object) -> str:
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            raise bad(f"Invalid value for 'messages[{place}].role'.", f"messages[{place}].role", "invalid_value")
        content = message.get("content")
        if isinstance(content, str):
            return content
        if not isinstance(content, list) or not content:
            raise bad(f"Invalid value for 'messages[{place}].content'.", f"messages[{place}].content", "invalid_type")
        if any(not isinstance(part, dict) or part.get("type") != "text" for part in content):
            raise bad(f"Only text is understood in 'messages[{place}].content'.", f"messages[{place}].content")
        return "\n".join(str(part.get("text", "")) for part in content)

    def write(self, asked: Asked, said: Said) -> dict[str, Any]:
        """An answer."""
        if said.finish == "blocked":
            raise Refused(
                400, "blocked", "The prompt was flagged.", code="content_policy_violation", scenario="filtered_input"
            )
        body = {"id": f"chatcmpl-{said.identity}", "object": "chat.completion", "created": int(time.time())}
        body |= {"model": said.model, "choices": [] if said.finish == "empty" else [self._choice(said)]}
        body |= {"service_tier": "default", "system_fingerprint": None}
        if said.tells_usage:
            body["usage"] = usage_of(said)
        return body

    def _choice(self, said: Said) -> dict[str, Any]:
        refuses = said.finish == "refusal"
        message = {
            "role": "assistant",
            "content": None if refuses else said.text,
            "refusal": said.text if refuses else None,
            "annotations": [],
        }
        return {"index": 0, "message": message, "logprobs": None, "finish_reason": FINISH[said.finish]}

    def error(self, refused: Refused) -> dict[str, Any]:
        """An error; says in headers when to come again."""
        retry_headers(refused, "header")
        return {
            "error": {
                "message": worded(refused),
                "type": TYPES.get(refused.kind, "server_error"),
                "param": refused.param,
                "code": refused.code,
            }
        }


class LocalChat(OpenAiChat):
    """A server of one's own: knows further fields, no reasoning models, and takes `max_tokens`."""

    provider = LOCAL

    def _check_fields(self, body: dict[str, Any], card: Card) -> None:
        if body.get("stream"):
            raise bad("Streams are no part of this server.")


def worded(refused: Refused) -> str:
    """The message of an error, as OpenAI words it."""
    if refused.kind == "model":
        return f"The model `{refused.message}` does not exist or you do not have access to it."
    if refused.kind == "context":
        told = refused.details[0]
        return (
            f"This model's maximum context length is {told['limit']} tokens. However, your messages resulted in "
            f"{told['tokens']} tokens. Please reduce the length of the messages."
        )
    return refused.message


def usage_of(said: Said) -> dict[str, Any]:
    """Tokens as Chat Completions tells them."""
    usage = said.usage
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning, "audio_tokens": 0},
    }
