"""Models as judges, and the fake providers they are asked of."""

from collections.abc import Callable, Iterator

import pytest

from pairmark.judges.llm.judge import LanguageModelJudge
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
    """Makes judges and closes them."""
    made: list[LanguageModelJudge] = []

    def make(name: str = "openai:judge-1", **options: object) -> LanguageModelJudge:
        made.append(LanguageModelJudge(config(name, **options)))
        return made[-1]

    yield make
    for one in made:
        one.close()
