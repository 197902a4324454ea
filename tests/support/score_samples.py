"""Results of invented scored sessions for the tests of rendering: with and without grades, full of hostile names."""

from dataclasses import replace
from itertools import pairwise

from pairmark.domain.result import WaveProgress
from pairmark.domain.scored import (
    AnchorCheck,
    Boundary,
    Course,
    Grades,
    GradeShare,
    JudgeWork,
    LengthDependence,
    Link,
    Misfit,
    OddComparison,
    ScoredEssay,
    ScoreResult,
    SplitHalf,
)
from support.report_samples import HOSTILE_IDS

GRADES = ["F", "E", "C", "A"]
MISFIT = Misfit(0.95, 0.9, 0.7, 1.3, 0.6, 0.5, 1.6, 0.7)
ABOVE = Misfit(1.6, 7.5, 0.7, 1.3, 0.004, 0.5, 1.6, 0.002, above=True)


def scored(essays: int = 30, *, ids: list[str] | None = None) -> ScoreResult:
    """A session without grades: scores evenly spread, best first."""
    names = ids or [f"essay {number}" for number in range(1, essays + 1)]
    step = 4 / max(len(names) - 1, 1)
    rows = [_essay(name, rank, 2 - step * (rank - 1)) for rank, name in enumerate(names, start=1)]
    return ScoreResult(
        name="Year 9 stories",
        source={"file": "votes.csv", "form": "Moodle", "sha256": "0" * 64, "where": {}},
        method="map",
        essays=rows,
        reliability={"value": 0.81, "method": "empirical-bayes", "target": 0.9},
        ssr=0.83,
        ssr_observed=0.85,
        comparisons=len(names) * 10,
        comparisons_per_essay=20.0,
        ties=3,
        order_effect=0.21,
        order_effect_se=0.08,
        judges=[
            JudgeWork("anna", 200, 3, 0.76, 0.52, 41.5, 0.78, 12, 0.25, "consensus", 0.4, MISFIT),
            JudgeWork("b=c", 100, 0, None, None, None, finding="random", finding_p=0.01, misfit=ABOVE),
        ],
        provenance={"pairmark": "0.1.0", "prior_sd": 1.2},
        warnings=["3 of 300 rows are exact copies of other rows; all are counted."],
        split_half=SplitHalf("judges", 0.71, 0.6, 0.8, 100),
        convergence=course(),
        odd=[
            OddComparison(
                rows[0].essay_id, rows[-1].essay_id, rows[0].essay_id, False, 4, ["anna", "b=c", "d", "e"], 0.02
            ),
            OddComparison(rows[0].essay_id, rows[0].essay_id, rows[1].essay_id, True, 1, [], 0.11),
        ],
    )


def course(by: str = "file") -> Course:
    """Ten steps; at the first, not all essays were connected."""
    steps = [WaveProgress(k, 30 * k, 0.5 + 0.03 * k, 1.1 / k if k > 2 else None) for k in range(2, 11)]
    return Course(by, [WaveProgress(1, 30, None, None), *steps])


def bare(essays: int = 30) -> ScoreResult:
    """The same where nothing more could be told: no judges, no misfit, no ranks, no course."""
    result = scored(essays)
    rows = [replace(essay, misfit=None, rank_low=None, rank_high=None) for essay in result.essays]
    return replace(result, essays=rows, judges=[], split_half=None, convergence=None, odd=[], ties=0)


def graded(essays: int = 30, *, ids: list[str] | None = None) -> ScoreResult:
    """The same session with grades, length and a link to an earlier scale."""
    result = scored(essays, ids=ids)
    rows = [_graded(essay) for essay in result.essays]
    boundaries = [
        Boundary(*pair, at, at - 0.4, at + 0.4, at > 0) for pair, at in zip(_neighbours(), (-1, 0, 1), strict=True)
    ]
    anchors = [
        AnchorCheck(rows[0].essay_id, "A", rows[0].theta, 1.1, None, 0.0, 0.8, False),
        AnchorCheck(rows[-1].essay_id, "E", rows[-1].theta, -0.9, 0.1, -1.1, 0.0004, True),
    ]
    shares = [GradeShare(grade, number, number + 0.25) for grade, number in zip(GRADES, (7, 8, 7, 6), strict=True)]
    return replace(
        result,
        essays=rows,
        grades=Grades("Letters", GRADES, boundaries, anchors, shares, 11, 0.72),
        length=LengthDependence(essays, 0.54, 0.22, 0.75, 0.91, 0.63, 2898, 0.65, 360, 0.74),
        link=Link("earlier.csv", 6, -0.4, 0.11, 0.05, ["essay 3"]),
    )


def without_size() -> ScoreResult:
    """The same where the judgements do not tell the size of the scale, so boundaries have no intervals."""
    result = graded()
    assert result.grades is not None
    boundaries = [replace(boundary, low=None, high=None) for boundary in result.grades.boundaries]
    return replace(result, grades=replace(result.grades, boundaries=boundaries))


def hostile() -> ScoreResult:
    """Names that would run, steer or calculate if nobody took care."""
    result = graded(ids=HOSTILE_IDS)
    grades = result.grades
    assert grades is not None
    worse = ["=F()", "<b>E</b>", "\x1b[2J", "A"]
    shares = [replace(share, grade=name) for share, name in zip(grades.distribution, worse, strict=True)]
    judges = [replace(result.judges[0], judge="<script>alert(1)</script>")]
    return replace(
        result, judges=judges, name="</title><script>x</script>", warnings=["<img src=x onerror=alert(1)>"],
        grades=replace(grades, grades=worse, distribution=shares),
    )  # fmt: skip


def baseline() -> ScoreResult:
    """A session of the surface baseline: no grades, labelled."""
    return replace(scored(), baseline=True, reliability={"value": 0.95, "method": "empirical-bayes", "target": None})


def _essay(name: str, rank: int, theta: float) -> ScoredEssay:
    return ScoredEssay(
        name, rank, theta, 0.4, theta - 0.78, theta + 0.78, 20.0, 10.5, 100 + 3 * rank, rank_low=max(1, rank - 2),
        rank_high=rank + 2, misfit=ABOVE if rank == 1 else MISFIT,
    )  # fmt: skip


def _graded(essay: ScoredEssay) -> ScoredEssay:
    place = min(max(int(essay.theta + 2), 0), 3)
    chance = [0.1, 0.1, 0.1, 0.1]
    chance[place] = 0.7
    anchor = "A" if essay.rank == 1 else None
    return replace(
        essay, grade=GRADES[place], grade_probability=0.7, review=essay.rank % 3 == 0, anchor_grade=anchor,
        grade_probabilities=chance,
    )  # fmt: skip


def _neighbours() -> list[tuple[str, str]]:
    return list(pairwise(GRADES))
