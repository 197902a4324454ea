"""What an assessment would ask and cost, told without asking anybody."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class RehearsedJudge:
    """One judge's part: `calls` at most, tokens about, cost in US dollars about and at worst (None: no price is known).

    Before them come `canaries`, calls too, which are part of tokens and cost.

    `price` is the row of the table of prices that was used, `context_window` the tokens a model takes, where that is known. Judges
    that are not called over a network have neither calls nor cost.
    """

    judge: str
    share: float
    model: bool
    calls: int
    input_tokens: int
    output_tokens: int
    cost: float | None
    worst_cost: float | None
    price: str = ""
    context_window: int | None = None
    canaries: int = 0


@dataclass(frozen=True)
class ShownPrompt:
    """What a judge would be sent, to the letter: instructions, and the message with both texts."""

    judge: str
    first: str
    second: str
    system: str
    texts: str
    hash: str
    tokens: int


@dataclass(frozen=True)
class Rehearsal:
    """All of it. `comparisons` at most; `cost` is None as soon as the price of one judge is not known.

    `redacted`: places where names were taken out; `held`: essays that would wait for a person before a model judges them.
    """

    name: str
    essays: int
    comparisons: int
    judges: list[RehearsedJudge]
    prompts: list[ShownPrompt]
    cost: float | None
    worst_cost: float | None
    spend_limit: float | None
    redacted: int = 0
    held: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The rehearsal as plain JSON types."""
        return asdict(self)
