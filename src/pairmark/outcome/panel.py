"""Who judged a batch: what each judge did and cost, models beside people, and counting words as the control.

Numbers are computed in `scoring.panel`; here they are fetched from the services and put together.
"""

from dataclasses import dataclass, replace

from pairmark.bootstrap import System
from pairmark.domain.judged import HumanAgreement, JudgeSummary, Surface
from pairmark.judges.words import count_distinct_words, count_words
from pairmark.scoring.people import People, over
from pairmark.services.assessment.batches import Batch
from pairmark.services.assessment.queries import Decided, StoredResult
from pairmark.stats.comparisons import Comparisons, comparisons

OWN = "this batch"
"""Where judgements of people come from, if they are among the judges."""
PORTION = 50
"""Texts in memory at once; one may be a million characters."""


@dataclass(frozen=True)
class Panel:
    """The judges of a batch; `humans` and `surface` only where a model judged."""

    judges: list[JudgeSummary]
    humans: HumanAgreement | None = None
    surface: Surface | None = None


def panel_of(system: System, stored: StoredResult, people: People | None = None) -> Panel:
    """The judges of a batch, with what their calls came to; batches without models are told as they always were."""
    batch = stored.batch
    judges = [JudgeSummary(*row[:2], _share(row[2]), row[3], _seconds(row[4]), model=row[5], human=row[6])
              for row in stored.judges]  # fmt: skip
    made = system.judging.made(str(batch.id))
    judges = [replace(judge, made=made.get(judge.judge)) for judge in judges]
    silent = [JudgeSummary(name, 0, 0.5, 0, None, model=True, made=calls) for name, calls in made.items()]
    judges += [judge for judge in silent if judge.judge not in {one.judge for one in judges}]
    if not any(judge.model for judge in judges) or not stored.scores:
        return Panel(judges)
    return _beside_people(system, stored, judges, people)


def _beside_people(system: System, stored: StoredResult, judges: list[JudgeSummary], people: People | None) -> Panel:
    from pairmark.scoring import panel  # noqa: PLC0415 - only with models

    theta = {row[0]: row[2] for row in stored.scores}
    decided = system.assessment.decisions(stored.batch.id)
    data = _comparisons(decided, theta)
    if data is None:
        return Panel(judges)
    words, distinct = _counted(system, stored.batch)
    models = {judge.judge for judge in judges if judge.model}
    own = _own_people(data, {judge.judge for judge in judges if judge.human})
    others = own if people is None else over(people, data.items)
    humans = None if others is None else panel.human_agreement(data, models, others, words)
    return Panel(panel.described(judges, data), humans, panel.surface(data, theta, words, distinct))


def _comparisons(decided: Decided, ranked: dict[str, float]) -> Comparisons | None:
    """Decisions about essays that have a score; None without any."""
    keep = [
        k for k, (a, b) in enumerate(zip(decided.first, decided.second, strict=True))
        if decided.essay_ids[a] in ranked and decided.essay_ids[b] in ranked
    ]  # fmt: skip
    if not keep:
        return None
    ids = decided.essay_ids
    rows = [(ids[decided.first[k]], ids[decided.second[k]], decided.outcome[k]) for k in keep]
    return comparisons(rows, items=sorted(ranked), judges=[decided.judge[k] for k in keep])


def _own_people(data: Comparisons, humans: set[str]) -> People | None:
    """The human judges of the batch itself."""
    from pairmark.scoring.panel import by_judges  # noqa: PLC0415

    theirs = by_judges(data, humans)
    return People(OWN, data.only(theirs)) if theirs.any() else None


def _counted(system: System, batch: Batch) -> tuple[dict[str, int], dict[str, int]]:
    """Words and distinct words of the essays whose texts are kept here."""
    texts = system.assessment.texts(batch.id)
    words, distinct = {}, {}
    for begin in range(0, len(texts), PORTION):
        portion = texts[begin : begin + PORTION]
        bodies = system.texts.fetch(key for _, key in portion)
        for essay, key in portion:
            if key in bodies:
                words[essay], distinct[essay] = count_words(bodies[key]), count_distinct_words(bodies[key])
    return words, distinct


def _share(share: float | None) -> float:
    """Share of first seats among decisions; one half where there were only ties."""
    return 0.5 if share is None else float(share)


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
