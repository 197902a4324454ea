"""What is said about judges, misfit, split halves and convergence: carefully, since people are meant.

Sentences on scores, grades and reliability are in `words`.
"""

from collections import Counter
from collections.abc import Sequence

from pairmark.domain.scored import Course, JudgeWork, Misfit, OddComparison, ScoreResult, SplitHalf
from pairmark.report.figures import MISSING, count, decimal, visible
from pairmark.report.words import NAMED_JUDGES

FINDINGS = {"random": "much like coin tosses", "dissenting": "mostly against the others", "one seat": "one side"}
ONE_IN = 0.05
"""Share of sound judges, and of essays and judges that fit, that chance puts on a list all the same."""


def convergence_sentence(course: Course) -> str:
    """What the steps are."""
    if course.by == "wave":
        return "After each wave, all judgements so far are scored afresh."
    order = "their times" if course.by == "time" else "the file"
    doubt = "" if course.by == "time" else " If the file has another order than the judging had, this says little."
    return (
        f"The file names no waves, so all judgements so far are scored afresh after each tenth of them, in the order of {order}."
        f"{doubt}"
    )


def split_sentence(halves: SplitHalf) -> str:
    """What the split halves say."""
    return (
        f"Scores from two random halves of the {halves.over} agree by a correlation of {decimal(halves.median)} (middle 95 % of "
        f"{halves.splits:,} splits: {decimal(halves.low)} to {decimal(halves.high)}). Each half has half the judgements, so the "
        "whole is more reliable than that; where pairs were chosen by closeness, halving breaks the chains between them, too."
    )


def misfit_sentence(found: Sequence[Misfit | None], noun: str) -> str:
    """How many lie above their band, and how many would by chance; empty where there are no bands."""
    known = [one for one in found if one is not None and one.infit_high is not None]
    if not known:
        return ""
    above = sum(one.above for one in known)
    return (
        f"{above:,} of {count(len(known), noun)} {'lies' if above == 1 else 'lie'} above the band; chance alone may put up to "
        f"{by_chance(len(known))} there."
    )


def screening_sentence(result: ScoreResult) -> str:
    """How many judges should be looked at and how many of them chance explains; empty where none were screened."""
    found = Counter(judge.finding for judge in result.judges if judge.finding is not None)
    if not found:
        return ""
    named = [f"{found[key]:,} decide {words}" for key, words in FINDINGS.items() if found[key]]
    screened = count(sum(found.values()), "judge")
    if not named:
        return f"Of {screened} none decides so unlike the others that chance would not explain it."
    listed = sum(found[key] for key in FINDINGS)
    return (
        f"Of {screened}, {listed:,} {'looks' if listed == 1 else 'look'} unlike the others: {', '.join(named)}. Of as many sound "
        f"judges about {by_chance(sum(found.values()))} would be listed by chance. A reason to look, not a verdict."
    )


def by_chance(number: int) -> str:
    """One in twenty, as a whole number, 1 at least."""
    expected = ONE_IN * number
    return f"{expected:,.0f}" if expected >= 1 else "1"


def finding_words(judge: JudgeWork) -> str:
    """What the screening suggests about one judge; empty for a judge like the others."""
    return FINDINGS.get(judge.finding or "", "")


def turned_words(judge: JudgeWork) -> str:
    """How often the two orders of a pair disagreed, and over how many pairs."""
    if judge.flip_rate is None:
        return MISSING
    return f"{100 * judge.flip_rate:.0f}\u00a0% of {judge.both_orders:,}"


def judges_words(odd: OddComparison) -> str:
    """Up to three judges by name; a dash where nobody knows them."""
    if not odd.judges:
        return MISSING
    named = ", ".join(visible(judge) for judge in odd.judges[:NAMED_JUDGES])
    more = len(odd.judges) - NAMED_JUDGES
    return f"{named} and {more:,} more" if more > 0 else named


def band(low: float | None, high: float | None) -> str:
    """The ends of a band; a dash where they are not known."""
    return MISSING if low is None or high is None else f"{decimal(low)} to {decimal(high)}"


def ranks(low: int | None, high: int | None) -> str:
    """'3' or '1 to 4'; a dash where it is not known."""
    if low is None or high is None:
        return MISSING
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
