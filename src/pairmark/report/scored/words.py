"""What the numbers of a scored session mean, in sentences for teachers.

Every number comes from the result; the only judgement made here is which sentence fits it. How each is derived is in
`derivations`, what is said about judges, misfit and convergence in `quality`.
"""

from pairmark.domain.scored import Grades, Link, ScoreResult
from pairmark.report.figures import apart, count, decimal, visible
from pairmark.report.scored.derivations import derivations
from pairmark.report.words import BASELINE_LABEL, GOOD, USABLE, Fitness, length_sentences

__all__ = ["BASELINE_LABEL", "derivations", "length_sentences"]


def headline(result: ScoreResult) -> str:
    """What was scored, from how many judgements, by how many judges."""
    essays, judgements = count(len(result.essays), "essay"), count(result.comparisons, "judgement")
    by = f" by {count(len(result.judges), 'judge')}" if result.judges else ""
    return f"{essays} scored from {judgements}{by} ({visible(str(result.source['form']))} form)."


def fitness(result: ScoreResult) -> Fitness:
    """Whether the ranking may be relied on, by the published bars for reliability."""
    if result.baseline:
        return Fitness("none", "Not fit for any decision: this baseline counts words and reads nothing.")
    value = result.reliability.get("value")
    if value is None:
        kind = "published figures reproduced" if result.method == "sirt" else "scores by plain maximum likelihood"
        return Fitness("none", f"These are {kind}; judge their reliability by a score of our own.")
    shown, asked = apart(value, GOOD if value >= USABLE else USABLE)
    if value >= GOOD:
        return Fitness("good", f"Fit for ranking: reliability {shown} reaches the {asked} that is usually asked for.")
    if value >= USABLE:
        return Fitness("fair", f"Fit only where little depends on it: reliability {shown} is below {asked}.")
    return Fitness("weak", f"Not yet fit for decisions: reliability {shown} is below {asked}.")


def reliability_sentence(result: ScoreResult) -> str:
    """What the reliability tells a teacher."""
    value = result.reliability.get("value")
    if value is None:
        if result.method == "sirt":
            return "The sirt-compatible mode has no reliability of our own kind; the SSR below is the published one."
        return "Plain maximum likelihood has no reliability of our own kind; leave out --method for it."
    return (
        f"About {100 * value:.0f} % of the differences between these scores reflect how the judges see the essays; the rest "
        "is chance."
    )


def target_sentence(result: ScoreResult) -> str:
    """Whether the target was reached; empty without a target."""
    target, value = result.reliability.get("target"), result.reliability.get("value")
    if target is None or value is None:
        return ""
    shown, asked = apart(value, target)
    return f"{shown} reaches the target of {asked}." if value >= target else f"{shown} misses the target of {asked}."


def ssr_sentence(result: ScoreResult) -> str:
    """Both SSR figures with their names."""
    return (
        f"Other programs print SSR {decimal(result.ssr)} (1 - 1/G², as sirt and No More Marking) or "
        f"{decimal(result.ssr_observed)} (G²/(1 + G²))."
    )


def order_sentence(result: ScoreResult) -> str:
    """What the order effect says; empty when none was estimated."""
    if result.order_effect is None or result.order_effect_se is None:
        return ""
    side = "first" if result.order_effect > 0 else "second"
    clear = abs(result.order_effect) > 1.96 * result.order_effect_se
    told = f"The text shown {side} has an advantage of {decimal(abs(result.order_effect))} logits"
    return f"{told}, which is {'more' if clear else 'no more'} than chance leaves; the scores are freed of it."


def grades_sentence(grades: Grades) -> str:
    """How sure the grades are, and how many essays to look at again."""
    essays = sum(share.essays for share in grades.distribution)
    if not essays:
        return "All essays are anchors, so nothing was graded."
    sure = f"; about {100 * grades.expected_accuracy:.0f} % of the grades are right" if grades.expected_accuracy else ""
    return (
        f"{count(essays, 'essay')} graded on {visible(grades.scale)} from {count(len(grades.anchors), 'anchor')}{sure}. "
        f"{grades.review:,} of them lie so close to a boundary that they should be looked at again."
    )


def link_sentence(link: Link) -> str:
    """How the scale was moved."""
    moved = f" These moved by more than error allows: {visible(', '.join(link.moved))}." if link.moved else ""
    return (
        f"Scores are on the scale of {visible(link.earlier)}: {count(link.common, 'common essay')} say that the mean of this batch "
        f"lies {decimal(abs(link.shift))} logits {'above' if link.shift >= 0 else 'below'} zero there (standard error "
        f"{decimal(link.standard_error)}).{moved}"
    )
