"""What may go wrong, by name: refusals before a model is asked, and what becomes of an answer on its way.

A scenario either raises `Refused`, which costs nothing, or changes what was said. The names are those of `rules`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from email.utils import formatdate
from time import time
from typing import Any

from support.providers.asked import Asked, Refused, Said
from support.providers.rules import Rule, draw
from support.providers.tokens import count, too_many

Fields = dict[str, object]


def refuse(rule: Rule, asked: Asked) -> None:
    """Raise what this scenario refuses a call with, if it is one of those."""
    if rule.name == "429":
        wait, form = rule.settings.get("retry_after"), rule.settings.get("form", "")
        raise too_many("requests", wait, form, scenario="429")
    if rule.name == "context":
        raise too_long(count(asked.prompt), count(asked.prompt) - 1, scenario="context")
    if rule.name == "redirect":
        raise Refused(307, "redirect", "Moved.", headers={"location": rule.settings["to"]}, scenario="redirect")
    if rule.name in ERRORS:
        status, kind, message, code = ERRORS[rule.name]
        headers = {"retry-after": rule.settings["retry_after"]} if "retry_after" in rule.settings else {}
        raise Refused(status, kind, message.format(model=asked.model), code=code, headers=headers, scenario=rule.name)


def too_long(tokens: int, limit: int, scenario: str = "contract") -> Refused:
    """A prompt that does not fit; each provider has its own words for it."""
    details = [{"tokens": tokens, "limit": limit}]
    return Refused(400, "context", "too long", code="context_length_exceeded", details=details, scenario=scenario)


ERRORS: dict[str, tuple[int, str, str, str | None]] = {
    "408": (408, "timeout", "The request took too long.", None),
    "500": (500, "server", "The server had an error while processing your request.", "server_error"),
    "502": (502, "server", "Bad gateway.", None),
    "503": (503, "unavailable", "The service is not available now. Please try again later.", None),
    "529": (529, "overloaded", "The model is overloaded. Please try again later.", None),
    "quota": (429, "quota", "You exceeded your current quota, check your plan and billing.", "insufficient_quota"),
    "key": (401, "key", "The key that was given is not valid.", "invalid_api_key"),
    "forbidden": (403, "forbidden", "This key may not use {model}.", None),
    "no_model": (404, "model", "{model}", "model_not_found"),
    "no_schema": (400, "no schema", "This model does not support structured output by a JSON schema.", None),
    "blocked": (400, "blocked", "The prompt was flagged and not put to the model.", "content_policy_violation"),
    "error_in_200": (200, "error in 200", "Provider returned error", None),
}


def retry_headers(refused: Refused, usual: str) -> None:
    """Say when to come again: as a header, in milliseconds, as a date, or within the body (`info`)."""
    for told in [detail for detail in refused.details if "retry_after" in detail]:
        form, wait = told["form"] or usual, told["retry_after"]
        if form == "header":
            refused.headers["retry-after"] = wait
        elif form == "ms":
            refused.headers["retry-after-ms"] = str(int(float(wait) * 1000))
        elif form == "date":
            refused.headers["retry-after"] = formatdate(time() + float(wait), usegmt=True)


def change(rule: Rule, said: Said, seed: int, asked: Asked) -> None:
    """Make of a good answer what the scenario makes of it."""
    name = rule.name
    if name == "invalid":
        kinds = sorted(WRONG)
        name = kinds[int(draw(seed, "invalid", asked.prompt_digest, asked.times) * len(kinds))]
    if rule.name != "good":
        said.scenario = rule.name if rule.name == name else f"{rule.name}: {name}"
    if name in {*TEXTS, *WRONG} and not said.better:
        return
    if name in TEXTS:
        said.text = TEXTS[name](json.loads(said.text))
    elif name in WRONG:
        said.text, said.better = WRONG[name](json.loads(said.text)), ""
    elif name in ENDS:
        ENDS[name](said)
    elif name in TRICKS:
        TRICKS[name](rule, said)
    elif name != "good":
        raise ValueError(f"There is no scenario {rule.name!r}.")


def dumps(fields: Any) -> str:
    """JSON as models write it."""
    return json.dumps(fields, ensure_ascii=False)


TEXTS: dict[str, Callable[[Fields], str]] = {
    "reversed_keys": lambda fields: dumps(dict(reversed(fields.items()))),
    "fenced": lambda fields: f"```json\n{dumps(fields)}\n```",
    "prefixed": lambda fields: f"Here is my judgement as JSON:\n\n{dumps(fields)}\n\nLet me know if you need more.",
    "spaced": lambda fields: json.dumps(fields, ensure_ascii=False, indent=4) + "\n\n",
    "escaped": lambda fields: json.dumps(fields, ensure_ascii=True),
    "invented_evidence": lambda fields: dumps({**fields, "evidence_1": "Nobody ever wrote these words."}),
    "long": lambda fields: dumps({**fields, "reason": "Very good indeed. " * 2_000}),
}
"""Good verdicts in another dress; only `fenced`, `prefixed` and `invented_evidence` are none that a schema allows or wants."""

WRONG: dict[str, Callable[[Fields], str]] = {
    "not_json": lambda fields: f"I think that text {fields['better']} is better.",
    "wrong_enum": lambda fields: dumps({**fields, "better": "both"}),
    "number": lambda fields: dumps({**fields, "better": int(str(fields["better"]))}),
    "extra_key": lambda fields: dumps({**fields, "confidence": 0.9}),
    "missing_key": lambda fields: dumps({key: value for key, value in fields.items() if key != "better"}),
    "twice_key": lambda fields: dumps(fields)[:-1] + f', "better": "{3 - int(str(fields["better"]))}"}}',
    "two_objects": lambda fields: (
        dumps(fields) + "\n" + dumps({**fields, "better": str(3 - int(str(fields["better"])))})
    ),
    "null": lambda fields: "null",
    "list": lambda fields: dumps([fields]),
    "broken": lambda fields: dumps(fields)[:-9],
}
"""No verdicts."""


def _end(finish: str, text: str | None = None, share: float = 1.0) -> Callable[[Said], None]:
    def end(said: Said) -> None:
        said.finish, said.better = finish, ""  # type: ignore[assignment]
        said.text = said.text[: int(len(said.text) * share)] if text is None else text

    return end


ENDS: dict[str, Callable[[Said], None]] = {
    "truncated": _end("length", share=0.6),
    "truncated_whole": _end("length"),
    "refusal": _end("refusal", "I cannot compare these texts."),
    "refusal_in_words": _end("stop", "I'm sorry, but I can't help with comparing these texts."),
    "filtered": _end("filtered", share=0.3),
    "filtered_input": _end("blocked", ""),
    "empty": _end("empty", ""),
    "empty_text": _end("stop", ""),
}


def _travel(way: str, *, charged: bool = True, after: float | None = None) -> Callable[[Rule, Said], None]:
    def travel(rule: Rule, said: Said) -> None:
        said.way = way  # type: ignore[assignment]
        said.charged = bool(int(rule.settings.get("charged", charged)))
        if "seconds" in rule.settings or after is not None:
            said.delay = rule.number("seconds", after or 0)

    return travel


def _other_model(rule: Rule, said: Said) -> None:
    said.model = rule.settings.get("name", f"{said.model}-2026-11-01")


def _no_usage(rule: Rule, said: Said) -> None:
    said.tells_usage = False


TRICKS: dict[str, Callable[[Rule, Said], None]] = {
    "slow": _travel("whole", after=5.0),
    "hang": _travel("hang"),
    "drop": _travel("drop", charged=False),
    "cut": _travel("cut"),
    "drip": _travel("drip", after=2.0),
    "twice": _travel("twice"),
    "no_usage": _no_usage,
    "other_model": _other_model,
}

NAMES = frozenset({"good", "invalid", "429", "context", "redirect", *ERRORS, *TEXTS, *WRONG, *ENDS, *TRICKS})
