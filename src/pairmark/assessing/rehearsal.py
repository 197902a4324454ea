"""What `assess` would ask and cost: the exact first prompts, calls, tokens and money; nobody is asked and nothing stored."""

from collections.abc import Sequence
from pathlib import Path

from pairmark.assessing.choices import Choices
from pairmark.assessing.road import Prepared, prepare
from pairmark.domain.rehearsed import Rehearsal, RehearsedJudge, ShownPrompt
from pairmark.judges.llm.canaries import canaries
from pairmark.judges.llm.judge import ANSWER_TOKENS, LanguageModelJudge
from pairmark.judges.llm.prices import BATCH_SHARE, Tokens, expected_tokens
from pairmark.judges.panel import Panel
from pairmark.judges.question import Judge, Question
from pairmark.services.assessment.rehearsal import first_wave

SHOWN = 2
"""Prompts that are shown: both orders of the first pair."""
SAMPLE = 500
"""Questions whose prompts are measured; the rest is taken to be like them."""


def rehearse(path: str | Path, judge: str | Sequence[str], choices: Choices) -> Rehearsal:
    """Tell what the same call of `assess` would ask. It needs no key, touches no database and asks nobody.

    Raises `BadRequest` for whatever `assess` would refuse, a missing key apart.
    """
    prepared = prepare(Path(path), judge, choices, access=False)
    comparisons, questions, held = _questions(prepared)
    members = _members(prepared)
    asked = [
        [question for question in questions if _member_of(prepared, question) is member] for member, _, _ in members
    ]
    judges = [
        _judge(member, label, share, comparisons, mine or questions, batch=choices.get("batch", False))
        for (member, label, share), mine in zip(members, asked, strict=True)
    ]
    models = [one for one in judges if one.model]
    return Rehearsal(
        name=prepared.design.name,
        essays=len(prepared.texts.texts),
        comparisons=comparisons,
        judges=judges,
        prompts=[shown for question in questions[:SHOWN] if (shown := _shown(prepared, question)) is not None],
        cost=_sum([one.cost for one in models]),
        worst_cost=_sum([one.worst_cost for one in models]),
        spend_limit=prepared.design.spend_limit,
        redacted=prepared.redacted,
        held=held,
    )


def _questions(prepared: Prepared) -> tuple[int, list[Question], list[str]]:
    """How many comparisons there are at most, the first of them as questions, and essays that would be held for review."""
    texts = sorted(prepared.texts.texts, key=lambda text: text.essay_id)
    wave = first_wave(prepared.design, [text.text for text in texts])
    questions = [
        Question("", texts[a].essay_id, texts[b].essay_id, texts[a].text, texts[b].text, repeat=repeat, attempt=1)
        for a, b, repeat in wave.pairs[:SAMPLE]
    ]
    return wave.comparisons, questions, [texts[ordinal].essay_id for ordinal in wave.held]


def _members(prepared: Prepared) -> list[tuple[Judge, str, float]]:
    """The judges, how each is called, and its share."""
    spec, judge = prepared.panel.spec, prepared.panel.judge
    if not isinstance(judge, Panel):
        return [(judge, spec.label, 1.0)]
    return [(member, of.label, share) for member, (of, share) in zip(judge.members, spec.members, strict=True)]


def _member_of(prepared: Prepared, question: Question) -> Judge:
    judge = prepared.panel.judge
    return judge.member_for(question) if isinstance(judge, Panel) else judge


def _judge(
    judge: Judge, label: str, share: float, comparisons: int, questions: Sequence[Question], *, batch: bool
) -> RehearsedJudge:
    """Tokens and money of one judge, from the mean size of its prompts, canaries included."""
    if not isinstance(judge, LanguageModelJudge):
        return RehearsedJudge(label, share, False, 0, 0, 0, 0.0, 0.0)
    calls, first = round(share * comparisons), [canary.question for canary in canaries()] if questions else []
    sizes = [judge.prompt(question).size for question in questions]
    of_price = BATCH_SHARE if batch else 1.0
    each = [(calls, round(sum(sizes) / len(sizes)), of_price)] if sizes else []
    each += [(1, judge.prompt(question).size, 1.0) for question in first]  # canaries are asked at once, in no job
    costs = [
        (number, judge.prices.cost(Tokens(input=expected_tokens(size), output=ANSWER_TOKENS), share=paid))
        for number, size, paid in each
    ]
    worst = [(number, judge.prices.worst_cost(size, share=paid)) for number, size, paid in each]
    return RehearsedJudge(
        judge=label,
        share=share,
        model=True,
        calls=calls if questions else 0,
        input_tokens=sum(number * expected_tokens(size) for number, size, _ in each),
        output_tokens=sum(number for number, *_ in each) * ANSWER_TOKENS,
        cost=_sum([None if cost is None else number * cost for number, cost in costs]),
        worst_cost=_sum([None if cost is None else number * cost for number, cost in worst]),
        price=judge.prices.row,
        context_window=judge.prices.context_window,
        canaries=len(first),
    )


def _shown(prepared: Prepared, question: Question) -> ShownPrompt | None:
    judge = _member_of(prepared, question)
    if not isinstance(judge, LanguageModelJudge):
        return None
    prompt = judge.prompt(question)
    tokens = expected_tokens(prompt.size)
    return ShownPrompt(
        judge.name,
        question.first_id,
        question.second_id,
        prompt.system,
        prompt.first + prompt.second,
        prompt.hash,
        tokens,
    )


def _sum(costs: Sequence[float | None]) -> float | None:
    """The sum; None as soon as one is not known."""
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None
