"""Grades for scored essays from anchors and a scale; the statistics are in `stats.anchors`."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pairmark.domain.grades import GradeScale
from pairmark.domain.scored import AnchorCheck, Boundary, Grades, GradeShare, ScoredEssay
from pairmark.errors import BadRequest
from pairmark.reading.anchor_table import Anchor, read_anchors
from pairmark.reading.grade_scales import read_scale
from pairmark.stats.anchors import Grading, grading
from pairmark.stats.arrays import Floats
from pairmark.stats.errors import StatsError
from pairmark.stats.fitted import Fit
from pairmark.stats.stretch import Stretch, stretch


@dataclass(frozen=True)
class Asked:
    """The scale and the anchors, and where the anchors stand."""

    path: Path
    scale: GradeScale
    anchors: tuple[Anchor, ...]


def read(anchors: Path | None, scale: str | None) -> Asked | None:
    """Read both files before anything is fitted; None without them."""
    if anchors is None or scale is None:
        return None
    known = read_scale(scale)
    return Asked(anchors, known, read_anchors(anchors, known))


def apply(
    essays: list[ScoredEssay], asked: Asked | None, fitted: Fit, linked: Stretch | None
) -> tuple[list[ScoredEssay], Grades | None, list[str]]:
    """The essays with grades, all about the grades, and what should be told; `linked` of scores on an earlier scale."""
    if asked is None:
        return essays, None, []
    place = _places(essays, asked)
    theta = np.array([essay.theta for essay in essays])
    error = np.array([essay.standard_error for essay in essays])
    known_grades = [anchor.grade for anchor in asked.anchors]
    try:
        result = grading(theta, error, place, known_grades, len(asked.scale.grades), linked or stretch(fitted))
    except StatsError as told:
        raise BadRequest(
            f"{asked.path} gives no grades: {told}",
            remedy="Check that the scale lists its lowest grade first and that the anchors belong to these judgements.",
        ) from told
    probability = result.probabilities(theta, error)
    review = result.crosses([essay.ci_low for essay in essays], [essay.ci_high for essay in essays])
    known = {anchor.essay_id: asked.scale.grades[anchor.grade] for anchor in asked.anchors}
    graded = [
        replace(
            essay, grade=asked.scale.grades[int(row.argmax())], grade_probability=float(row.max()), review=bool(unclear),
            anchor_grade=known.get(essay.essay_id), grade_probabilities=[float(value) for value in row],
        )
        for essay, row, unclear in zip(essays, probability, review, strict=True)
    ]  # fmt: skip
    grades = _grades(graded, probability, result, asked)
    return graded, grades, _notes(grades, asked)


def _places(essays: list[ScoredEssay], asked: Asked) -> list[int]:
    place = {essay.essay_id: index for index, essay in enumerate(essays)}
    lost = [anchor for anchor in asked.anchors if anchor.essay_id not in place]
    if lost:
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        raise BadRequest(
            f"Row {lost[0].row} of {asked.path} names {lost[0].essay_id!r}{more}, which nobody judged.",
            remedy="Use the ids of the judgements, or remove the row.",
        )
    return [place[anchor.essay_id] for anchor in asked.anchors]


def _grades(essays: list[ScoredEssay], probability: Floats, result: Grading, asked: Asked) -> Grades:
    names = asked.scale.grades
    free = [index for index, essay in enumerate(essays) if essay.anchor_grade is None]
    tops = Counter(essays[index].grade for index in free)
    expected = probability[free].sum(axis=0) if free else np.zeros(len(names))
    sure = [essays[index].grade_probability or 0.0 for index in free]
    return Grades(
        scale=asked.scale.name,
        grades=list(names),
        boundaries=_boundaries(result, asked),
        anchors=_checks(result, asked),
        distribution=[GradeShare(name, tops[name], float(count)) for name, count in zip(names, expected, strict=True)],
        review=sum(bool(essays[index].review) for index in free),
        expected_accuracy=float(np.mean(sure)) if sure else None,
    )


def _boundaries(result: Grading, asked: Asked) -> list[Boundary]:
    names, have = asked.scale.grades, {anchor.grade for anchor in asked.anchors}
    ends = result.interval()
    open_ends = [None] * (len(names) - 1)
    low, high = (open_ends, open_ends) if ends is None else (ends[0].tolist(), ends[1].tolist())
    return [
        Boundary(names[k], names[k + 1], at, low[k], high[k], not {k, k + 1} <= have)
        for k, at in enumerate(result.boundaries().tolist())
    ]


def _checks(result: Grading, asked: Asked) -> list[AnchorCheck]:
    found = result.displacement()
    return [
        AnchorCheck(
            anchor.essay_id, asked.scale.grades[anchor.grade], float(result.anchors.theta[index]),
            _open(found.low[index]), _open(found.high[index]), float(found.distance[index]),
            float(found.p_value[index]), bool(found.displaced[index]),
        )
        for index, anchor in enumerate(asked.anchors)
    ]  # fmt: skip


def _against_scores(grades: Grades, asked: Asked) -> bool:
    """Whether of the pairs of anchors with different grades no more than half stand in the order of their scores."""
    number = np.array([anchor.grade for anchor in asked.anchors])
    theta = np.array([anchor.theta for anchor in grades.anchors])
    order = np.sign(number[:, None] - number) * np.sign(theta[:, None] - theta)
    return float(order.sum()) <= 0


def _open(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _notes(grades: Grades, asked: Asked) -> list[str]:
    notes = []
    if _against_scores(grades, asked):
        notes.append(
            "Anchors with higher grades have no higher scores, so these grades say nothing. Check that the anchors belong to "
            "these judgements and that the scale lists its lowest grade first."
        )
    if any(boundary.low is None for boundary in grades.boundaries):
        notes.append(
            "The judgements do not tell how far apart the essays are; they agree with essays that do not differ at all. So the "
            "boundaries have no intervals, and the grades rest on little. Judge each essay more often."
        )
    displaced = [anchor.essay_id for anchor in grades.anchors if anchor.displaced]
    if displaced:
        notes.append(
            f"Anchors whose score does not fit their grade: {', '.join(displaced)}. Look at them, and score again without "
            "those that were graded or judged wrongly."
        )
    have = {anchor.grade for anchor in asked.anchors}
    without = [name for number, name in enumerate(asked.scale.grades) if number not in have]
    if without:
        notes.append(
            f"No anchor has the grade {', '.join(without)}; the boundaries there are interpolated from the others, which "
            "makes them less certain."
        )
    return notes
