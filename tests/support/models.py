"""Language models by their name, and questions for them."""

from pairmark.judges.llm.config import LlmConfig, LlmOptions, config_of
from pairmark.judges.question import Question


def config(name: str = "openai:judge-1", **options: object) -> LlmConfig:
    """A model by its name."""
    return config_of(name.partition(":")[0], name, LlmOptions(**options))  # type: ignore[arg-type]


def question(first: str, second: str, *, call_id: str = "", request_id: str = "r") -> Question:
    """Two texts, asked for the first time."""
    return Question(request_id, "essay-a", "essay-b", first, second, 0, 1, call_id)
