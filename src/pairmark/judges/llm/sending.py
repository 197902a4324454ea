"""One request to a provider, sent with patience: within its rate limits, again after what surely cost nothing, and not at all
while it answers nobody.

What an error of a client library means is decided in `meanings`; what is asked again as a further try, in the services.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from pairmark.judges.question import JudgeUnable

MOST_ATTEMPTS = 5
LONGEST_WAIT = 60.0
"""Seconds a call waits for its turn, or as told by the provider; beyond it the question is handed back."""
FIRST_PAUSE = 0.5
FAILURES_IN_A_ROW = 16
GROW_SECONDS, GROWTH = 60.0, 1.25
"""A rate that was learnt from refusals grows again, each minute in which none slowed it down."""
OPEN_SECONDS = 30.0
BURST_SECONDS = 6.0
"""How much of a minute's allowance may be used at once: limits are enforced over less than a minute, too."""
TOO_MANY = 0.3
"""The share of refusals among the last ten or so answers from which the whole judge slows down, not the call alone."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The end of an ask without a usable answer; `charged` is None where nobody knows."""

    kind: Literal["refused", "truncated", "invalid", "blocked", "timed_out", "failed"]
    detail: str
    charged: bool | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """A response that surely cost nothing: the same request may be sent again.

    `limited` says that a rate limit was the reason; `lasting` what it comes to when all attempts end like this.
    """

    detail: str
    lasting: JudgeUnable | NoAnswer
    retry_after: float | None = None
    limited: bool = False


Meaning = JudgeUnable | NoAnswer | Again


class Limits:
    """Requests and tokens per minute; 0 is no limit known. Told by options, by a provider's headers, or by its refusals."""

    def __init__(self, requests: float, tokens: float, clock: Callable[[], float]) -> None:
        self.requests, self.tokens = float(requests), float(tokens)
        self._told = requests > 0, tokens > 0
        self._clock = clock
        self._taken = [float("-inf"), float("-inf")]  # until when requests and tokens are used up, at the allowed rate
        self._paused_until = float("-inf")
        self._pressure = 0.0
        self._slowed_at = float("inf")
        self._since, self._answered = clock(), 0

    def reserve(self, tokens: int) -> float:
        """Take a place in the queue; returns how many seconds to wait for it, or more than `LONGEST_WAIT` and takes none."""
        now = self._clock()
        wait = max(0.0, self._paused_until - now)
        taken = list(self._taken)
        for place, (amount, limit) in enumerate(((1, self.requests), (tokens, self.tokens))):
            if limit > 0:
                taken[place] = max(now, taken[place]) + 60 * min(amount, limit) / limit
                wait = max(wait, taken[place] - now - BURST_SECONDS)
        if wait <= LONGEST_WAIT:
            self._taken = taken
        return wait

    def learn(self, requests: float | None, tokens: float | None) -> None:
        """What a provider's headers say of its limits; options go before."""
        if requests and not self._told[0]:
            self.requests = requests
        if tokens and not self._told[1]:
            self.tokens = tokens

    def answered(self) -> None:
        """A request was let through."""
        self._answered += 1
        self._pressure *= 0.9
        if self._clock() - self._slowed_at >= GROW_SECONDS:  # never if nothing was refused
            self.requests *= GROWTH
            self._slowed_at = self._clock()

    def refused(self, seconds: float) -> None:
        """A request was refused for its rate; many in a row slow all of them down, a single one only itself."""
        self._pressure = 0.9 * self._pressure + 0.1
        if self._pressure <= TOO_MANY:
            return
        now = self._clock()
        self._pressure = 0.0
        self._paused_until = max(self._paused_until, now + seconds)
        if not self._told[0] and self._answered:
            passed = max(now - self._since, 1.0)
            self.requests = max(1.0, 0.8 * 60 * self._answered / passed)
            self._slowed_at = now + seconds
        self._since, self._answered = now + seconds, 0


class Breaker:
    """Keeps calls from a judge that answers nobody; after a while one call is let through to see."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures = 0
        self._reason: JudgeUnable | None = None
        self._open_until = float("-inf")

    def check(self) -> None:
        """Raise why the judge is unable, while it is thought to be."""
        if self._reason is None:
            return
        left = self._open_until - self._clock()
        if left > 0:
            raise JudgeUnable(self._reason.message, remedy=self._reason.remedy, retry_after=left)
        self._open_until = self._clock() + OPEN_SECONDS  # this call finds out; the others wait for what it finds

    def succeeded(self) -> None:
        """The provider answered, whatever it said."""
        self._failures, self._reason = 0, None

    def failed(self, reason: JudgeUnable, *, at_once: bool = False) -> None:
        """A call failed for a reason that may concern them all; `at_once` where it surely does."""
        self._failures += 1
        if at_once or self._reason is not None or self._failures >= FAILURES_IN_A_ROW:
            self._reason = reason
            self._open_until = self._clock() + (OPEN_SECONDS if reason.retry_after is None else reason.retry_after)


class Sending:
    """Sends the requests of one judge."""

    def __init__(
        self,
        limits: Limits,
        breaker: Breaker,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.limits = limits
        self.breaker = breaker
        self._sleep = sleep
        self._draw = draw

    async def send(
        self, request: Callable[[], Awaitable[T]], meaning: Callable[[Exception], Meaning], tokens: int
    ) -> tuple[T | NoAnswer, int]:
        """The response, or that there is none, and how many requests it took; raises `JudgeUnable`."""
        for attempt in range(1, MOST_ATTEMPTS + 1):
            self.breaker.check()
            await self._turn(tokens)
            try:
                response = await request()
            except Exception as error:
                meant = meaning(error)
            else:
                self.breaker.succeeded()
                self.limits.answered()
                return response, attempt
            if not isinstance(meant, Again):
                return self._ended(meant), attempt
            pause = self._pause(attempt, meant)
            if not meant.limited:
                self.breaker.failed(_reason(meant))
            if attempt == MOST_ATTEMPTS or pause > LONGEST_WAIT:
                return _lasting(meant, pause), attempt
            await self._sleep(pause)
        raise AssertionError("the last attempt returns")

    async def _turn(self, tokens: int) -> None:
        wait = self.limits.reserve(tokens)
        if wait > LONGEST_WAIT:
            raise JudgeUnable(
                "The judge's rate limit is used up.",
                remedy="The run goes on by itself when there is room.",
                retry_after=wait,
            )
        if wait > 0:
            await self._sleep(wait)

    def _pause(self, attempt: int, meant: Again) -> float:
        """As long as the provider says, or longer each time; spread, so that not all come back at the same moment."""
        told = meant.retry_after
        pause = told + self._draw() if told is not None else FIRST_PAUSE * 2 ** (attempt - 1) * (0.5 + self._draw())
        if meant.limited:
            self.limits.refused(pause)
        return pause

    def _ended(self, meant: JudgeUnable | NoAnswer) -> NoAnswer:
        if isinstance(meant, JudgeUnable):
            self.breaker.failed(meant, at_once=True)
            raise meant
        if meant.kind in ("timed_out", "failed"):
            self.breaker.failed(_reason(meant))
        else:
            self.breaker.succeeded()
        return meant


def _lasting(meant: Again, pause: float) -> NoAnswer:
    if isinstance(meant.lasting, JudgeUnable):
        raise JudgeUnable(meant.lasting.message, remedy=meant.lasting.remedy, retry_after=pause)
    return meant.lasting


def _reason(meant: Again | NoAnswer) -> JudgeUnable:
    """What is said of the judge if this goes on."""
    if isinstance(meant, Again) and isinstance(meant.lasting, JudgeUnable):
        return meant.lasting
    return JudgeUnable(
        f"The judge failed {FAILURES_IN_A_ROW} times in a row, lastly: {meant.detail}.",
        remedy="The run goes on by itself when it answers again.",
    )


def patient(requests: int, tokens: int) -> Sending:
    """With the machine's own clock."""
    return Sending(Limits(requests, tokens, time.monotonic), Breaker(time.monotonic))
