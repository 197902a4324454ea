"""How each number of a scored session comes about, in words, and the page of the documentation that derives it.

A report holds these texts itself, so that its links work on anybody's disk and without a network.
"""

from dataclasses import dataclass, replace

from pairmark.domain.scored import ScoreResult


@dataclass(frozen=True)
class Derivation:
    """How a number comes about; `page` is the heading in docs/explanation/statistics.md or anchors.md that says more."""

    title: str
    text: str
    page: str


MODEL = "Bradley and Terry (1952): text i beats text j with probability 1 / (1 + exp(θj - θi)), where one of them wins."
OTHER_SCORES = {
    "ml": f"{MODEL} The scores θ are those under which the judgements are most probable, without a prior; their mean is 0. "
    "Standard errors come from the inverse of the full information matrix, and an interval is the score ± 1.96 of them.",
    "sirt": f"{MODEL} The scores θ and their errors are those that the R package sirt publishes: most probable after a small "
    "correction of the wins, with the errors of each essay on its own. An interval is the score ± 1.96 of them.",
}
"""How scores come about by the methods that are not our own."""

DERIVATIONS: dict[str, Derivation] = {
    "score": Derivation(
        "Score and standard error",
        f"{MODEL} The scores θ are the most probable ones under a normal prior whose spread is estimated from the judgements; "
        "their mean is 0 unless they are linked to an earlier scale. Standard errors come from the full covariance matrix and "
        "count the doubt about that spread; an interval is the score ± 1.96 of them.",
        "statistics.md, Model and Errors",
    ),
    "reliability": Derivation(
        "Reliability",
        "One minus the mean posterior variance over the variance of the prior: the share of the differences between "
        "essays that the judgements have settled. It does not rise when close pairs are chosen on purpose.",
        "statistics.md, Reliability",
    ),
    "rank": Derivation(
        "Ranks that fit",
        "All scores are drawn together 2,000 times, as uncertain as they are, and ranked; between the two numbers lie 95 % of the "
        "ranks that an essay got.",
        "statistics.md, Errors",
    ),
    "split": Derivation(
        "Two halves",
        "The judges (or, where they are not known, the judgements) are parted into two random halves, each half is scored alone, "
        "and the two sets of scores are correlated; given are the median and the middle 95 % over many such parts.",
        "statistics.md, Reliability",
    ),
    "convergence": Derivation(
        "Convergence",
        "The judgements up to a point are scored as if they were all; shown are the reliability then, and the largest difference "
        "that any score made to the point before.",
        "statistics.md, Convergence",
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
        "places of the boundaries that fit are weighed together with the errors of the scores; given are the median among the "
        "scores and the middle 95 % of true places, which reach farther on the outer side because scores are drawn in. Where "
        "the judgements agree with essays that do not differ, the size of the scale is not known and there are no intervals. "
        "Bands of one scale are taken to be alike in width, which carries boundaries over grades without anchors.",
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
    "misfit": Derivation(
        "Infit and outfit",
        "Infit is the sum of squared surprises over what the model expects of it, outfit the mean surprise of a single "
        "decision; both are about 1 where decisions follow the scale. The band holds 95 % of simulated values for the same "
        "pairs, p is the share of simulations with a value at least as large.",
        "statistics.md, Misfit",
    ),
    "odd": Derivation(
        "Odd comparisons",
        "Chance is the probability that the scale gives to what was decided: 7 % means that of 100 such comparisons about 7 "
        "should end like this.",
        "statistics.md, Misfit",
    ),
    "judges": Derivation(
        "Agreement of a judge",
        "The share of a judge's decisions that went to the text which all other judges together score higher. How close the pairs "
        "were matters, so “expected” is the share that a judge who sees the texts as the others do would have reached on them.",
        "statistics.md, Judges",
    ),
    "seats": Derivation(
        "First text chosen, turned, time",
        "The share of decided comparisons won by the text shown first; the share of pairs seen in both orders whose two judgements "
        "name different winners; and the median of the times taken, which single pauses do not move.",
        "statistics.md, Judges",
    ),
    "screening": Derivation(
        "Judges to look at",
        "A judge is named when chance would make a judge like the others look this unlike them in 5 of 100 cases or fewer; then "
        "the likeliest of three other explanations is given.",
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
    judged = [judge for judge in result.judges if judge.finding is not None]
    fits = [*(essay.misfit for essay in result.essays), *(judge.misfit for judge in result.judges)]
    absent = {
        *(() if result.grades else ("boundary", "grade", "review", "displacement")),
        *(() if result.judges else ("judges", "seats")),
        *(() if judged else ("screening",)),
        *(() if any(essay.rank_low is not None for essay in result.essays) else ("rank",)),
        *(() if any(one is not None for one in fits) else ("misfit",)),
        *(() if result.odd else ("odd",)),
        *(() if result.split_half else ("split",)),
        *(() if result.convergence else ("convergence",)),
        *(() if result.length else ("length",)),
        *(() if result.link else ("link",)),
    }
    shown = {key: derivation for key, derivation in DERIVATIONS.items() if key not in absent}
    if result.method in OTHER_SCORES:
        shown["score"] = replace(shown["score"], text=OTHER_SCORES[result.method])
    return shown
