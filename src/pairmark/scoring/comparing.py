"""The road of `pairmark judge compare`: draw pairs, ask every judge in both orders, and hold the answers side by side.

Nothing is stored; every call is handed back, so that it can be told. How questions are put is in `asking`, what the answers
say in `side_by_side`.
"""

import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import pairmark
from pairmark.domain.compared import JudgeComparison
from pairmark.errors import BadRequest
from pairmark.judges.question import Judge, Question
from pairmark.judges.spec import JudgeSpec, build_judge
from pairmark.reading.texts import TextCollection
from pairmark.scoring.asking import Asked, ask, row_of
from pairmark.scoring.people import People
from pairmark.scoring.side_by_side import side_by_side
from pairmark.scoring.spending import Allowance, check_prices
from pairmark.scoring.trusting import canaries_of
from pairmark.stats.shares import pair_codes

MOST_PAIRS = 10_000
MOST_JUDGES = 10


@dataclass(frozen=True)
class Plan:
    """What is to be compared: judges as they are called, texts by id in the order of their ids, and pairs of their places."""

    names: Sequence[str]
    specs: Sequence[JudgeSpec]
    judges: Sequence[Judge]
    texts: dict[str, str]
    pairs: Sequence[tuple[int, int]]
    seed: int
    spend_limit: float | None
    people: People | None
    digest: str

    @property
    def questions(self) -> list[Question]:
        """Every pair in both orders; the second order counts as the second asking of the pair, as in an assessment."""
        ids, texts = list(self.texts), list(self.texts.values())
        return [
            Question(f"{number}{'ab'[turn]}", ids[a], ids[b], texts[a], texts[b], repeat=turn, attempt=1)
            for number, pair in enumerate(self.pairs, start=1)
            for turn, (a, b) in enumerate((pair, pair[::-1]))
        ]


@dataclass(frozen=True)
class Compared:
    """The comparison, and every call behind it."""

    result: JudgeComparison
    calls: list[Asked]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Every question that was put, with its answer and what its call was, as plain rows."""
        names = [judge.judge for judge in self.result.judges]
        for one in self.calls:
            yield {"judge": names[one.judge]} | row_of(one)


def plan(
    texts: TextCollection,
    named: Sequence[tuple[str, JudgeSpec]],
    *,
    people: People | None = None,
    pairs: int = 50,
    seed: int = 1,
    spend_limit: float | None = None,
) -> Plan:
    """Draw the pairs and check all that can be checked before anything is asked."""
    bodies = {text.essay_id: text.text for text in sorted(texts.texts, key=lambda text: text.essay_id)}
    if len(bodies) < 2:
        raise BadRequest("There is only one text, so there is no pair to judge.", remedy="Give two texts or more.")
    if not 1 <= pairs <= MOST_PAIRS:
        raise BadRequest(
            f"{pairs} pairs cannot be compared.", remedy=f"Give --pairs a number from 1 to {MOST_PAIRS:,}."
        )
    _check_names(named)
    names, specs = [name for name, _ in named], [spec for _, spec in named]
    judges = [build_judge(spec) for spec in specs]
    for judge in judges:
        _check(judge, bodies)
    check_prices(judges, spend_limit)
    return Plan(
        names, specs, judges, bodies, _drawn(len(bodies), people, pairs, seed), seed, spend_limit, people, texts.digest
    )


def compare(planned: Plan, tell: Callable[[int, int, float], None] = lambda done, total, spent: None) -> Compared:
    """Ask, count, and put together; `tell` hears how many of how many questions were answered, and what was spent."""
    allowance, questions = Allowance(planned.spend_limit), planned.questions
    try:
        canaries, first = canaries_of(planned.judges, allowance)
        answers = ask(planned.judges, questions, allowance, lambda done, total: tell(done, total, allowance.spent))
    finally:
        for judge in planned.judges:
            getattr(judge, "close", lambda: None)()
    provenance = {
        "pairmark": pairmark.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "input_digest": planned.digest,
        "judges": {name: spec.digest for name, spec in zip(planned.names, planned.specs, strict=True)},
    }
    found = side_by_side(planned.names, planned.texts, planned.pairs, answers, first, planned.people)
    result = JudgeComparison(
        texts=len(planned.texts),
        pairs=len(planned.pairs),
        seed=planned.seed,
        judges=[replace(judge, canaries=told) for judge, told in zip(found.judges, [*canaries, []], strict=False)],
        between=found.between,
        among_humans=found.among_humans,
        human_source=planned.people.source if planned.people else "",
        human_judgements=len(planned.people.judged) if planned.people else 0,
        spent=allowance.spent,
        unpriced=allowance.unpriced,
        spend_limit=allowance.limit,
        stopped=_stopped(allowance, len(answers.asked), len(questions) * len(planned.judges)),
        warnings=[*found.warnings, *_same_votes(planned)],
        provenance=provenance,
    )
    return Compared(result, [*first, *answers.asked])


def _check_names(named: Sequence[tuple[str, JudgeSpec]]) -> None:
    if not 1 <= len(named) <= MOST_JUDGES:
        raise BadRequest(f"{len(named)} judges cannot be compared.", remedy=f"Give --judge 1 to {MOST_JUDGES} times.")
    digests = [spec.digest for _, spec in named]
    twice = next((name for name, spec in named if digests.count(spec.digest) > 1), None)
    if twice is not None:
        raise BadRequest(f"The judge {twice} is named twice.", remedy="Name each judge once.")


def _check(judge: Judge, bodies: dict[str, str]) -> None:
    judge.check(list(bodies))
    getattr(judge, "check_access", lambda: None)()
    getattr(judge, "check_texts", lambda _: None)(bodies)


def _drawn(n: int, people: People | None, pairs: int, seed: int) -> list[tuple[int, int]]:
    """Pairs drawn by seed: those that people judged, or such that all texts come up about equally often."""
    if people is not None:
        codes = np.unique(pair_codes(people.judged))
        chosen = np.random.default_rng(seed).permutation(codes)[:pairs]
        return [(int(code // n), int(code % n)) for code in chosen]
    from pairmark.stats.pairing import plan_wave  # noqa: PLC0415 - only without people

    nothing = np.zeros(0, dtype=np.int64)
    most = min(pairs, n * (n - 1) // 2)
    return [(int(a), int(b)) for a, b in plan_wave(n, nothing, nothing, size=most, theta=None, seed=seed, pair_limit=1)]


def _same_votes(planned: Plan) -> list[str]:
    """A judge that answers with the votes it is held against agrees with itself."""
    return [
        f"The answers of {name} are among the judgements of people it is held against."
        for name, spec in zip(planned.names, planned.specs, strict=True)
        if planned.people is not None and spec.options.get("sha256") == planned.people.digest
    ]


def _stopped(allowance: Allowance, answered: int, questions: int) -> str:
    if not allowance.reached or allowance.limit is None:
        return ""
    return (
        f"The spend limit of {allowance.limit:g} US dollars was reached after {answered:,} of {questions:,} questions; "
        "what was answered until then is compared."
    )
