"""One question to a model and what is said to it, whatever provider's wire they travelled on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any, Literal, Protocol

from support.providers.http import Way
from support.providers.scene import Card

Finish = Literal["stop", "length", "refusal", "filtered", "blocked", "empty", "error"]


@dataclass
class Asked:
    """What a model is asked. `fields` are the properties of the schema it has to keep to; `boundaries` are the ends of
    content blocks in `prompt`, `breakpoints` those to be cached, None where the provider caches by itself.
    """

    provider: str
    model: str
    card: Card
    prompt: str
    max_tokens: int | None = None
    fields: list[str] = field(default_factory=list)
    boundaries: list[int] = field(default_factory=list)
    breakpoints: list[int] | None = None
    request_id: str = ""
    batch: str = ""
    number: int = 0
    times: int = 0

    @cached_property
    def prompt_digest(self) -> str:
        """Names the prompt, and the model it was put to."""
        return sha256(f"{self.model}\0{self.prompt}".encode("utf-8", "surrogatepass")).hexdigest()[:24]


@dataclass
class Usage:
    """Tokens of one call; `input` counts all of them, cached or not."""

    input: int = 0
    cached: int = 0
    written: int = 0
    output: int = 0
    reasoning: int = 0


@dataclass
class Said:
    """What a model says: its text, why it ended, and how it travels back."""

    text: str
    finish: Finish = "stop"
    model: str = ""
    usage: Usage = field(default_factory=Usage)
    tells_usage: bool = True
    charged: bool = True
    way: Way = "whole"
    delay: float | None = None
    identity: str = ""
    scenario: str = "good"
    first: str = ""
    second: str = ""
    better: str = ""


class Refused(Exception):
    """A call that is not answered. `kind` says what it is in words of ours; each provider has its own for it."""

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
        details: list[dict[str, Any]] | None = None,
        scenario: str = "contract",
    ) -> None:
        super().__init__(message)
        self.status, self.kind, self.message, self.code, self.param = status, kind, message, code, param
        self.headers = dict(headers or {})
        self.details, self.scenario = details or [], scenario


def bad(message: str, param: str | None = None, code: str | None = None) -> Refused:
    """A request that the provider would refuse."""
    return Refused(400, "invalid", message, param=param, code=code)


@contextmanager
def reading() -> Iterator[None]:
    """Refuse what turns out to be of another type than it has to be while a request is read."""
    try:
        yield
    except (AttributeError, KeyError, TypeError) as fault:
        raise bad(f"A value is of the wrong type: {fault}") from fault


class Dialect(Protocol):
    """One provider's wire: reads requests, writes answers and errors."""

    provider: str

    def read(self, body: dict[str, Any]) -> Asked:
        """Check a request against the contract; raises `Refused`."""
        ...

    def write(self, asked: Asked, said: Said) -> dict[str, Any]:
        """The body of an answer."""
        ...

    def error(self, refused: Refused) -> dict[str, Any]:
        """The body of an error."""
        ...
