"""Anthropic's Messages: what is required, what is refused, and what is cached only where it was asked for."""

from __future__ import annotations

from typing import Any

from support.providers.asked import Asked, Refused, Said, bad
from support.providers.scenarios import retry_headers
from support.providers.scene import ANTHROPIC, Card, Scene
from support.providers.schemas import anthropic_format, fields, hold

SAMPLING = ("temperature", "top_p", "top_k")
EFFORTS = frozenset(("low", "medium", "high", "xhigh", "max"))
THINKING = frozenset(("enabled", "disabled", "adaptive"))
KNOWN = frozenset({
    "model", "max_tokens", "messages", "system", "output_config", "output_format", "cache_control", "inference_geo",
    "service_tier", "metadata", "stop_sequences", "stream", "thinking", "tools", "tool_choice", "container",
    "context_management", "mcp_servers", "speed", "betas", "diagnostics", "compaction", *SAMPLING,
})  # fmt: skip
TYPES = {
    "invalid": (400, "invalid_request_error"),
    "no schema": (400, "invalid_request_error"),
    "context": (400, "invalid_request_error"),
    "blocked": (400, "invalid_request_error"),
    "key": (401, "authentication_error"),
    "quota": (402, "billing_error"),
    "forbidden": (403, "permission_error"),
    "model": (404, "not_found_error"),
    "too large": (413, "request_too_large"),
    "too many": (429, "rate_limit_error"),
    "timeout": (504, "timeout_error"),
    "overloaded": (529, "overloaded_error"),
}
FINISH = {"stop": "end_turn", "length": "max_tokens", "refusal": "refusal", "filtered": "refusal", "empty": "end_turn"}
BREAKPOINTS = 4


class AnthropicMessages:
    """What Anthropic holds requests to."""

    provider = ANTHROPIC

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def read(self, body: dict[str, Any]) -> Asked:
        """Check a request."""
        for name, kind in (("model", str), ("messages", list), ("max_tokens", int)):
            if not isinstance(body.get(name), kind):
                raise bad(f"{name}: Field required" if name not in body else f"{name}: Input should be valid")
        unknown = body.keys() - KNOWN
        if unknown:
            raise bad(f"{min(unknown)}: Extra inputs are not permitted")
        card = self._scene.card(self.provider, body["model"])
        if card is None:
            raise Refused(404, "model", f"model: {body['model']}")
        self._check_fields(body, card)
        schema = self._schema(body.get("output_config") or {}, card)
        asked = Asked(self.provider, card.name, card, "", body["max_tokens"], fields=fields(schema))
        self._lay_out(body, asked)
        return asked

    def _check_fields(self, body: dict[str, Any], card: Card) -> None:
        if not 1 <= body["max_tokens"] <= card.max_output:
            raise bad(f"max_tokens: {body['max_tokens']} > {card.max_output}, which is the maximum for {card.name}")
        if body.get("stream") or body.get("tools"):
            raise bad("stream, tools: no part of this server")
        given = [name for name in SAMPLING if name in body]
        if given and not card.samples:
            raise bad(f"`{given[0]}` is deprecated for this model.")
        thinking = body.get("thinking")
        if thinking is not None and (not isinstance(thinking, dict) or thinking.get("type") not in THINKING):
            raise bad("thinking.type: Input should be 'enabled', 'disabled' or 'adaptive'")
        budget = (thinking or {}).get("budget_tokens", 0)
        if (thinking or {}).get("type") == "enabled" and not 1_024 <= budget < body["max_tokens"]:
            raise bad("`max_tokens` must be greater than `thinking.budget_tokens`, and that at least 1024")

    def _schema(self, config: object, card: Card) -> object:
        if not isinstance(config, dict) or config.keys() - {"format", "effort", "task_budget"}:
            raise bad("output_config: Extra inputs are not permitted")
        if "effort" in config and config["effort"] not in EFFORTS:
            raise bad("output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'")
        form = config.get("format")
        if form is None:
            return None
        if not isinstance(form, dict) or form.get("type") != "json_schema" or form.keys() - {"type", "schema"}:
            raise bad("output_config.format: Input should be {'type': 'json_schema', 'schema': …}")
        if not card.structured:
            raise Refused(400, "no schema", f"output_config.format: '{card.name}' does not support structured outputs.")
        hold(anthropic_format, form.get("schema"), lambda text: f"output_config.format.schema: {text}", None, None)
        return form["schema"]

    def _lay_out(self, body: dict[str, Any], asked: Asked) -> None:
        """Put the prompt together, and remember where blocks end and where a cache was asked for."""
        asked.breakpoints = []
        blocks = self._blocks("system", body.get("system", []))
        if not body["messages"]:
            raise bad("messages: at least one message is required")
        if not isinstance(body["messages"][0], dict) or body["messages"][0].get("role") != "user":
            raise bad('messages: first message must use the "user" role')
        for place, message in enumerate(body["messages"]):
            if not isinstance(message, dict) or message.get("role") not in {"user", "assistant"}:
                raise bad(f"messages.{place}.role: Input should be 'user' or 'assistant'")
            blocks += self._blocks(f"messages.{place}.content", message.get("content"))
        if "cache_control" in body and not any("cache_control" in block for block in blocks[-1:]):
            blocks[-1] = {**blocks[-1], "cache_control": body["cache_control"]}
        marked = [block["cache_control"] for block in blocks if "cache_control" in block]
        if len(marked) > BREAKPOINTS:
            raise bad(f"A maximum of {BREAKPOINTS} blocks with cache_control may be provided. Found {len(marked)}.")
        self._check_marks(marked)
        length, texts = 0, []
        for block in blocks:
            texts.append(block["text"])
            length += len(block["text"]) + (1 if len(texts) > 1 else 0)
            asked.boundaries.append(length)
            if "cache_control" in block:
                asked.breakpoints.append(length)
        asked.prompt = "\n".join(texts)

    def _check_marks(self, marked: list[Any]) -> None:
        lives = []
        for mark in marked:
            if (
                not isinstance(mark, dict)
                or mark.get("type") != "ephemeral"
                or mark.get("ttl", "5m") not in {"5m", "1h"}
            ):
                raise bad("cache_control: Input should be {'type': 'ephemeral', 'ttl': '5m' or '1h'}")
            lives.append(mark.get("ttl", "5m"))
        if lives != sorted(lives):  # "1h" sorts before "5m"
            raise bad("cache_control: a ttl='1h' block must not come after a ttl='5m' block")

    def _blocks(self, place: str, content: object) -> list[dict[str, Any]]:
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        if not isinstance(content, list) or (place != "system" and not content):
            raise bad(f"{place}: Field required")
        for number, block in enumerate(content):
            if not isinstance(block, dict) or block.get("type") != "text" or not isinstance(block.get("text"), str):
                raise bad(f"{place}.{number}: only blocks of text are understood")
            if not block["text"].strip():
                raise bad(f"{place}.{number}: text content blocks must contain non-whitespace text")
        return list(content)

    def write(self, asked: Asked, said: Said) -> dict[str, Any]:
        """An answer."""
        if said.finish == "blocked":
            raise Refused(400, "blocked", "Output blocked by content filtering policy", scenario="filtered_input")
        body: dict[str, Any] = {
            "id": f"msg_{said.identity}",
            "type": "message",
            "role": "assistant",
            "model": said.model,
        }
        silent = said.finish in {"empty", "refusal"} or not said.text
        body |= {"content": [] if silent else [{"type": "text", "text": said.text}]}
        body |= {"stop_reason": FINISH[said.finish], "stop_sequence": None}
        usage = said.usage
        told = {"input_tokens": usage.input - usage.cached - usage.written, "output_tokens": usage.output}
        told |= {"cache_creation_input_tokens": usage.written, "cache_read_input_tokens": usage.cached}
        body["usage"] = {**told, "service_tier": "batch" if asked.batch else "standard"}
        if not said.tells_usage:
            del body["usage"]
        return body

    def error(self, refused: Refused) -> dict[str, Any]:
        """An error."""
        retry_headers(refused, "header")
        message = refused.message
        if refused.kind == "context":
            message = (
                f"prompt is too long: {refused.details[0]['tokens']} tokens > {refused.details[0]['limit']} maximum"
            )
        elif refused.kind == "quota":
            message = "Your credit balance is too low to access the Anthropic API."
        elif refused.kind == "blocked":
            message = "Output blocked by content filtering policy"
        elif refused.kind == "model" and not message.startswith("model:"):
            message = f"model: {message}"
        status, kind = TYPES.get(refused.kind, (refused.status, "api_error"))
        refused.status = status
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_fake"}
