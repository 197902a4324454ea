"""A judge with a known truth, for trying out designs and for tests.

Each essay's true score depends on the seed and its id alone, and each draw on the question alone, so answers do not
depend on what else is asked, or when. How such judgements are planned or fitted is not here.
"""

import time
from collections.abc import Callable, Sequence
from hashlib import blake2b
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from pairmark.judges.question import Answer, Question, Winner

UInts = NDArray[np.uint64]
Floats = NDArray[np.float64]

_VERDICT, _FAILURE = np.uint64(1), np.uint64(2)  # independent streams of draws
_STANDARD_NORMAL = NormalDist()


class SimulatedJudge:
    """P(first wins) = logistic(truth(first) - truth(second) + order_bias), drawn by seed.

    `sd` is the SD of the true scores and `order_bias` the advantage of the first seat, both in logits; `fail` is the
    share of asks that are answered "failed" (a later attempt is drawn anew); `delay_ms` is waited for each question.
    """

    name = "simulated"
    may_grade = True

    def __init__(
        self,
        *,
        sd: float = 1.0,
        seed: int = 0,
        order_bias: float = 0.0,
        fail: float = 0.0,
        delay_ms: int = 0,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.sd, self.seed, self.order_bias, self.fail, self.delay_ms = sd, seed, order_bias, fail, delay_ms
        self.in_sets = delay_ms == 0
        self._pause = pause
        self._known: dict[str, tuple[int, float]] = {}

    def check(self, essay_ids: Sequence[str]) -> None:
        """Any essays will do."""

    def truth(self, essay_ids: Sequence[str]) -> Floats:
        """True scores in logits, one per id, in the order given; drawn from a normal with mean 0 and SD `sd`."""
        return np.array([self._essay(essay_id)[1] for essay_id in essay_ids], dtype=np.float64)

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Draw an answer to each question."""
        if self.delay_ms:
            self._pause(self.delay_ms / 1000 * len(questions))
        if not questions:
            return []
        first_wins, failed = self._draw(questions)
        return [
            self._failure(question) if fails else self._verdict(question, "first" if wins else "second")
            for question, wins, fails in zip(questions, first_wins, failed, strict=True)
        ]

    def _draw(self, questions: Sequence[Question]) -> tuple[list[bool], list[bool]]:
        first = [self._essay(question.first_id) for question in questions]
        second = [self._essay(question.second_id) for question in questions]
        advantage = _column(first) - _column(second) + self.order_bias
        pair = _mix(_mix(_keys(first)) ^ _keys(second))
        asked = _mix(pair ^ np.array([question.repeat for question in questions], dtype=np.uint64))
        attempt = np.array([question.attempt for question in questions], dtype=np.uint64)
        first_wins = _uniform(asked ^ _VERDICT) < 1 / (1 + np.exp(-advantage))
        failed = _uniform(_mix(asked ^ _FAILURE) ^ attempt) < self.fail
        return first_wins.tolist(), failed.tolist()

    def _essay(self, essay_id: str) -> tuple[int, float]:
        known = self._known.get(essay_id)
        if known is None:
            key = self.seed.to_bytes(8, "big")
            drawn = blake2b(essay_id.encode("utf-8", "surrogatepass"), digest_size=16, key=key).digest()
            share = ((int.from_bytes(drawn[:8], "big") >> 11) + 0.5) * 2.0**-53  # never 0 or 1
            known = int.from_bytes(drawn[8:], "big"), self.sd * _STANDARD_NORMAL.inv_cdf(share)
            self._known[essay_id] = known
        return known

    def _verdict(self, question: Question, winner: Winner) -> Answer:
        return Answer(
            question.request_id, "verdict", winner, False, "simulated", "pairmark", "simulated", "", None, self.delay_ms
        )

    def _failure(self, question: Question) -> Answer:
        return Answer(
            request_id=question.request_id,
            kind="failed",
            winner=None,
            swapped=False,
            judge="simulated",
            provider="pairmark",
            model="simulated",
            response_time_ms=self.delay_ms,
            detail=f"Simulated failure of attempt {question.attempt}.",
        )


def _keys(essays: list[tuple[int, float]]) -> UInts:
    return np.array([key for key, _ in essays], dtype=np.uint64)


def _column(essays: list[tuple[int, float]]) -> Floats:
    return np.array([truth for _, truth in essays], dtype=np.float64)


def _mix(bits: UInts) -> UInts:
    """The finaliser of SplitMix64 (Steele, Lea & Flood 2014): every input bit moves every output bit."""
    bits = bits + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def _uniform(bits: UInts) -> Floats:
    """Numbers in [0, 1) from the upper 53 bits."""
    return (_mix(bits) >> np.uint64(11)).astype(np.float64) * 2.0**-53
