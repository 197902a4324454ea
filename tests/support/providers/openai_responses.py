"""OpenAI's Responses, as far as a judge needs them; the batch API of pydantic-ai speaks them."""

from __future__ import annotations

import time
from typing import Any

from support.providers.asked import Asked, Refused, Said, bad
from support.providers.openai_chat import EFFORTS, NAME, OpenAiChat
from support.providers.scene import Card
from support.providers.schemas import fields, hold, openai_strict

SAMPLING = ("temperature", "top_p", "top_logprobs")
KNOWN = frozenset({
    "model", "input", "instructions", "text", "reasoning", "max_output_tokens", "store", "include", "metadata",
    "user", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention",
    "prompt_cache_options", "truncation", "parallel_tool_calls", "tools", "tool_choice", "stream", "background",
    "previous_response_id", "conversation", "context_management", "moderation", *SAMPLING,
})  # fmt: skip
SMALLEST = 16  # output tokens


class OpenAiResponses(OpenAiChat):
    """What OpenAI holds requests to at /responses."""

    def read(self, body: dict[str, Any]) -> Asked:
        """Check a request."""
        unknown = body.keys() - KNOWN
        if unknown:
            raise bad(f"Unknown parameter: '{min(unknown)}'.", min(unknown), "unknown_parameter")
        card = self._card(body)
        self._check_fields(body, card)
        limit = body.get("max_output_tokens")
        if limit is not None and (not isinstance(limit, int) or limit < SMALLEST):
            text = f"Invalid 'max_output_tokens': integer below minimum value. Expected a value >= {SMALLEST}."
            raise bad(text, "max_output_tokens", "integer_below_min_value")
        form = body.get("text")
        schema = self._format(form.get("format") if isinstance(form, dict) else None, card)
        return Asked(self.provider, card.name, card, self._prompt(body), limit, fields=fields(schema))

    def _check_fields(self, body: dict[str, Any], card: Card) -> None:
        if body.get("stream") or body.get("background") or body.get("tools"):
            raise bad("Streams, tools and background are no part of this server.")
        given = [name for name in SAMPLING if name in body]
        if card.reasoning and not card.samples and given:
            text = f"Unsupported parameter: '{given[0]}' is not supported with this model."
            raise bad(text, given[0], "unsupported_parameter")
        effort = (body.get("reasoning") or {}).get("effort")
        if effort is not None and not card.reasoning:
            raise bad("Unsupported parameter: 'reasoning.effort' is not supported with this model.", "reasoning.effort")
        if effort is not None and effort not in EFFORTS:
            raise bad(f"Invalid value: '{effort}'.", "reasoning.effort", "invalid_value")

    def _format(self, form: object, card: Card) -> object:
        if not isinstance(form, dict) or form.get("type") != "json_schema":
            return None
        if not card.structured:
            text = "Invalid parameter: 'text.format' of type 'json_schema' is not supported with this model."
            raise Refused(400, "no schema", text, param="text.format")
        if not isinstance(form.get("name"), str) or not NAME.fullmatch(form["name"]):
            raise bad(
                "Missing required parameter: 'text.format.name'.", "text.format.name", "missing_required_parameter"
            )
        if form.get("strict", True):
            said = f"Invalid schema for response_format '{form['name']}': "
            hold(openai_strict, form.get("schema"), lambda p: said + p, "text.format.schema", "invalid_json_schema")
        return form.get("schema")

    def _prompt(self, body: dict[str, Any]) -> str:
        given = body.get("input")
        head = body.get("instructions")
        if isinstance(given, str) and given:
            parts = [given]
        elif isinstance(given, list) and given:
            parts = [self._item(place, item) for place, item in enumerate(given)]
        else:
            raise bad("Missing required parameter: 'input'.", "input", "missing_required_parameter")
        return "\n".join([head, *parts] if isinstance(head, str) else parts)

    def _item(self, place: int, item: object) -> str:
        content = item.get("content") if isinstance(item, dict) and item.get("type", "message") == "message" else None
        if isinstance(content, str):
            return content
        kinds = {"input_text", "output_text"}
        if not isinstance(content, list) or any(part.get("type") not in kinds for part in content):
            raise bad(f"Invalid value for 'input[{place}]'.", f"input[{place}]", "invalid_value")
        return "\n".join(str(part.get("text", "")) for part in content)

    def write(self, asked: Asked, said: Said) -> dict[str, Any]:
        """An answer."""
        if said.finish == "blocked":
            raise Refused(
                400, "blocked", "The prompt was flagged.", code="content_policy_violation", scenario="filtered_input"
            )
        reason = {"length": "max_output_tokens", "filtered": "content_filter"}.get(said.finish)
        body: dict[str, Any] = {"id": f"resp_{said.identity}", "object": "response", "created_at": int(time.time())}
        body |= {"status": "incomplete" if reason else "completed", "error": None, "model": said.model}
        body |= {"incomplete_details": {"reason": reason} if reason else None, "instructions": None, "metadata": {}}
        body |= {"output": [] if said.finish == "empty" else [self._output(said)], "parallel_tool_calls": True}
        body |= {"tool_choice": "auto", "tools": [], "temperature": None, "top_p": None, "service_tier": "default"}
        if said.tells_usage:
            body["usage"] = self._usage(said)
        return body

    def _output(self, said: Said) -> dict[str, Any]:
        if said.finish == "refusal":
            part = {"type": "refusal", "refusal": said.text}
        else:
            part = {"type": "output_text", "text": said.text, "annotations": [], "logprobs": []}
        ended = "completed" if said.finish in {"stop", "refusal"} else "incomplete"
        return {
            "type": "message",
            "id": f"msg_{said.identity}",
            "role": "assistant",
            "status": ended,
            "content": [part],
        }

    def _usage(self, said: Said) -> dict[str, Any]:
        usage = said.usage
        return {
            "input_tokens": usage.input,
            "input_tokens_details": {"cached_tokens": usage.cached},
            "output_tokens": usage.output,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning},
            "total_tokens": usage.input + usage.output,
        }
