"""Judges over the same pairs, from names and files: the library's side of `pairmark judge compare`."""

from collections.abc import Callable, Sequence
from pathlib import Path

from pairmark.assessing import choices as usable
from pairmark.assessing.choices import Choices
from pairmark.assessing.panel import options
from pairmark.assessing.redaction import without_names
from pairmark.judges.spec import parse_judge
from pairmark.reading.texts import read_texts
from pairmark.scoring.comparing import Compared, compare, plan
from pairmark.scoring.people import read_people

Tell = Callable[[int, int, float], None]


def compare_judges(
    path: str | Path,
    judges: Sequence[str],
    choices: Choices,
    *,
    pairs: int = 50,
    tell: Tell = lambda done, total, spent: None,
) -> Compared:
    """Put the same pairs of the texts at `path` to all judges, in both orders, and hold their answers side by side.

    `choices` are those of `assess`; `tell` hears how many of how many questions were answered, and what was spent in US dollars.
    Nothing is stored. Raises `BadRequest` for input that cannot be used and `JudgeUnable` when a judge cannot be had.
    """
    limit = usable.usable_limit(choices.get("spend_limit"))
    seed = usable.usable_seed(choices.get("seed", 1))
    told = options(choices)
    named = [(name.strip(), parse_judge(name, told)) for name in judges]
    texts = read_texts(Path(path), id_column=choices.get("id_column"), text_column=choices.get("text_column"))
    texts, _ = without_names(texts, choices.get("roster"))
    people = read_people(choices.get("human"), [text.essay_id for text in texts.texts])
    return compare(plan(texts, named, people=people, pairs=pairs, seed=seed, spend_limit=limit), tell)
