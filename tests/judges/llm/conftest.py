"""Questions for models, and the fake providers they are put to."""

from collections.abc import Callable, Iterator

import pytest
from support.providers import FakeProviders, Scene

from pairmark.judges.llm.config import LlmConfig, LlmOptions, config_of
from pairmark.judges.llm.judge import LanguageModelJudge
from pairmark.judges.question import Question

ADDRESSES = {"openai": "openai:judge-1", "anthropic": "anthropic:judge-1", "google": "google:judge-1"}


def config(name: str = "openai:judge-1", **options: object) -> LlmConfig:
    """A model by its name."""
    return config_of(name.partition(":")[0], name, LlmOptions(**options))  # type: ignore[arg-type]


def question(first: str, second: str, *, call_id: str = "", request_id: str = "r") -> Question:
    """Two texts, asked for the first time."""
    return Question(request_id, "essay-a", "essay-b", first, second, 0, 1, call_id)


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
