"""Which calls go wrong, and how: a line of rules such as "5% refusal, 5% 429(retry_after=0.2), 2% 500, cut at 17".

A rule is a scenario, its settings in brackets, and when it holds: a share before it, or behind it `at N`, `first N`,
`every N`, `times N` (how often the same prompt was asked before), `for MODEL`, `in batch`, `with "TEXT"`. Shares are drawn
by seed, prompt and how often that prompt was asked, so they do not depend on the order in which calls arrive.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.providers.asked import Asked

ITEM = re.compile(r"^(?:(?P<share>[\d.]+)%\s+)?(?P<name>\w+)(?:\((?P<settings>[^)]*)\))?(?P<when>.*)$")
WHEN = re.compile(r'\s*(?:(at|first|every|times)\s+(\d+)|(for|in)\s+(\S+)|(with)\s+"([^"]*)")')
PARTS = re.compile(r',(?=(?:[^"]*"[^"]*")*[^"]*$)(?![^(]*\))')


@dataclass(slots=True)
class Rule:
    """A scenario and when it is played."""

    name: str
    share: float = 0.0
    settings: dict[str, str] = field(default_factory=dict)
    at: int = 0
    first: int = 0
    every: int = 0
    times: int = -1
    model: str = ""
    batch: bool = False
    text: str = ""
    when: Callable[[Asked], bool] | None = None

    def number(self, name: str, default: float) -> float:
        """A setting that is a number."""
        return float(self.settings.get(name, default))

    def fits(self, asked: Asked) -> bool:
        """Whether this call is one the rule speaks of, shares aside."""
        return (
            (not self.model or self.model == asked.model)
            and (not self.batch or bool(asked.batch))
            and (not self.text or self.text in asked.prompt)
            and (self.times < 0 or self.times == asked.times)
            and (not self.at or self.at == asked.number)
            and (not self.first or asked.number <= self.first)
            and (not self.every or asked.number % self.every == 0)
            and (self.when is None or self.when(asked))
        )


GOOD = Rule("good")


def parse(line: str) -> list[Rule]:
    """Read a line of rules; raises `ValueError` naming the part that cannot be read."""
    return [read(part.strip()) for part in PARTS.split(line) if part.strip()]


def read(part: str) -> Rule:
    """Read one rule."""
    item = ITEM.match(part)
    if item is None:
        raise ValueError(f"No rule: {part!r}")
    settings = dict(pair.strip().partition("=")[::2] for pair in (item["settings"] or "").split(",") if pair.strip())
    rule = Rule(item["name"], float(item["share"] or 0) / 100, settings)
    rest = item["when"]
    while rest.strip():
        clause = WHEN.match(rest)
        if clause is None:
            raise ValueError(f"No condition: {rest.strip()!r} in {part!r}")
        add(rule, *(word for word in clause.groups() if word is not None))
        rest = rest[clause.end() :]
    return rule


def add(rule: Rule, word: str, value: str) -> None:
    """Put a condition into the rule."""
    if word in {"at", "first", "every", "times"}:
        setattr(rule, word, int(value))
    elif word == "for":
        rule.model = value
    elif word == "with":
        rule.text = value
    else:
        rule.batch = True


def choose(rules: list[Rule], asked: Asked, seed: int) -> Rule:
    """The rule that holds for this call, or the good answer."""
    place = draw(seed, "rule", asked.prompt_digest, asked.times)
    for rule in rules:
        if not rule.fits(asked):
            continue
        if rule.share == 0.0:
            return rule
        if 0 <= place < rule.share:
            return rule
        place -= rule.share
    return GOOD


def draw(seed: int, *parts: object) -> float:
    """A number in [0, 1), the same for the same parts."""
    drawn = blake2b(
        "\0".join(map(str, parts)).encode("utf-8", "surrogatepass"), digest_size=8, key=seed.to_bytes(8, "big")
    )
    return (int.from_bytes(drawn.digest(), "big") >> 11) * 2.0**-53
