"""What a result means, in sentences for teachers and examiners; the terminal and the page say the same.

Every number comes from the result; the only judgement made here is which sentence fits it.
"""

from dataclasses import dataclass
from typing import Any, Literal

from pairmark.domain.length import LengthDependence
from pairmark.domain.result import AssessmentResult
from pairmark.domain.statuses import Status, StopReason
from pairmark.report.figures import apart, count, decimal, percent, visible

BASELINE_LABEL = "surface baseline: counts words, never grades"
GOOD, USABLE = 0.8, 0.7
"""Reliability asked for by Kinnear, Jones & Davies (2025), and the older usual bar (Verhavert et al. 2019)."""
NAMED_JUDGES = 3
HARDLY, SOME, MUCH = 0.2, 0.5, 0.8
"""Sizes of a rank correlation with length, in words."""

Level = Literal["good", "fair", "weak", "none"]

STOP_WORDS: dict[str, str] = {
    StopReason.RELIABILITY_REACHED: "the target reliability was reached",
    StopReason.SCORES_STABLE: "the scores no longer moved from one wave to the next",
    StopReason.BUDGET_SPENT: "the budget of comparisons was spent",
    StopReason.NOTHING_LEFT_TO_ASK: "there was nothing left to ask",
    StopReason.FORCED_RECOVERY: "the time limit passed, so the answers received until then were scored",
    StopReason.INSUFFICIENT_ESSAYS: "there were fewer than two texts to compare",
    StopReason.INVALID_REQUEST: "the request made no sense",
    StopReason.CREDITS_REFUSED: "the account had too few credits",
    StopReason.TEXTS_UNUSABLE: "texts could not be used",
    StopReason.SUCCESS_RATE_BELOW_LIMIT: "too many comparisons came back without a usable answer",
    StopReason.DEADLINE_PASSED: "the time limit passed before enough was judged",
    StopReason.SCORING_FAILED: "the scores could not be computed",
    StopReason.CANCELLED: "somebody cancelled it",
}

STATUS_WORDS: dict[str, str] = {
    Status.PENDING: "Waiting for credits",
    Status.FETCHING_CONTENT: "Reading the texts",
    Status.PERFORMING_COMPARISONS: "Being judged",
    Status.SCORING: "Being scored",
    Status.COMPLETE_STABLE: "Finished",
    Status.COMPLETE_MAX_COMPARISONS: "Finished",
    Status.COMPLETE_FORCED_RECOVERY: "Finished late",
    Status.COMPLETE_INSUFFICIENT_ESSAYS: "Finished without comparing",
    Status.ERROR_PROCESSING: "Failed",
    Status.ERROR_ESSAY_PROCESSING: "Failed",
    Status.CANCELLED: "Cancelled",
}


@dataclass(frozen=True)
class Fitness:
    """Whether the ranking is fit for use; `level` chooses a colour, `sentence` says it."""

    level: Level
    sentence: str


def headline(result: AssessmentResult) -> str:
    """What was ranked, from how many comparisons, by whom."""
    if running(result):
        standing = result.services.get("assessment", {})
        answered, budget = standing.get("answered", 0), standing.get("budget", 0)
        return f"Wave {result.waves}: {answered:,} of at most {count(budget, 'comparison')} answered."
    if not result.essays:
        return "No essay was ranked."
    if len(result.essays) == 1:
        return "One essay, so there was nothing to compare it with."
    essays, comparisons = count(len(result.essays), "essay"), count(result.comparisons, "comparison")
    return f"{essays} ranked from {comparisons} by {judges_phrase(result)}."


def running(result: AssessmentResult) -> bool:
    """Whether the batch has not ended yet."""
    return any(result.status == status and not status.is_terminal for status in Status)


def judges_phrase(result: AssessmentResult) -> str:
    """Up to three judges by name, with what each judged; more of them as a number."""
    judges = result.judges
    if len(judges) == 1:
        return f"one judge, {visible(judges[0].judge)}"
    if 1 < len(judges) <= NAMED_JUDGES:
        return ", ".join(f"{visible(judge.judge)} ({judge.comparisons:,})" for judge in judges)
    return count(len(judges), "judge")


def ending(result: AssessmentResult) -> str:
    """Status and reason of the end in words."""
    state = STATUS_WORDS.get(result.status, visible(result.status))
    reason = STOP_WORDS.get(result.stop_reason, visible(result.stop_reason).replace("_", " "))
    return f"{state}: {reason}." if reason else f"{state}."


def again(result: AssessmentResult) -> str:
    """What to do after a failure or a cancellation; empty after anything else."""
    if result.status not in {Status.ERROR_PROCESSING, Status.ERROR_ESSAY_PROCESSING, Status.CANCELLED}:
        return ""
    return (
        "Nothing was charged. Run the same command again to take it up once more; answers already given are used again."
    )


def fitness(result: AssessmentResult) -> Fitness:
    """Whether the ranking may be relied on, by the published bars for reliability."""
    value = result.reliability.get("value")
    if not result.essays:
        return Fitness("none", f"There is no ranking {'yet' if running(result) else 'to use'}.")
    if result.baseline:
        return Fitness("none", "Not fit for any decision: this baseline counts words and reads nothing.")
    if len(result.essays) == 1 or value is None:
        return Fitness("none", "Too little was compared to say how far the order can be trusted.")
    doubt = models_doubt(result) if value >= USABLE else None
    return _by_reliability(value) if doubt is None else doubt


def _by_reliability(value: float) -> Fitness:
    shown, asked = apart(value, GOOD if value >= USABLE else USABLE)
    if value >= GOOD:
        return Fitness("good", f"Fit for ranking: reliability {shown} reaches the {asked} that is usually asked for.")
    if value >= USABLE:
        return Fitness("fair", f"Fit only where little depends on it: reliability {shown} is below {asked}.")
    return Fitness("weak", f"Not yet fit for decisions: reliability {shown} is below {asked}.")


def models_doubt(result: AssessmentResult) -> Fitness | None:
    """Why a reliable scale of language models is not fit by that alone; None where people agree with it, or judged themselves.

    Models that agree with themselves may see something else than people do: only judgements of people can tell.
    """
    decided = sum(judge.comparisons for judge in result.judges)
    if 2 * sum(judge.comparisons for judge in result.judges if judge.model) <= decided:
        return None
    value = decimal(result.reliability.get("value"))
    agreed = result.humans.models if result.humans is not None else None
    if agreed is None:
        return Fitness(
            "fair",
            f"Reliable ({value}), but nobody has held it against people: that models agree with themselves does not say that they "
            "see what people see. Give judgements of people with --human.",
        )
    control = result.humans.surface if result.humans is not None else None
    if agreed.low <= 0.5 or (control is not None and agreed.value <= control.value):
        least = (
            "coin tosses" if agreed.low <= 0.5 else f"counting words ({percent(control.value if control else None)})"
        )
        return Fitness(
            "weak",
            f"Not fit for decisions: reliable ({value}), but models and people agree in only {percent(agreed.value)} of "
            f"{count(agreed.pairs, 'pair')}, which is not clearly more than {least}.",
        )
    return None


def reliability_sentence(result: AssessmentResult) -> str:
    """What the reliability tells a teacher."""
    value = result.reliability.get("value")
    if value is None:
        return "Reliability needs at least two essays that were compared; there is none to report."
    if result.baseline:
        return "This says only how steadily words were counted; it says nothing about how good the essays are."
    return (
        f"About {100 * value:.0f} % of the differences between these scores reflect how the judges see the essays; "
        "the rest is chance. Another round of judging by judges like these would give nearly the same order when "
        "this figure is close to 1, and an arbitrary one when it is close to 0."
    )


def target_sentence(result: AssessmentResult) -> str:
    """Whether the target was reached; empty without a target."""
    target, value = result.reliability.get("target"), result.reliability.get("value")
    if target is None:
        return ""
    if value is None:
        return f"The target was {decimal(target)}."
    shown, asked = apart(value, target)
    return f"{shown} reaches the target of {asked}." if value >= target else f"{shown} misses the target of {asked}."


def agreement_sentence(result: AssessmentResult) -> str:
    """How well the order agrees with the score column that came with the texts; empty without one."""
    if result.agreement is None:
        return ""
    direction = "smaller" if result.agreement.smaller_is_better else "larger"
    return (
        f"Spearman {decimal(result.agreement.spearman)} with the column {visible(result.agreement.column)} "
        f"({direction} is better there); 1 is the same order, 0 no agreement, -1 the reverse."
    )


def length_sentences(length: LengthDependence) -> list[str]:
    """What the dependence on length says."""
    size = abs(length.rank_correlation)
    strength = (
        "hardly" if size < HARDLY else "a little" if size < SOME else "clearly" if size < MUCH else "very strongly"
    )
    turn = "" if length.rank_correlation >= 0 else ", shorter ones being scored higher"
    told = [
        f"Scores go {strength} with length{turn}: rank correlation {decimal(length.rank_correlation)} (95 % interval "
        f"{decimal(length.low)} to {decimal(length.high)}, {count(length.essays, 'essay')})."
    ]
    if length.longer_won is not None:
        told.append(f"The longer text won {100 * length.longer_won:.0f} % of {count(length.decisions, 'decision')}.")
    if length.matched_accuracy is not None and length.overall_accuracy is not None:
        told.append(
            f"Between texts of nearly equal length the one with the higher score won {100 * length.matched_accuracy:.0f} % "
            f"of {count(length.matched_pairs, 'decision')}, against {100 * length.overall_accuracy:.0f} % of all: what is "
            "left there is not length."
        )
    if length.partial_correlation is not None:
        told.append(
            f"With length held constant, the scores agree with those that came with the texts by "
            f"{decimal(length.partial_correlation)} (1 is the same order)."
        )
    return told


def self_check_line(self_check: dict[str, Any]) -> str | None:
    """The verdict of the self-check in its fixed form, or None when it did not run."""
    keys = ("duplicates", "lost", "charged_twice")
    if any(self_check.get(key) is None for key in keys):
        return None
    duplicates, lost, charged_twice = (self_check[key] for key in keys)
    return f"{duplicates} duplicates, {lost} lost, {charged_twice} charged twice"


def self_check_absence(self_check: dict[str, Any]) -> str:
    """Why there is no verdict of the self-check."""
    if self_check.get("state") == "under way":
        return "Events are still under way; the self-check runs when every service has heard of the end."
    return "The self-check was not run."


def self_check_passed(self_check: dict[str, Any]) -> bool:
    """Whether the self-check ran and found nothing."""
    return self_check_line(self_check) == "0 duplicates, 0 lost, 0 charged twice" and not self_check.get("findings")
