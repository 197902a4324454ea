"""What is said about judges that are models: what they did and cost, how far they agree with people, what was held back.

Sentences on scores are in `words`; every number comes from the result.
"""

from collections.abc import Iterator

from pairmark.domain.judged import CallsMade, Cost, HumanAgreement, JobsOut, JudgeSummary, Money, Proportion, Surface
from pairmark.domain.result import AssessmentResult, HeldText
from pairmark.report.figures import MISSING, count, decimal, money, percent, tokens, typeset, visible

SURFACE_LABEL = "counting words (control)"
FLIPS, FIRST = 0.15, 0.1
"""Turned answers, and distance of the first-seat share from one half, from which a judge is worth a look (MT-bench: .129)."""
KINDS = {
    "refused": "refused",
    "truncated": "cut off by length",
    "invalid": "not a valid verdict",
    "blocked": "blocked by a filter",
    "timed_out": "timed out",
    "unavailable": "not to be had",
    "failed": "failed",
}


def by_models(result: AssessmentResult) -> bool:
    """Whether a language model judged."""
    return any(judge.model for judge in result.judges)


def within(proportion: Proportion | None) -> str:
    """'83 % (79 to 87)'; a dash for None."""
    if proportion is None:
        return MISSING
    return f"{percent(proportion.value)} ({100 * proportion.low:.0f} to {100 * proportion.high:.0f})"


def turned(judge: JudgeSummary) -> str:
    """How often the two orders of a pair disagreed, and over how many pairs."""
    return MISSING if judge.flip_rate is None else f"{percent(judge.flip_rate)} of {judge.both_orders:,}"


def agrees(judge: JudgeSummary) -> str:
    """Agreement with the other judges, beside what was to be expected."""
    if judge.agreement is None:
        return MISSING
    expected = "" if judge.expected_agreement is None else f" ({100 * judge.expected_agreement:.0f} expected)"
    return f"{percent(judge.agreement)}{expected}"


def advantage(judge: JudgeSummary) -> str:
    """The order effect with its standard error, in logits."""
    if judge.order_effect is None or judge.order_effect_se is None:
        return MISSING
    return f"{typeset(judge.order_effect)} ± {typeset(judge.order_effect_se)}"


def failures(made: CallsMade | None) -> str:
    """'3 refused, 1 timed out'; 'none' where nothing failed, a dash where nothing was called."""
    if made is None:
        return MISSING
    told = [f"{number:,} {KINDS.get(kind, visible(kind))}" for kind, number in sorted(made.failures.items()) if number]
    told += [f"{made.lost:,} without a recorded end"] if made.lost else []
    return ", ".join(told) or "none"


def used(made: CallsMade | None) -> str:
    """Tokens in and out."""
    if made is None:
        return MISSING
    cached = f" ({tokens(made.cached_tokens)} cached)" if made.cached_tokens else ""
    return f"{tokens(made.input_tokens)}{cached} in, {tokens(made.output_tokens)} out"


def paid(made: CallsMade | None) -> str:
    """What the calls cost, as far as it is known."""
    if made is None:
        return MISSING
    if made.unpriced and not made.cost:
        return money(None)
    return f"{money(made.cost)}{' and more' if made.unpriced else ''}"


def canaries(made: CallsMade | None) -> str:
    """'4 of 4 passed', or why the judge is suspended."""
    if made is None or not made.canaries:
        return MISSING
    silent = made.canaries_unanswered
    passed = f"{made.canaries - made.canaries_failed - silent} of {made.canaries} passed"
    passed += f", {silent} without any verdict" if silent else ""
    return f"{passed}; suspended" if made.suspended else passed


def judge_line(judge: JudgeSummary) -> str:
    """Everything about one judge, for a terminal."""
    parts = [count(judge.comparisons, "decision")]
    parts += [f"{percent(judge.share)} of all"] if judge.share is not None else []
    parts += [f"agrees with the others in {agrees(judge)}"] if judge.agreement is not None else []
    parts.append(f"first text chosen {percent(judge.first_seat_share)}")
    parts += [f"turned with the order {turned(judge)} pairs"] if judge.flip_rate is not None else []
    parts += [f"median {judge.median_seconds:.1f} s"] if judge.median_seconds is not None else []
    made = judge.made
    if made is not None:
        parts += [f"{used(made)} tokens", f"cost {paid(made)}", f"failed: {failures(made)}"]
        parts += [f"canaries {canaries(made)}"] if made.canaries else []
    return ", ".join(parts).replace("\u00a0", " ")


def alarms(result: AssessmentResult) -> Iterator[str]:
    """What about the judges a reader should know before anything else."""
    for judge in result.judges:
        name = visible(judge.judge)
        if judge.made is not None and judge.made.suspended:
            yield f"The judge {name} was suspended: {visible(judge.made.suspended)}"
        if not judge.model:
            continue
        if judge.flip_rate is not None and judge.flip_rate >= FLIPS:
            yield (
                f"{name} named another winner in {percent(judge.flip_rate)} of the pairs it saw in both orders; the scores are "
                "freed of its preference for a side, not of its chance."
            )
        if abs(judge.first_seat_share - 0.5) >= FIRST:
            side = "first" if judge.first_seat_share > 0.5 else "second"
            share = max(judge.first_seat_share, 1 - judge.first_seat_share)
            yield f"{name} chose the text shown {side} in {percent(share)} of its decisions."


def people_sentences(humans: HumanAgreement) -> Iterator[str]:
    """How far models and people agree."""
    source = visible(humans.source)
    if humans.models is None:
        yield f"No pair was judged both by a model and by people ({source}), so nothing can be said about their agreement."
        return
    yield (
        f"A model and a person agree in {within(humans.models)} of {count(humans.models.pairs, 'pair')} that both judged "
        f"({count(humans.judgements, 'human judgement')} from {source}; 95 % interval in brackets)."
    )
    if humans.among_humans is not None:
        yield (
            f"Two people agree in {within(humans.among_humans)} of {count(humans.among_humans.pairs, 'pair')}: nobody can agree "
            "with people much better than people do with each other."
        )
    if humans.surface is not None:
        yield (
            f"The longer text would agree with people in {within(humans.surface)}: a model should be clearly above that."
        )


def surface_sentences(surface: Surface) -> Iterator[str]:
    """What counting words would say: the grey control."""
    for what, found in (("words", surface.words), ("distinct words", surface.distinct_words)):
        if found is not None:
            yield (
                f"Rank correlation of the scores with the number of {what}: {decimal(found.value)} "
                f"({decimal(found.low)} to {decimal(found.high)})."
            )
    if surface.longer_won is not None:
        yield f"The longer text won {within(surface.longer_won)} of {count(surface.longer_won.decisions, 'decision')}."


def money_so_far(spent: Money) -> str:
    """What a batch has cost so far: '$1.20 of at most $5.00 spent'."""
    told = f"{money(spent.spent)} spent"
    if spent.limit is not None:
        told = f"{money(spent.spent)} of at most {money(spent.limit)} spent"
    return f"{told}, perhaps {money(spent.perhaps)} more" if spent.perhaps else told


def with_the_provider(out: JobsOut) -> str:
    """What is waited for while jobs are with a provider."""
    return (
        f"{count(out.questions, 'comparison')} with the provider in {count(out.jobs, 'job')} since "
        f"{out.since.astimezone():%H:%M}, for at most a day. You may stop here: the same command goes on."
    )


def cost_sentence(cost: Cost) -> str:
    """What the whole batch has cost, and what is not known of it."""
    told = [f"{money_so_far(cost.money)} for {count(cost.calls, 'call')}"]
    told += [f"{count(cost.reused, 'verdict')} taken from earlier calls for nothing"] if cost.reused else []
    told += [f"the cost of {count(cost.unpriced, 'call')} is not known"] if cost.unpriced else []
    told += [f"{count(cost.lost, 'call')} without a recorded end, perhaps charged"] if cost.lost else []
    return "; ".join(told) + "."


def place(held: HeldText) -> str:
    """Where in the text it was found."""
    return "somewhere" if held.end is None else f"{held.start:,} to {held.end:,}"


def state(held: HeldText) -> str:
    """Whether somebody has looked, and whether the essay is in this ranking."""
    ranking = "ranked by people" if held.ranked else "not in this ranking"
    return f"cleared by {visible(held.cleared_by)}, {ranking}" if held.cleared_by else f"waits for a person, {ranking}"
