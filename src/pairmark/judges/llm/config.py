"""How a language model is named as a judge, and everything its answers may depend on.

A name is `provider:MODEL`, or the URL of a server with `#MODEL`. Keys are no part of it: they are read from the
environment when the judge is built, in `provider`.
"""

import difflib
import re
from hashlib import sha256
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from pairmark.errors import BadRequest
from pairmark.judges.llm.rubrics import DEFAULT, PRESETS, usable

Provider = Literal["openai", "anthropic", "google", "openrouter", "url"]
Effort = Literal["", "none", "minimal", "low", "medium", "high", "xhigh", "max"]

PROVIDERS = ("openai", "anthropic", "google", "openrouter")
WITH_BATCHES = ("openai", "anthropic", "google")
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
FORMS = "openai:MODEL, anthropic:MODEL, google:MODEL, openrouter:MODEL and http://HOST:PORT/v1#MODEL"
PROMPT_VERSION = 1
"""Raised when the words of the prompt change: verdicts of one wording are not mixed with those of another."""
OUTPUT_TOKENS = 4_000
OUTPUT_TOKEN_LIMITS = (200, 100_000)
TIMEOUT = 300
TIMEOUT_LIMITS = (1, 3_600)
MOST_PER_MINUTE = 10**9
LONGEST_NAME = 200
LONGEST_LANGUAGE = 60

OTHER_NAMES = {"gemini": "google", "vertex": "google", "claude": "anthropic", "gpt": "openai", "chatgpt": "openai"}
SERVERS = {
    "ollama": "http://127.0.0.1:11434/v1#MODEL",
    "vllm": "http://127.0.0.1:8000/v1#MODEL",
    "llamacpp": "http://127.0.0.1:8080/v1#MODEL",
    "llama.cpp": "http://127.0.0.1:8080/v1#MODEL",
    "lmstudio": "http://127.0.0.1:1234/v1#MODEL",
}
GATEWAYS = frozenset(
    ("llm", "azure", "bedrock", "mistral", "cohere", "groq", "deepseek", "xai", "huggingface", "together", "fireworks")
)
LANGUAGES = {
    "ar": "Arabic", "bg": "Bulgarian", "ca": "Catalan", "cs": "Czech", "cy": "Welsh", "da": "Danish", "de": "German",
    "el": "Greek", "en": "English", "es": "Spanish", "et": "Estonian", "eu": "Basque", "fa": "Persian", "fi": "Finnish",
    "fr": "French", "ga": "Irish", "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "is": "Icelandic",
    "it": "Italian", "ja": "Japanese", "ko": "Korean", "lt": "Lithuanian", "lv": "Latvian", "nb": "Norwegian Bokmål",
    "nl": "Dutch", "nn": "Norwegian Nynorsk", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian",
    "ru": "Russian", "sk": "Slovak", "sl": "Slovenian", "sr": "Serbian", "sv": "Swedish", "tr": "Turkish",
    "uk": "Ukrainian", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip
_ROAD = frozenset(("local_only", "batch", "timeout", "requests_per_minute", "tokens_per_minute"))
"""What decides how a model is reached, not what it answers."""
_LIKE_A_SHARE = re.compile(r"=\s*[-+]?[\d.,]+\s*%?\Z")
_SHARE = re.compile(r"=\s*(\d+(?:\.\d+)?)\s*%\s*\Z", re.ASCII)


class LlmOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What one run asks of all its model judges; rubric and task are text, read from their files already.

    `timeout` is in seconds, for one request; limits per minute are learnt from the provider where they are 0.
    """

    rubric: str | None = None
    task: str | None = None
    language: str | None = None
    effort: str | None = None
    max_output_tokens: int = OUTPUT_TOKENS
    local_only: bool = False
    batch: bool = False
    timeout: int = TIMEOUT
    requests_per_minute: int = 0
    tokens_per_minute: int = 0


class LlmConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that makes a model judge, keys excepted; the canonical form holds it, so any process can build the judge."""

    provider: Provider
    model: str
    rubric: str
    base_url: str = ""
    task: str = ""
    language: str = ""
    effort: Effort = ""
    max_output_tokens: int = OUTPUT_TOKENS
    prompt_version: int = PROMPT_VERSION
    local_only: bool = False
    batch: bool = False
    timeout: int = TIMEOUT
    requests_per_minute: int = 0
    tokens_per_minute: int = 0

    @property
    def name(self) -> str:
        """The judge as it is typed."""
        return f"{self.base_url}#{self.model}" if self.provider == "url" else f"{self.provider}:{self.model}"

    @property
    def canonical(self) -> str:
        """`llm:` and JSON, sorted and without spaces."""
        return "llm:" + msgspec.json.encode(self, order="sorted").decode()

    @property
    def digest(self) -> str:
        """Tells apart what may answer differently; on which road or from which machine is asked is no part of it.

        What is not given does not count, so that an option of a later version leaves today's digests as they are.
        """
        given = msgspec.structs.asdict(self)
        told = {name: value for name, value in given.items() if value != "" and name not in _ROAD}
        return sha256(b"llm:" + msgspec.json.encode(told, order="sorted")).hexdigest()


def is_model(kind: str) -> bool:
    """Whether a judge's name that begins like this is meant as a language model."""
    return kind in PROVIDERS or kind in ("http", "https") or kind in OTHER_NAMES or kind in SERVERS or kind in GATEWAYS


def read_config(canonical: str) -> LlmConfig:
    """The configuration in a canonical form; raises `BadRequest` when it is none, or one of another version."""
    try:
        config = msgspec.json.decode(canonical.removeprefix("llm:"), type=LlmConfig)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise BadRequest("This is no stored name of a language model.", remedy=f"Models are named {FORMS}.") from error
    if config.prompt_version != PROMPT_VERSION:
        raise BadRequest(
            f"The judge {config.name!r} was chosen with version {config.prompt_version} of the prompt; this version of "
            f"Pairmark has {PROMPT_VERSION}.",
            remedy="Finish the batch with the version it was begun with, or start a new assessment.",
        )
    return config


def config_of(kind: str, name: str, options: LlmOptions) -> LlmConfig:
    """Understand a model's name, whose part before the first colon is `kind`; raises `BadRequest` with the remedy."""
    base_url = ""
    if kind in ("http", "https"):
        provider, (base_url, model) = "url", _server(name)
    else:
        provider, model = _provider(kind, name), name.partition(":")[2].strip()
    if not model:
        example = f"{base_url}#MODEL" if base_url else f"{provider}:MODEL"
        raise BadRequest(f"The judge {name!r} names no model.", remedy=f"Write {example}.")
    if _LIKE_A_SHARE.search(model):
        raise BadRequest(
            f"The judge {name!a} ends like a share.",
            remedy="Where several judge, write each share as in JUDGE=60%; one judge has none.",
        )
    if options.batch and provider not in WITH_BATCHES:
        raise BadRequest(
            f"The judge {name!r} has no batch API: only OpenAI, Anthropic and Google have one.",
            remedy="Leave out --batch, or name one of theirs.",
        )
    if len(model) > LONGEST_NAME or not model.isprintable() or " " in model:
        raise BadRequest(f"The model {model[:40]!a} cannot be a model's name.", remedy="Check the name.")
    return LlmConfig(
        provider=provider,  # type: ignore[arg-type]
        model=model,
        base_url=base_url,
        rubric=usable(PRESETS[DEFAULT] if options.rubric is None else options.rubric, "rubric"),
        task="" if options.task is None else usable(options.task, "task"),
        language=_language(options.language),
        effort=_effort(options.effort),
        max_output_tokens=_within("longest answer, in tokens,", options.max_output_tokens, *OUTPUT_TOKEN_LIMITS),
        local_only=options.local_only,
        batch=options.batch,
        timeout=_within("time-out of a request, in seconds,", options.timeout, *TIMEOUT_LIMITS),
        requests_per_minute=_within("number of requests a minute", options.requests_per_minute, 0, MOST_PER_MINUTE),
        tokens_per_minute=_within("number of tokens a minute", options.tokens_per_minute, 0, MOST_PER_MINUTE),
    )


def split_share(text: str) -> tuple[str, float | None]:
    """A judge's name and its share from 0 to 1, which stands at the end as in `openai:MODEL=60%`."""
    found = _SHARE.search(text)
    if found is None:
        return text.strip(), None
    return text[: found.start()].strip(), float(found[1]) / 100


def closest(word: str, known: tuple[str, ...]) -> str:
    """`Did you mean …?`, or nothing where no known word is near."""
    near = difflib.get_close_matches(word, known, n=2, cutoff=0.7)
    return f" Did you mean {' or '.join(near)}?" if near else ""


def _provider(kind: str, name: str) -> str:
    if kind in PROVIDERS:
        return kind
    model = name.partition(":")[2].strip() or "MODEL"
    if kind in OTHER_NAMES:
        remedy = f"Write {OTHER_NAMES[kind]}:{model}."
    elif kind in SERVERS:
        remedy = f"Name the server by its URL: {SERVERS[kind].replace('MODEL', model)}."
    else:
        remedy = f"Name it by the URL of its OpenAI-compatible API: https://HOST/v1#{model}, or by way of OpenRouter."
    raise BadRequest(f"There is no judge {kind!r}.", remedy=remedy)


def _server(name: str) -> tuple[str, str]:
    """Address and model of `http://HOST:PORT/v1#MODEL`."""
    url, _, model = name.strip().partition("#")
    shown = re.sub(r"//.*@", "//…@", url)[:80]
    no_url = BadRequest(f"The judge's address {shown!a} is no URL.", remedy=f"Write {SERVERS['ollama']}.")
    if not url.isprintable() or " " in url:
        raise no_url
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise no_url from error
    if not parts.hostname:
        raise BadRequest(f"The judge's address {shown!a} names no host.", remedy=f"Write {SERVERS['ollama']}.")
    if parts.username is not None or parts.password is not None or parts.query:
        raise BadRequest(
            "The judge's address holds a password or a query, which would be stored.",
            remedy="Leave it out and put the key into PAIRMARK_JUDGE_KEY.",
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    place = host if port is None else f"{host}:{port}"
    return f"{parts.scheme.lower()}://{place}{parts.path.rstrip('/')}", model.strip()


def _language(given: str | None) -> str:
    text = (given or "").strip()
    if len(text) > LONGEST_LANGUAGE or not text.isprintable():
        raise BadRequest(f"The language {text[:40]!a} is not usable.", remedy="Give --language a code or a name.")
    return LANGUAGES.get(text.lower().partition("-")[0], text) if len(text) < 6 else text


def _effort(given: str | None) -> Effort:
    text = (given or "").strip().lower()
    if text and text not in EFFORTS:
        raise BadRequest(f"There is no effort {text!r}.", remedy=f"Choose among {', '.join(EFFORTS)}.")
    return text  # type: ignore[return-value]


def _within(what: str, given: int, low: int, high: int) -> int:
    if not low <= given <= high:
        raise BadRequest(f"The {what} cannot be {given}.", remedy=f"Give a whole number from {low} to {high}.")
    return given
