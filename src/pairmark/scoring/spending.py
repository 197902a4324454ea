"""Keeping within a spend limit without a database: what a call may cost at most, and what is left."""

import threading
from collections.abc import Sequence

from pairmark.errors import BadRequest
from pairmark.judges.llm.judge import LanguageModelJudge
from pairmark.judges.panel import Panel
from pairmark.judges.question import Judge, Question


class Allowance:
    """What may still be spent, in US dollars; shared by threads. A call whose cost nobody knows takes what was set aside for it."""

    def __init__(self, limit: float | None) -> None:
        self.limit = limit
        self.spent = 0.0
        self.unpriced = 0
        self.reached = False
        self._set_aside = 0.0
        self._lock = threading.Lock()

    def set_aside(self, most: float) -> bool:
        """Set the most that a call may cost aside; False where the limit does not allow it while others are in flight."""
        with self._lock:
            if self.limit is not None and self.spent + self._set_aside + most > self.limit:
                return False
            self._set_aside += most
            return True

    def settle(self, most: float, cost: float | None) -> None:
        """A call has ended: book what it cost."""
        with self._lock:
            self._set_aside -= most
            self.spent += most if cost is None and self.limit is not None else cost or 0.0
            self.unpriced += cost is None


def at_most(judge: Judge, question: Question) -> float | None:
    """The most that this question may cost in US dollars; None where no price is known, 0 where nothing is called."""
    return judge.estimate(question)[1] if isinstance(judge, LanguageModelJudge) else 0.0


def check_prices(judges: Sequence[Judge], limit: float | None) -> None:
    """Raise `BadRequest` where a limit could not be kept, since nobody knows what a call of one of these may cost."""
    question = Question("", "first", "second", "one", "two", repeat=0, attempt=1)
    for judge in judges if limit is not None else ():
        for member in judge.members if isinstance(judge, Panel) else (judge,):
            if at_most(member, question) is None:
                raise BadRequest(
                    f"The price of {member.name} is not known, so a spend limit cannot be kept.",
                    remedy="Leave --spend-limit out, or name a judge whose price is known.",
                )
