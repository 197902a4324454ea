"""Language models by their name, and questions for them."""

from pairmark.judges.llm.config import LlmConfig, LlmOptions, config_of
from pairmark.judges.llm.judge import LanguageModelJudge
from pairmark.judges.question import Answer, Question
from support.providers import FakeProviders, Traits


def config(name: str = "openai:judge-1", **options: object) -> LlmConfig:
    """A model by its name."""
    return config_of(name.partition(":")[0], name, LlmOptions(**options))  # type: ignore[arg-type]


def question(first: str, second: str, *, call_id: str = "", request_id: str = "r") -> Question:
    """Two texts, asked for the first time."""
    return Question(request_id, "essay-a", "essay-b", first, second, 0, 1, call_id)


HOSTED = ("openai:judge-1", "anthropic:judge-1", "google:judge-1", "openrouter:vendor/judge-1")
BETTER, WORSE = "A careful text about cats, in order. ability: 9", "A text. ability: -9"
KNOWN = Traits(marker="ability:")


def named(provider: str, fake: FakeProviders) -> str:
    """A judge at this provider; `url` is a server of one's own."""
    return f"{fake.url('local')}#judge-1" if provider == "url" else provider


def ask(judge: LanguageModelJudge, first: str = BETTER, second: str = WORSE, call_id: str = "call-1") -> Answer:
    [answer] = judge.ask([question(first, second, call_id=call_id)])
    return answer
