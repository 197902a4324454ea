"""What the numbers of a scored session mean, in sentences for teachers, and how each is derived.

Every number comes from the result; the only judgement made here is which sentence fits it.
"""

from dataclasses import dataclass

from pairmark.domain.scored import Grades, Link, ScoreResult
from pairmark.report.figures import apart, count, decimal, visible
from pairmark.report.words import BASELINE_LABEL, GOOD, USABLE, Fitness, length_sentences

__all__ = ["BASELINE_LABEL", "DERIVATIONS", "Derivation", "length_sentences"]


@dataclass(frozen=True)
class Derivation:
    """How a number comes about; `page` is the heading in docs/explanation/statistics.md or anchors.md that says more."""

    title: str
    text: str
    page: str


DERIVATIONS: dict[str, Derivation] = {
    "score": Derivation(
        "Score and standard error",
        "Bradley and Terry (1952): text i beats text j with probability 1 / (1 + exp(θj - θi)). The scores θ are the most "
        "probable ones under a normal prior whose spread is estimated from the judgements; their mean is 0. Standard errors "
        "come from the full covariance matrix, and an interval is the score ± 1.96 of them.",
        "statistics.md, Model and Errors",
    ),
    "reliability": Derivation(
        "Reliability",
        "One minus the mean posterior variance over the variance of the prior: the share of the differences between "
        "essays that the judgements have settled. It does not rise when close pairs are chosen on purpose.",
        "statistics.md, Reliability",
    ),
    "ssr": Derivation(
        "Two figures called SSR",
        "With G the standard deviation of the scores over the root mean square of their errors, 1 - 1/G² is what sirt and "
        "No More Marking print, and G²/(1 + G²) is what other studies call SSR. The second never falls below one half, even "
        "on coin tosses.",
        "statistics.md, Reliability",
    ),
    "comparisons": Derivation(
        "Comparisons per essay",
        "How often an essay appeared; each judgement counts for both of its texts. About 20 are generally enough "
        "(Kinnear, Jones & Davies 2025).",
        "statistics.md, How many comparisons",
    ),
    "boundary": Derivation(
        "Grade boundaries",
        "Each anchor says that its quality, with the noise of grading, lies between the two boundaries of its grade. All "
        "places of the boundaries that fit are weighed together with the errors of the scores; given are the median and the "
        "middle 95 %. Bands of one scale are taken to be alike in width, which carries boundaries over grades without anchors.",
        "anchors.md, Boundaries",
    ),
    "grade": Derivation(
        "Grade probabilities",
        "The probability that an essay lies between two boundaries, over all that is uncertain about its score and about the "
        "boundaries. Of essays with a probability of 70 %, about 70 of 100 have that grade.",
        "anchors.md, Probabilities",
    ),
    "review": Derivation(
        "Marked for review",
        "An essay is marked when its 95 % interval contains a boundary, so that another round of judging could change its grade.",
        "anchors.md, Review",
    ),
    "displacement": Derivation(
        "Displacement of anchors",
        "Each anchor is taken out, the boundaries are placed by the others, and its own score is held against them. p is the "
        "chance of a grade this extreme for such a score; anchors are flagged below .01 after correction for their number "
        "(Holm 1979).",
        "anchors.md, Displacement",
    ),
    "judges": Derivation(
        "Agreement of a judge",
        "The share of a judge's decisions in which the text with the higher score won. It depends on how close the pairs "
        "were, so judges who met close pairs agree less.",
        "statistics.md, Judges",
    ),
    "length": Derivation(
        "Dependence on length",
        "Spearman's rank correlation of score and number of words, with the interval of Bonett and Wright (2000). Texts "
        "within 10 % of each other in length count as matched.",
        "statistics.md, Length",
    ),
    "link": Derivation(
        "Linking to an earlier scale",
        "Both scales are in logits; the shift that brings the common essays together best, errors and drift weighed, is "
        "added to all scores of this batch.",
        "anchors.md, Linking",
    ),
}


def derivations(result: ScoreResult) -> dict[str, Derivation]:
    """The derivations of what stands in this result, in a fixed order."""
    absent = {
        *(() if result.grades else ("boundary", "grade", "review", "displacement")),
        *(() if result.judges else ("judges",)),
        *(() if result.length else ("length",)),
        *(() if result.link else ("link",)),
    }
    return {key: derivation for key, derivation in DERIVATIONS.items() if key not in absent}


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
        f"Scores are on the scale of {visible(link.earlier)}: {count(link.common, 'common essay')} say that this batch lies "
        f"{decimal(link.shift)} logits {'above' if link.shift >= 0 else 'below'} its own zero there (standard error "
        f"{decimal(link.standard_error)}).{moved}"
    )
