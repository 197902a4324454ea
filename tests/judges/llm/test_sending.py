import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from pairmark.judges.llm.sending import (
    BURST_SECONDS,
    FAILURES_IN_A_ROW,
    LONGEST_WAIT,
    MOST_ATTEMPTS,
    OPEN_SECONDS,
    Again,
    Breaker,
    Limits,
    Meaning,
    NoAnswer,
    Sending,
)
from pairmark.judges.question import JudgeUnable

UNREACHABLE = JudgeUnable("The judge cannot be reached.", remedy="Start it.")
BUSY = Again("rate limit", JudgeUnable("The judge asks for fewer requests."), retry_after=2.0, limited=True)
DOWN = Again("down", UNREACHABLE)
BROKEN = Again("HTTP 500", NoAnswer("failed", "failed again and again", charged=False))


class Raised(Exception):
    def __init__(self, meaning: Meaning) -> None:
        self.meaning = meaning


@dataclass
class Scene:
    """A sender whose clock moves only when it sleeps, and a provider that answers by a script."""

    script: list[object]
    requests: float = 0
    tokens: float = 0
    now: float = 1_000.0
    slept: list[float] = field(default_factory=list)
    sent: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        clock: Callable[[], float] = lambda: self.now  # noqa: E731
        self.limits, self.breaker = Limits(self.requests, self.tokens, clock), Breaker(clock)
        self.sending = Sending(self.limits, self.breaker, sleep=self.sleep, draw=lambda: 0.5)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    async def request(self) -> object:
        self.sent.append(self.now)
        outcome = self.script.pop(0) if self.script else "answer"
        if isinstance(outcome, Again | NoAnswer | JudgeUnable):
            raise Raised(outcome)
        return outcome

    def send(self, tokens: int = 0) -> tuple[object, int]:
        return asyncio.run(self.sending.send(self.request, meaning, tokens))


def meaning(error: Exception) -> Meaning:
    assert isinstance(error, Raised)
    return error.meaning


def test_an_answer_is_returned_at_once() -> None:
    scene = Scene(["answer"])
    assert scene.send() == ("answer", 1)
    assert scene.slept == []


def test_what_surely_cost_nothing_is_sent_again_after_growing_pauses() -> None:
    scene = Scene([BROKEN, BROKEN, BROKEN])
    assert scene.send() == ("answer", 4)
    assert scene.slept == [0.5, 1.0, 2.0]


def test_a_provider_is_given_the_time_it_asks_for_and_a_little_more() -> None:
    scene = Scene([BUSY])
    assert scene.send() == ("answer", 2)
    assert scene.slept == [2.5]


@pytest.mark.parametrize("kind", ["timed_out", "failed", "invalid", "blocked"])
def test_what_may_have_been_charged_is_never_sent_again(kind: str) -> None:
    ended = NoAnswer(kind, "who knows")  # type: ignore[arg-type]
    scene = Scene([ended])
    assert scene.send() == (ended, 1)
    assert len(scene.sent) == 1


def test_attempts_are_bounded() -> None:
    scene = Scene([BROKEN] * 20)
    assert scene.send() == (BROKEN.lasting, MOST_ATTEMPTS)
    assert len(scene.sent) == MOST_ATTEMPTS
    scene = Scene([DOWN] * 20)
    with pytest.raises(JudgeUnable, match="cannot be reached"):
        scene.send()
    assert len(scene.sent) == MOST_ATTEMPTS


def test_a_wait_longer_than_is_sensible_is_handed_back_with_its_length() -> None:
    scene = Scene([Again("rate limit", JudgeUnable("Fewer, please."), retry_after=3_600.0, limited=True)])
    with pytest.raises(JudgeUnable) as unable:
        scene.send()
    assert unable.value.retry_after == pytest.approx(3_600.5)
    assert scene.slept == []


def test_what_concerns_the_judge_as_a_whole_keeps_all_calls_from_it_for_a_while() -> None:
    scene = Scene([JudgeUnable("The judge refuses the key.", remedy="Check it.")])
    for _ in range(3):
        with pytest.raises(JudgeUnable, match="refuses the key"):
            scene.send()
    assert len(scene.sent) == 1
    scene.now += OPEN_SECONDS + 1
    assert scene.send() == ("answer", 1)
    assert scene.send() == ("answer", 1)


def test_failures_in_a_row_open_the_breaker_and_one_call_finds_out_whether_it_works_again() -> None:
    scene = Scene([DOWN] * 1_000)
    while len(scene.sent) < FAILURES_IN_A_ROW:
        with pytest.raises(JudgeUnable, match="cannot be reached"):
            scene.send()
    sent = len(scene.sent)
    with pytest.raises(JudgeUnable) as unable:
        scene.send()
    assert unable.value.retry_after == pytest.approx(OPEN_SECONDS, abs=20)
    assert len(scene.sent) == sent == FAILURES_IN_A_ROW
    scene.now += OPEN_SECONDS + 1
    with pytest.raises(JudgeUnable):
        scene.send()
    assert len(scene.sent) == sent + 1, "a single request finds out"
    scene.script.clear()
    scene.now += OPEN_SECONDS + 1
    assert scene.send() == ("answer", 1)


def test_while_one_call_finds_out_the_others_wait() -> None:
    scene = Scene([JudgeUnable("no")])
    with pytest.raises(JudgeUnable):
        scene.send()
    scene.now += OPEN_SECONDS + 1
    scene.breaker.check()
    with pytest.raises(JudgeUnable):
        scene.breaker.check()
    scene.breaker.succeeded()
    scene.breaker.check()


def test_failures_with_answers_between_them_do_not_open_the_breaker() -> None:
    scene = Scene([NoAnswer("timed_out", "late"), "answer"] * 40)
    for _ in range(80):
        scene.send()
    assert len(scene.sent) == 80


def test_refused_prompts_do_not_open_the_breaker_and_timeouts_do() -> None:
    scene = Scene([NoAnswer("blocked", "no")] * 40)
    for _ in range(40):
        assert scene.send()[0] == NoAnswer("blocked", "no")
    scene = Scene([NoAnswer("timed_out", "no answer")] * 40)
    for _ in range(FAILURES_IN_A_ROW):
        scene.send()
    with pytest.raises(JudgeUnable, match=r"failed 16 times in a row, lastly: no answer\."):
        scene.send()


def within_a_minute(sent: Sequence[float]) -> int:
    return max(sum(1 for other in sent if start <= other < start + 60) for start in sent)


@pytest.mark.parametrize(
    ("limits", "tokens", "most"), [((30, 0), 0, 30), ((0, 6_000), 200, 30), ((60, 6_000), 200, 30)]
)
def test_no_more_is_sent_in_a_minute_than_is_allowed(limits: tuple[int, int], tokens: int, most: int) -> None:
    scene = Scene([], *limits)
    for _ in range(100):
        scene.send(tokens)
    assert within_a_minute(scene.sent) <= most * (1 + BURST_SECONDS / 60) + 1
    assert scene.sent[-1] - scene.sent[0] == pytest.approx((100 - most * BURST_SECONDS / 60) * 60 / most, rel=0.02)


def test_calls_at_the_same_moment_queue_up_and_those_far_behind_are_handed_back() -> None:
    limits = Limits(60, 0, lambda: 0.0)
    waits = [limits.reserve(0) for _ in range(200)]
    assert waits[:6] == [0.0] * 6
    assert waits[7] == pytest.approx(2.0)
    assert max(wait for wait in waits if wait <= LONGEST_WAIT) == pytest.approx(60, abs=1)
    assert len({wait for wait in waits if wait > LONGEST_WAIT}) == 1, "who is handed back takes no place"


def test_one_request_larger_than_a_minutes_tokens_is_sent_all_the_same() -> None:
    scene = Scene([], tokens=1_000)
    assert scene.send(50_000) == ("answer", 1)


def test_limits_are_learnt_from_headers_and_options_go_before() -> None:
    learnt, told = Limits(0, 0, lambda: 0.0), Limits(10, 100, lambda: 0.0)
    for limits in (learnt, told):
        limits.learn(500.0, 30_000.0)
        limits.learn(None, None)
        limits.learn(0.0, None)
    assert (learnt.requests, learnt.tokens) == (500.0, 30_000.0)
    assert (told.requests, told.tokens) == (10.0, 100.0)


def test_a_single_refusal_delays_only_its_own_call() -> None:
    scene = Scene([BUSY, "answer", BUSY, "answer"])
    scene.send()
    scene.send()
    assert scene.limits.reserve(0) == 0.0
    assert scene.limits.requests == 0.0


def test_many_refusals_slow_all_calls_down() -> None:
    scene = Scene(["answer"] * 30)
    for _ in range(30):
        scene.send()
        scene.now += 0.5
    for _ in range(4):
        scene.limits.refused(5.0)
    assert scene.limits.reserve(0) == pytest.approx(5.0)
    assert scene.limits.requests == pytest.approx(0.8 * 120)


def test_a_rate_learnt_from_refusals_grows_again_while_none_slows_it_down() -> None:
    now = [0.0]
    limits = Limits(0, 0, lambda: now[0])
    for _ in range(30):
        limits.answered()
        limits.refused(1.0)
        now[0] += 1.0
    least = limits.requests
    assert least > 0
    for _ in range(20):
        now[0] += 60.0
        limits.answered()
    assert limits.requests > 50 * least
    told = Limits(10, 0, lambda: now[0])
    now[0] += 600.0
    told.answered()
    assert told.requests == 10.0
