"""Who is to judge: names with shares and what is asked of language models, read and checked before a database is touched."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pairmark.assessing.choices import Choices
from pairmark.assessing.redaction import words_without_names
from pairmark.bootstrap import judge_for
from pairmark.judges.llm.config import OUTPUT_TOKENS, TIMEOUT, LlmOptions
from pairmark.judges.llm.judge import LanguageModelJudge
from pairmark.judges.panel import Panel
from pairmark.judges.question import Judge
from pairmark.judges.spec import JudgeSpec, parse_panel
from pairmark.reading.texts import TextCollection


@dataclass(frozen=True)
class Chosen:
    """The judge of a batch, which may be several with shares, and its name understood."""

    spec: JudgeSpec
    judge: Judge

    def check(self, texts: TextCollection, *, access: bool) -> None:
        """Raise `BadRequest` where a judge cannot serve these essays: a text is too long for a model, or, with `access`, no key."""
        self.judge.check([text.essay_id for text in texts.texts])
        if isinstance(self.judge, LanguageModelJudge | Panel):
            self.judge.check_texts({text.essay_id: text.text for text in texts.texts})
            if access:
                self.judge.check_access()


def chosen(judge: str | Sequence[str], choices: Choices) -> Chosen:
    """Understand the judges named; raises `BadRequest` for what is unknown or does not add up."""
    names = [judge] if isinstance(judge, str) else list(judge)
    spec = parse_panel(names, options(choices))
    return Chosen(spec, judge_for(spec.canonical, spec.digest))


def options(choices: Choices) -> LlmOptions:
    """What is asked of all language models of a run; files are read here."""
    from pairmark.judges.llm.rubrics import read_rubric, read_words  # noqa: PLC0415 - only where one is given

    rubric, task, roster = choices.get("rubric"), choices.get("task"), choices.get("roster")
    return LlmOptions(
        rubric=words_without_names(read_rubric(str(rubric)) if rubric is not None else None, roster),
        task=words_without_names(read_words(Path(task).expanduser(), "task") if task is not None else None, roster),
        language=choices.get("language"),
        effort=choices.get("effort"),
        max_output_tokens=_given(choices.get("max_output_tokens"), OUTPUT_TOKENS),
        local_only=choices.get("local_only", False),
        batch=choices.get("batch", False),
        timeout=_given(choices.get("timeout"), TIMEOUT),
        requests_per_minute=_given(choices.get("requests_per_minute"), 0),
        tokens_per_minute=_given(choices.get("tokens_per_minute"), 0),
    )


def _given(number: int | None, otherwise: int) -> int:
    return otherwise if number is None else number
