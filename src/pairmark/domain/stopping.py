"""When to wait, plan another wave, finalise, or give up: pure rules over what is known of a batch under its row lock."""

from dataclasses import dataclass

from pairmark.domain.statuses import StopReason

MOST_ESSAYS = 20_000
"""Texts of one batch."""
MINIMUM_ANSWERS = 12
"""Callbacks before stability or the success rate mean anything (the incident platform's figure)."""

ASKED_AT_ONCE = 64
"""Calls to language models under way at once."""
LONG_RUN = 20
"""Waves of a budget beside which one is little."""
SENT_EACH = 8
"""Comparisons sent for each essay, beside which a wave is little."""
WAVES_IN_JOBS = 3


@dataclass(frozen=True)
class Tally:
    """Counts of one batch: comparisons sent, answers that closed one, and those with a verdict.

    `overlap` is how many may still be open when the next wave is planned: those of the latest wave, or none.
    """

    budget: int
    sent: int
    answered: int
    counted: int
    overlap: int = 0

    @property
    def outstanding(self) -> int:
        """Comparisons sent and still open."""
        return self.sent - self.answered

    @property
    def failed(self) -> int:
        """Comparisons closed without a verdict."""
        return self.answered - self.counted


@dataclass(frozen=True)
class Scale:
    """What the fit after the latest wave said."""

    reliability: float | None
    largest_change: float | None
    connected: bool


@dataclass(frozen=True)
class Rules:
    """The design options that decide the end of a batch."""

    target_reliability: float | None
    stability_threshold: float
    success_rate: float
    completion_threshold: float


def is_due(tally: Tally, rules: Rules) -> bool:
    """Whether a recorded set calls for a decision: enough of the waves is answered, or the completion threshold is passed."""
    return tally.outstanding <= tally.overlap or threshold_passed(tally, rules)


def threshold_passed(tally: Tally, rules: Rules) -> bool:
    """The completion threshold: enough of the whole budget is answered that stragglers are not waited for."""
    return tally.sent >= tally.budget and tally.answered >= rules.completion_threshold * tally.budget


def below_success_rate(tally: Tally, rules: Rules) -> bool:
    """Too many comparisons came back without a verdict for the result to be trusted."""
    enough = tally.answered >= min(MINIMUM_ANSWERS, tally.budget)
    return enough and tally.counted < rules.success_rate * tally.answered


def stop_reason(tally: Tally, scale: Scale, rules: Rules) -> StopReason | None:
    """Why to end now, or None to plan another wave. Only a connected scale may end as stable."""
    early = _early_end(scale, rules, tally.counted)
    return early or (StopReason.BUDGET_SPENT if tally.sent >= tally.budget else None)


def may_end(known: int, still_open: int, scale: Scale, rules: Rules) -> bool:
    """Whether the answers still open may end the batch, as far as `known` verdicts tell: then they are waited for.

    More verdicts make scores more reliable as a longer test is (Spearman 1910; Brown 1910).
    """
    there = known + still_open
    return _early_end(scale, rules, there, growth=there / max(known, 1)) is not None


def _early_end(scale: Scale, rules: Rules, known: int, growth: float = 1.0) -> StopReason | None:
    """The reason to end within the budget, once there are `growth` times as many verdicts."""
    if not scale.connected or known < MINIMUM_ANSWERS:
        return None
    target, reliability = rules.target_reliability, scale.reliability
    if target is not None and reliability is not None:
        foreseen = growth * reliability / (1 + (growth - 1) * reliability)
        if foreseen >= target:
            return StopReason.RELIABILITY_REACHED
    if scale.largest_change is not None and scale.largest_change <= rules.stability_threshold:
        return StopReason.SCORES_STABLE
    return None


def wave_size(essays: int, tally: Tally) -> int:
    """Comparisons in the next wave: two appearances an essay, within the budget."""
    return min(max(essays, 1), tally.budget - tally.sent)


def wave_size_in_both_orders(essays: int, tally: Tally) -> int:
    """The same for models: half as many, since every wave learns from the last, but enough to keep them busy at once."""
    return min(max(essays // 2, min(ASKED_AT_ONCE, 2 * essays)), tally.budget - tally.sent)


def overlap(size: int, essays: int, tally: Tally, rules: Rules) -> int:
    """How many of a wave of `size` calls may be open when the next is planned: all or none.

    A wave that does not know the verdicts of the last settles a little less, by most of a wave in all (`docs/decisions`, 36).
    That is little beside a long run; where a short one ends by reliability, the fewest calls come first.
    """
    sent = tally.sent + size
    long = sent >= SENT_EACH * essays or (rules.target_reliability is None and tally.budget >= LONG_RUN * size)
    return size if long and sent < tally.budget else 0


def wave_size_in_jobs(essays: int, tally: Tally) -> int:
    """The same where each wave may take a day: a third of the budget, so there are about three of them."""
    return max(
        min(-(-tally.budget // WAVES_IN_JOBS), tally.budget - tally.sent), wave_size_in_both_orders(essays, tally)
    )


def largest_budget(essays: int, pair_limit: int) -> int:
    """Comparisons that can be asked at all: every unordered pair `pair_limit` times."""
    return essays * (essays - 1) // 2 * pair_limit
