"""Google's generateContent, at /v1 and /v1beta."""

from __future__ import annotations

import re
from typing import Any

from support.providers.asked import Asked, Refused, Said, bad
from support.providers.scenarios import retry_headers
from support.providers.scene import GOOGLE, Card, Scene
from support.providers.schemas import fields, gemini_schema, hold

KNOWN = frozenset({
    "contents", "systemInstruction", "generationConfig", "safetySettings", "tools", "toolConfig", "cachedContent",
    "model", "labels", "serviceTier", "store",
})  # fmt: skip
CONFIG = frozenset({
    "responseMimeType", "responseSchema", "responseJsonSchema", "maxOutputTokens", "temperature", "topP", "topK",
    "seed", "stopSequences", "candidateCount", "thinkingConfig", "responseLogprobs", "logprobs", "presencePenalty",
    "frequencyPenalty", "responseModalities", "mediaResolution", "speechConfig", "imageConfig", "responseFormat",
})  # fmt: skip
LEVELS = frozenset(("minimal", "low", "medium", "high"))
STATUS = {
    "invalid": (400, "INVALID_ARGUMENT"),
    "no schema": (400, "INVALID_ARGUMENT"),
    "context": (400, "INVALID_ARGUMENT"),
    "key": (400, "INVALID_ARGUMENT"),
    "forbidden": (403, "PERMISSION_DENIED"),
    "model": (404, "NOT_FOUND"),
    "too many": (429, "RESOURCE_EXHAUSTED"),
    "quota": (429, "RESOURCE_EXHAUSTED"),
    "server": (500, "INTERNAL"),
    "unavailable": (503, "UNAVAILABLE"),
    "overloaded": (503, "UNAVAILABLE"),
    "timeout": (504, "DEADLINE_EXCEEDED"),
}
FINISH = {"stop": "STOP", "length": "MAX_TOKENS", "refusal": "PROHIBITED_CONTENT", "filtered": "SAFETY"}
RPC = "type.googleapis.com/google.rpc."


class Gemini:
    """What Google holds requests to."""

    provider = GOOGLE

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def read(self, body: dict[str, Any]) -> Asked:
        """Check a request; its model, which stands in the path, has been put into the body."""
        body = camels(body)
        unknown = body.keys() - KNOWN
        if unknown:
            raise bad(f'Invalid JSON payload received. Unknown name "{min(unknown)}": Cannot find field.')
        card = self._scene.card(self.provider, str(body.get("model", "")).removeprefix("models/"))
        if card is None:
            raise Refused(404, "model", str(body.get("model")))
        config = camels(body.get("generationConfig") or {})
        unknown = config.keys() - CONFIG
        if unknown:
            place = "at 'generation_config': Cannot find field."
            raise bad(f'Invalid JSON payload received. Unknown name "{min(unknown)}" {place}')
        schema = self._schema(config, card)
        self._check_config(config, card)
        system = body.get("systemInstruction")
        parts = [] if system is None else self._parts(system, "system_instruction")
        contents = body.get("contents")
        if not isinstance(contents, list) or not contents:
            raise bad("* GenerateContentRequest.contents: contents is not specified")
        for content in contents:
            if content.get("role", "user") not in {"user", "model"}:
                raise bad("Please use a valid role: user, model.")
            parts += self._parts(content, "contents")
        return Asked(
            self.provider, card.name, card, "\n".join(parts), config.get("maxOutputTokens"), fields=fields(schema)
        )

    def _check_config(self, config: dict[str, Any], card: Card) -> None:
        limit = config.get("maxOutputTokens")
        if limit is not None and (not isinstance(limit, int) or not 1 <= limit <= card.max_output + 1):
            raise bad(f"max_output_tokens must be positive and within the supported range, up to {card.max_output}.")
        if config.get("candidateCount", 1) != 1:
            raise bad("Only one candidate can be specified in the current model.")
        thinking = camels(config.get("thinkingConfig") or {})
        if thinking.keys() - {"thinkingBudget", "thinkingLevel", "includeThoughts"}:
            raise bad("Invalid JSON payload received. Unknown name at 'generation_config.thinking_config'")
        if {"thinkingBudget", "thinkingLevel"} <= thinking.keys():
            raise bad("You can only set only one of thinking budget and thinking level.")
        if str(thinking.get("thinkingLevel", "low")).lower() not in LEVELS:
            raise bad("Invalid value at 'generation_config.thinking_config.thinking_level'")
        if config.get("temperature") is not None and not 0 <= config["temperature"] <= 2:
            raise bad("The temperature must be in the range [0, 2].")

    def _schema(self, config: dict[str, Any], card: Card) -> object:
        given = [name for name in ("responseSchema", "responseJsonSchema") if config.get(name) is not None]
        if not given:
            return None
        if len(given) > 1:
            raise bad("Only one of response_schema and response_json_schema may be set.")
        if config.get("responseMimeType") != "application/json":
            raise bad("Function calling or a response schema needs response_mime_type 'application/json'.")
        if not card.structured:
            raise Refused(400, "no schema", "JSON mode is not enabled for this model")
        schema = config[given[0]]
        if given[0] == "responseJsonSchema":
            hold(gemini_schema, schema, lambda text: f"* GenerateContentRequest.generation_config: {text}", None, None)
        return schema

    def _parts(self, content: object, place: str) -> list[str]:
        parts = content.get("parts") if isinstance(content, dict) else None
        if not isinstance(parts, list) or not parts:
            raise bad(f"* GenerateContentRequest.{place}.parts: contents.parts must not be empty.")
        if any(not isinstance(part, dict) or not isinstance(part.get("text"), str) for part in parts):
            raise bad(f"* GenerateContentRequest.{place}.parts: only text is understood")
        return [part["text"] for part in parts]

    def write(self, asked: Asked, said: Said) -> dict[str, Any]:
        """An answer; a prompt that was blocked has no candidates."""
        body: dict[str, Any] = {"modelVersion": said.model, "responseId": said.identity}
        if said.finish == "blocked":
            body["promptFeedback"] = {"blockReason": "SAFETY"}
        elif said.finish != "empty":
            candidate: dict[str, Any] = {"index": 0, "finishReason": FINISH[said.finish], "content": {}}
            if said.finish in {"stop", "length"}:
                candidate["content"] = {"role": "model", "parts": [{"text": said.text}]}
            else:
                candidate["safetyRatings"] = []
            body["candidates"] = [candidate]
        if said.tells_usage:
            body["usageMetadata"] = self._usage(said)
        return body

    def _usage(self, said: Said) -> dict[str, Any]:
        usage = said.usage
        told = {"promptTokenCount": usage.input, "totalTokenCount": usage.input + usage.output}
        told |= {"candidatesTokenCount": usage.output - usage.reasoning}
        if usage.cached:
            told["cachedContentTokenCount"] = usage.cached
        if usage.reasoning:
            told["thoughtsTokenCount"] = usage.reasoning
        return told

    def error(self, refused: Refused) -> dict[str, Any]:
        """An error, or the feedback on a blocked prompt, which is none."""
        if refused.kind == "blocked":
            refused.status = 200
            return {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 0}}
        retry_headers(refused, "info")
        code, status = STATUS.get(refused.kind, (refused.status, "INTERNAL"))
        refused.status = code if refused.kind != "error in 200" else 200
        body = {"code": code, "message": self._words(refused), "status": status}
        details = list(self._details(refused))
        return {"error": {**body, "details": details} if details else body}

    def _words(self, refused: Refused) -> str:
        if refused.kind == "context":
            told = refused.details[0]
            counted = f"The input token count ({told['tokens']}) exceeds the maximum number of tokens allowed"
            return f"{counted} ({told['limit']})."
        if refused.kind == "model":
            name = refused.message.removeprefix("models/")
            return f"models/{name} is not found for API version v1beta, or is not supported for generateContent."
        return "API key not valid. Please pass a valid API key." if refused.kind == "key" else refused.message

    def _details(self, refused: Refused) -> Any:
        if refused.kind == "key":
            yield {"@type": f"{RPC}ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
        if refused.kind in {"too many", "quota"}:
            span = "Day" if refused.kind == "quota" else "Minute"
            quota = f"GenerateRequestsPer{span}PerProjectPerModel"
            yield {"@type": f"{RPC}QuotaFailure", "violations": [{"quotaId": quota, "quotaValue": "1"}]}
        for told in refused.details:
            if "retry_after" in told and told["form"] in {"", "info"}:
                yield {"@type": f"{RPC}RetryInfo", "retryDelay": f"{told['retry_after']}s"}


def camels(told: Any) -> dict[str, Any]:
    """Names of fields in the form that Google writes; it takes both."""
    return {re.sub(r"_([a-z])", lambda found: found[1].upper(), name): value for name, value in told.items()}
