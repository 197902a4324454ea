"""All that can be said beforehand: the models there are, who judges, what goes wrong, how fast, within which limits.

A scene is data, so it can be written into a file for providers in a process of their own.
"""

from __future__ import annotations

import re

import msgspec

OPENAI, RESPONSES, OPENROUTER, LOCAL = "openai", "openai-responses", "openrouter", "local"
ANTHROPIC, GOOGLE = "anthropic", "google"

KEYS = {
    OPENAI: "key-of-openai",
    OPENROUTER: "key-of-openrouter",
    ANTHROPIC: "key-of-anthropic",
    GOOGLE: "key-of-google",
    LOCAL: "",
}
"""What is accepted; "" means that nobody asks for a key."""

THOUGHTS = 64  # tokens of a model that reasons


class Card(msgspec.Struct, frozen=True):
    """A model: prices in US dollars per million tokens, and what it can do.

    A model that reasons spends `thinking_tokens` on each answer. `samples` says whether it takes a temperature and the
    like; None leaves that to the provider.
    """

    name: str
    provider: str = ""
    input: float = 1.0
    cached: float = 0.1
    cache_write: float = 1.25
    output: float = 4.0
    batch: float = 0.5
    reasoning: bool = False
    thinking_tokens: int = 0
    structured: bool = True
    context: int = 200_000
    max_output: int = 32_000
    cache_from: int = 1_024
    samples: bool | None = None


REASONING = {OPENAI: r"(gpt-[5-9]|o\d)", OPENROUTER: r"openai/(gpt-[5-9]|o\d)", GOOGLE: r"gemini-(2\.5|[3-9])"}


def known(provider: str, model: str) -> Card:
    """The card of a model by its name alone: families that reason are told by it."""
    reasons = re.match(REASONING.get(provider, "$"), model) is not None
    return Card(model, provider, reasoning=reasons, thinking_tokens=THOUGHTS if reasons else 0)


class Limits(msgspec.Struct, frozen=True):
    """Per model and minute; 0 means without limit."""

    requests: int = 0
    tokens: int = 0


class Traits(msgspec.Struct, frozen=True):
    """The scripted judge: P(first wins) = logistic(sharpness * (ability of first - of second) + order_bias).

    `abilities` by digest of the text; a text that is not in it gets a draw from a normal with SD `sd`, or what follows
    `marker` in it. A `gullible` judge lets a text win that speaks to it; one that `notices` says so. An `unsteady` one
    draws anew when it is asked the same again.
    """

    abilities: dict[str, float] = {}
    sd: float = 1.0
    sharpness: float = 1.0
    order_bias: float = 0.0
    length_bias: float = 0.0
    marker: str = ""
    gullible: bool = False
    notices: bool = True
    unsteady: bool = False


class BatchPlan(msgspec.Struct, frozen=True):
    """How jobs of the batch APIs go: how often they are still running when asked, and what becomes of their requests.

    `ends` is the state of the job at its end; the shares are of requests: `unrun` (expired, cancelled, never answered),
    `missing` (no line at all), `twice` (the same line again), `contradicted` (again, with another verdict), drawn by seed.
    """

    polls: int = 1
    ends: str = "completed"
    unrun: float = 0.0
    missing: float = 0.0
    twice: float = 0.0
    contradicted: float = 0.0
    shuffled: bool = True
    stranger: bool = False


class Scene(msgspec.Struct, frozen=True):
    """Everything a set of providers is started with. `rules` as `rules.parse` reads them; `delay` in seconds."""

    rules: str = ""
    seed: int = 0
    delay: float = 0.0
    jitter: float = 0.0
    cards: list[Card] = []
    any_model: bool = True
    judge: Traits = Traits()
    judges: dict[str, Traits] = {}
    batch: BatchPlan = BatchPlan()
    limits: Limits = Limits()
    keys: dict[str, str] = msgspec.field(default_factory=lambda: dict(KEYS))

    def card(self, provider: str, model: str) -> Card | None:
        """The card of a model; an unknown one gets a card of its own if any model will do."""
        for card in self.cards:
            if card.name == model and card.provider in {"", provider}:
                return card
        return known(provider, model) if self.any_model and "unknown" not in model else None

    def traits(self, model: str) -> Traits:
        """Who judges in the name of this model."""
        return self.judges.get(model, self.judge)
