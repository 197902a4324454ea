"""Counting tokens, prefixes that were seen before, and what a minute allows.

A token is four characters: no model counts so, but everybody can count after it.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from hashlib import blake2b

from support.providers.asked import Asked, Refused
from support.providers.scene import ANTHROPIC, OPENAI, OPENROUTER, Limits

CHARACTERS = 4
STEP = 128  # tokens by which a prefix is cached, as OpenAI documents it


def count(text: str) -> int:
    """Tokens of a text."""
    return -(-len(text) // CHARACTERS)


class Prefixes:
    """What was asked before, as far as a later prompt may begin with it."""

    def __init__(self) -> None:
        self._seen: dict[str, set[bytes]] = defaultdict(set)

    def cached(self, asked: Asked) -> tuple[int, int]:
        """Tokens of this prompt that are read from the cache, and tokens that are written to it for a price."""
        if asked.breakpoints is None:
            return self._by_steps(asked), 0
        return self._by_breakpoints(asked)

    def _by_steps(self, asked: Asked) -> int:
        seen, held = self._seen[f"{asked.provider} {asked.model}"], blake2b(digest_size=12)
        longest, still = 0, True
        size = STEP * CHARACTERS
        for end in range(size, len(asked.prompt) + 1, size):
            held.update(asked.prompt[end - size : end].encode("utf-8", "surrogatepass"))
            name = held.digest()
            still = still and name in seen
            longest = end // CHARACTERS if still else longest
            seen.add(name)
        return longest if longest >= asked.card.cache_from else 0

    def _by_breakpoints(self, asked: Asked) -> tuple[int, int]:
        assert asked.breakpoints is not None
        wanted = [end for end in asked.breakpoints if count(asked.prompt[:end]) >= asked.card.cache_from]
        if not wanted:
            return 0, 0
        seen = self._seen[f"{asked.provider} {asked.model}"]
        names = {end: self._name(asked.prompt[:end]) for end in {*wanted, *asked.boundaries} if end <= max(wanted)}
        read = max((end for end, name in names.items() if name in seen), default=0)
        seen.update(names[end] for end in wanted)
        return count(asked.prompt[:read]), count(asked.prompt[: max(wanted)]) - count(asked.prompt[:read])

    @staticmethod
    def _name(text: str) -> bytes:
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).digest()


class Minute:
    """Requests and tokens of each model within the last sixty seconds."""

    def __init__(self, limits: Limits, now: Callable[[], float]) -> None:
        self._limits, self._now = limits, now
        self._past: dict[str, deque[tuple[float, int]]] = defaultdict(deque)

    def admit(self, asked: Asked, tokens: int) -> None:
        """Count a request, or refuse it as one too many."""
        if not (self._limits.requests or self._limits.tokens):
            return
        past, now = self._past[f"{asked.provider} {asked.model}"], self._now()
        while past and past[0][0] <= now - 60:
            past.popleft()
        over = bool(self._limits.requests) and len(past) >= self._limits.requests
        spent = sum(size for _, size in past)
        if over or (self._limits.tokens and past and spent + tokens > self._limits.tokens):
            wait = max(1, -int(-(past[0][0] + 60 - now) // 1))
            raise too_many("requests" if over else "tokens", str(wait))
        past.append((now, tokens))

    def headers(self, asked: Asked) -> dict[str, str]:
        """What the provider says of its limits with each answer; Google says nothing."""
        past = self._past[f"{asked.provider} {asked.model}"]
        told = {
            "requests": (self._limits.requests, len(past)),
            "tokens": (self._limits.tokens, sum(size for _, size in past)),
        }
        headers = {}
        for what, (limit, used) in told.items():
            for form, number in (("limit", limit), ("remaining", max(0, limit - used))):
                for name in LIMIT_HEADERS.get(asked.provider, ()) if limit else ():
                    headers[name.format(what=what, form=form)] = str(number)
        return headers


LIMIT_HEADERS = {
    OPENAI: ("x-ratelimit-{form}-{what}",),
    OPENROUTER: ("x-ratelimit-{form}-{what}",),
    ANTHROPIC: ("anthropic-ratelimit-{what}-{form}", "anthropic-ratelimit-input-{what}-{form}"),
}


def too_many(what: str, retry_after: str | None, form: str = "", scenario: str = "limit") -> Refused:
    """A 429 that may say when to come again; `form` is how, where it is not the provider's usual way."""
    details = [{"form": form, "retry_after": retry_after}] if retry_after is not None else []
    message = f"Rate limit reached for {what} per minute."
    return Refused(429, "too many", message, code="rate_limit_exceeded", details=details, scenario=scenario)
