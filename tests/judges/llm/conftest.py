"""Models as judges, and the fake providers they are asked of."""

from collections.abc import Callable, Iterator
from time import monotonic

import pytest

from pairmark.judges.llm.judge import LanguageModelJudge
from pairmark.judges.llm.sending import LONGEST_WAIT, Breaker, Limits, Sending
from support.models import config
from support.providers import FakeProviders, Scene


@pytest.fixture
def providers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., FakeProviders]]:
    """Starts fake providers and leads every client there."""
    started: list[FakeProviders] = []

    def start(scene: Scene | None = None) -> FakeProviders:
        fake = FakeProviders(scene).start()
        started.append(fake)
        for name, value in fake.environment().items():
            monkeypatch.setenv(name, value)
        return fake

    yield start
    for fake in started:
        fake.close()


@pytest.fixture
def judge() -> Iterator[Callable[..., LanguageModelJudge]]:
    """Makes judges that wait for nothing between their requests, and closes them."""
    made: list[LanguageModelJudge] = []

    async def no_time(seconds: float) -> None:
        assert seconds <= LONGEST_WAIT

    def make(name: str = "openai:judge-1", **options: object) -> LanguageModelJudge:
        told = config(name, **options)
        limits = Limits(told.requests_per_minute, told.tokens_per_minute, monotonic)
        made.append(LanguageModelJudge(told, sending=Sending(limits, Breaker(monotonic), sleep=no_time)))
        return made[-1]

    yield make
    for one in made:
        one.close()
