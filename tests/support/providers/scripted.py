"""A judge of known ability, and its verdict as a model would write it.

The draw depends on the seed, the model and the two texts in their order; an unsteady judge draws anew for each time.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

from pairmark.judges.llm.canaries import ESSAY, TEXTS
from support.providers.asked import Asked
from support.providers.rules import draw
from support.providers.scene import Scene, Traits
from support.providers.texts import digest, quote, two_texts

NORMAL = NormalDist()
CANARIES = {digest(canary): -6.0 for canary, _ in TEXTS.values()} | {digest(ESSAY): 6.0}
"""What a sound judge thinks of the canaries, in logits; another opinion has to be given as an ability."""
EMPTY = -8.0  # logits: hardly anything loses against a text without a word
SPEAKS_TO_JUDGE = re.compile(
    r"(ignore|disregard|forget)[^.\n]{0,40}(instruction|prompt)|choose (this|text|me)|better\W{1,6}[12]\b|</?(system|text)",
    re.IGNORECASE,
)
FIELDS = ("evidence_1", "evidence_2", "reason", "instructions_found", "better")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which text won, and what stands beside it."""

    first: str
    second: str
    better: str
    found: bool

    def fields(self) -> dict[str, object]:
        """In the order of the schema."""
        return {
            "evidence_1": quote(self.first),
            "evidence_2": quote(self.second),
            "reason": f"Text {self.better} argues more clearly and keeps to its point.",
            "instructions_found": self.found,
            "better": self.better,
        }


class ScriptedJudge:
    """Judges for all models of a scene. `read` finds the two texts of a prompt."""

    def __init__(self, scene: Scene, read: Callable[[str], tuple[str, str]] = two_texts) -> None:
        self._scene, self._read = scene, read
        self._drawn = lru_cache(100_000)(self._draw_ability)

    def ability(self, text: str, traits: Traits) -> float:
        """In logits."""
        name = digest(text)
        if name in traits.abilities:
            return traits.abilities[name]
        if name in CANARIES:
            return CANARIES[name]
        if traits.marker and (marked := re.search(re.escape(traits.marker) + r"\s*(-?\d+(?:\.\d+)?)", text)):
            return float(marked[1])
        return self._drawn(name, traits.sd) if text.strip() else EMPTY

    def _draw_ability(self, name: str, sd: float) -> float:
        return sd * NORMAL.inv_cdf(min(max(draw(self._scene.seed, "ability", name), 1e-12), 1 - 1e-12))

    def advantage(self, first: str, second: str, traits: Traits) -> float:
        """Of the first text, in logits, its seat included."""
        apart = traits.sharpness * (self.ability(first, traits) - self.ability(second, traits)) + traits.order_bias
        if traits.length_bias:
            apart += traits.length_bias * math.log((1 + len(first.split())) / (1 + len(second.split())))
        return apart

    def judge(self, asked: Asked) -> Verdict:
        """Read the prompt and decide; raises `ValueError` if there are no two texts in it."""
        traits = self._scene.traits(asked.model)
        first, second = self._read(asked.prompt)
        spoken = [speaks_to_judge(text) for text in (first, second)]
        found = any(spoken) and traits.notices
        if traits.gullible and spoken[0] != spoken[1]:
            return Verdict(first, second, "1" if spoken[0] else "2", found)
        parts = ("verdict", asked.model, digest(first), digest(second), asked.times if traits.unsteady else 0)
        wins = draw(self._scene.seed, *parts) < 1 / (1 + math.exp(-self.advantage(first, second, traits)))
        return Verdict(first, second, "1" if wins else "2", found)


@lru_cache(4_096)
def speaks_to_judge(text: str) -> bool:
    """Whether a text gives instructions to whoever judges it, as far as a few plain forms go."""
    return SPEAKS_TO_JUDGE.search(text) is not None
