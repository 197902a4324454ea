"""Scores moved onto the scale of an earlier `results.csv` by the essays that both have."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from pairmark.domain.scored import Link, ScoredEssay
from pairmark.errors import BadRequest
from pairmark.reading.files import MEGABYTE, read_bounded
from pairmark.reading.tables import read_table, unguarded
from pairmark.stats.arrays import Floats
from pairmark.stats.fitted import SAME_SCORE, Fit
from pairmark.stats.linking import MOVED, link
from pairmark.stats.stretch import Stretch

MAX_RESULTS = 100 * MEGABYTE
Z95 = 1.959963984540054


def apply(
    essays: list[ScoredEssay], fitted: Fit, earlier: Path | None
) -> tuple[list[ScoredEssay], Link | None, Stretch | None, list[str]]:
    """The essays on the earlier scale, how they got there, their stretch, and what should be told; unchanged without one."""
    if earlier is None:
        return essays, None, None, []
    scores = _scores(earlier)
    common = [index for index, essay in enumerate(essays) if essay.essay_id in scores]
    if len(common) < 2:
        raise BadRequest(
            f"{len(common)} of the judged essays stand in {earlier}; linking needs two or more.",
            remedy="Judge some essays of the earlier batch again, under the same ids.",
        )
    old = np.array([scores[essays[index].essay_id] for index in common])
    linked = link(fitted, common, old[:, 0], old[:, 1])
    moved = [essays[index].essay_id for index, z in zip(common, linked.z, strict=True) if abs(z) > MOVED]
    order = np.argsort(-linked.theta, kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(1, len(order) + 1)
    put = [
        replace(
            essay, rank=int(rank[index]), theta=float(theta), standard_error=float(error),
            ci_low=float(theta - Z95 * error), ci_high=float(theta + Z95 * error),
            rank_low=None, rank_high=None,  # those of the fit alone do not know what the earlier scale knew
        )
        for index, (essay, theta, error) in enumerate(zip(essays, linked.theta, linked.standard_error, strict=True))
    ]  # fmt: skip
    told = Link(earlier.name, len(common), linked.shift, linked.shift_se, linked.drift_sd, moved)
    return put, told, linked.stretch, _notes(fitted.theta[common], old[:, 0], earlier)


def _notes(new: Floats, old: Floats, earlier: Path) -> list[str]:
    """Scores that differ by rounding only come from the same judgements, which linking would count twice."""
    if float(np.ptp(old - new)) > SAME_SCORE:
        return []
    return [
        f"{earlier.name} holds the scores of these same judgements. Linking counts them twice, so the errors shown are too small; "
        "link judgements that were made later."
    ]


def _scores(path: Path) -> dict[str, tuple[float, float]]:
    table = read_table(read_bounded(path, MAX_RESULTS), path)
    at = [table.named(name) for name in ("essay_id", "theta", "standard_error")]
    if None in at:
        raise BadRequest(
            f"{path} has the columns {table.columns()}, but linking needs essay_id, theta and standard_error.",
            remedy="Give the results.csv of the earlier batch.",
        )
    scores = {}
    for row, cells in table.rows:
        essay_id, theta, error = (cells[place].strip() for place in at if place is not None)
        essay_id = unguarded(essay_id)
        if essay_id in scores:
            raise BadRequest(f"Row {row} of {path} scores {essay_id!r} a second time.", remedy="Keep one of the rows.")
        try:
            scores[essay_id] = (float(theta), float(error))
        except ValueError:
            scores[essay_id] = (np.nan, np.nan)
        if not np.isfinite(scores[essay_id]).all() or scores[essay_id][1] <= 0:
            raise BadRequest(
                f"Row {row} of {path} has the score {theta[:20]!r} and the error {error[:20]!r}.",
                remedy="Both must be numbers, the error above 0.",
            )
    return scores
