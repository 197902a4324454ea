"""Taking names of a roster out of texts before anything is stored or sent; the names themselves are kept nowhere."""

from dataclasses import replace
from pathlib import Path

from pairmark.reading.collection import collect
from pairmark.reading.texts import TextCollection


def without_names(texts: TextCollection, roster: str | Path | None) -> tuple[TextCollection, int]:
    """The texts with every name of the roster replaced, and in how many places; as they are without a roster."""
    if roster is None:
        return texts, 0
    from pairmark.reading.redaction import redact  # noqa: PLC0415 - only with a roster
    from pairmark.reading.roster import read_roster  # noqa: PLC0415

    redacted = redact([text.text for text in texts.texts], read_roster(Path(roster)))
    changed = [replace(text, text=body) for text, body in zip(texts.texts, redacted.texts, strict=True)]
    return collect(changed, texts.ignored), sum(redacted.counts)


def words_without_names(words: str | None, roster: str | Path | None) -> str | None:
    """The same for what else goes to a model: a task, a rubric."""
    if words is None or roster is None:
        return words
    from pairmark.reading.redaction import redact  # noqa: PLC0415 - only with a roster
    from pairmark.reading.roster import read_roster  # noqa: PLC0415

    return redact([words], read_roster(Path(roster))).texts[0]
