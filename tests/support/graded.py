"""Simulated sessions with known grades: a realistic range of designs, and what grading makes of them.

Sessions differ in size, spread, grades of the scale, evenness of the bands, how anchors are chosen and how many, missing grades,
noise of the anchors' grades, wrong anchors and comparisons per essay. Truth is drawn by rules that are not those of the
model: bands are even in the population or jittered in logits, never log-normal. Why this range: docs/explanation/anchors.md.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from pairmark.report.charts import POINT, REFERENCE, Spec, chart
from pairmark.stats.anchors import Grading, grading
from pairmark.stats.bradley_terry import Fit, fit
from pairmark.stats.calibration import ReliabilityDiagram
from pairmark.stats.comparisons import comparisons
from pairmark.stats.simulation import simulate
from pairmark.stats.stretch import stretch

Array = NDArray[np.float64]
MOST_NOISE = 0.4  # SD of the anchors' noise over that of quality; two people who grade so correlate at .86
WITH_A_WRONG_ANCHOR = 0.1  # share of sessions


@dataclass(frozen=True)
class Session:
    """One session: the truth, the anchors with the grades people gave them, and the fit of simulated judgements.

    `wrong`: number of the anchor whose grade has nothing to do with its quality, if one is such.
    """

    truth: Array
    boundaries: Array
    grade: NDArray[np.int64]
    anchors: NDArray[np.int64]
    labels: NDArray[np.int64]
    n_grades: int
    fitted: Fit
    wrong: int | None = None

    def graded(self) -> Grading:
        """Place the boundaries."""
        scores, errors = self.fitted.theta, self.fitted.standard_error
        return grading(scores, errors, self.anchors, self.labels, self.n_grades, stretch(self.fitted))


@dataclass
class Tally:
    """What came out over many sessions.

    Per boundary with an interval: `covered`, `per_grade` (anchors per grade of its session, rounded, 3 for more) and `wrong`
    (whether one of them is). `unknown`: sessions whose judgements do not tell the size of the scale.
    """

    covered: list[bool] = field(default_factory=list)
    per_grade: list[int] = field(default_factory=list)
    wrong: list[bool] = field(default_factory=list)
    unknown: int = 0
    stated: list[float] = field(default_factory=list)
    right: list[float] = field(default_factory=list)
    each_stated: list[float] = field(default_factory=list)
    each_right: list[float] = field(default_factory=list)
    false_alarms: list[bool] = field(default_factory=list)
    wrong_found: list[bool] = field(default_factory=list)

    def hold_against_boundaries(self, known: Session, graded: Grading) -> None:
        """Whether the intervals, if there are any, hold the true boundaries."""
        ends, true = graded.interval(), known.boundaries - known.truth.mean()
        if ends is None:
            self.unknown += 1
            return
        self.covered += ((ends[0] <= true) & (true <= ends[1])).tolist()
        self.per_grade += [min(max(round(len(known.anchors) / known.n_grades), 1), 3)] * len(true)
        self.wrong += [known.wrong is not None] * len(true)

    def hold_against_anchors(self, displaced: NDArray[np.bool_], wrong: int | None) -> None:
        """False alarms are those of sessions whose anchors are all good."""
        if wrong is None:
            self.false_alarms.append(bool(displaced.any()))
        else:
            self.wrong_found.append(bool(displaced[wrong]))


def fitted(truth: Array, per_essay: int, draw: np.random.Generator, seed: int) -> Fit:
    """Fit simulated judgements of random pairs, each essay in about `per_essay` of them."""
    n = len(truth)
    ends = np.concatenate([draw.permutation(n) for _ in range(per_essay)])
    pairs = ends[: len(ends) // 2 * 2].reshape(-1, 2)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    items = [f"e{number:04}" for number in range(n)]
    return fit(comparisons((pairs[:, 0], pairs[:, 1], simulate(truth, pairs, seed)), items=items))


def session(seed: int, *, before: bool = False) -> Session | None:
    """A session drawn by seed; None if its anchors have but one grade.

    `before`: of the range before, with exemplars only, half of the sessions without any noise and no wrong anchor.
    """
    draw = np.random.default_rng([seed, 77])
    n, n_grades = int(draw.choice([40, 60, 100, 150])), int(draw.choice([2, 3, 5, 6, 8, 10]))
    sd, per_essay = float(draw.choice([1, 1.5, 2, 2.5])), int(draw.choice([12, 20, 30]))
    truth = draw.normal(0, sd, n)
    shares = np.cumsum(draw.dirichlet(np.full(n_grades, 8.0)))[:-1]
    boundaries = np.array([sd * NormalDist().inv_cdf(float(share)) for share in shares])
    if draw.random() < 0.5:
        even = np.linspace(-1.7, 1.7, n_grades + 1)[1:-1] * sd
        boundaries = np.sort(even + draw.normal(0, 0.4 * sd / n_grades, n_grades - 1))
    noise = float(draw.choice([0, 0, 0.15, 0.3])) * 4 / n_grades if before else draw.uniform(0, MOST_NOISE)
    label = np.searchsorted(boundaries, truth + noise * sd * draw.normal(0, 1, n))
    anchors = _by_grade(label, n_grades, draw) if before or draw.random() < 0.5 else _sample(n, n_grades, draw)
    labels, wrong = label[anchors], None
    if not before and draw.random() < WITH_A_WRONG_ANCHOR:
        wrong = int(draw.integers(len(anchors)))
        labels[wrong] = (labels[wrong] + draw.integers(1, n_grades)) % n_grades
    if len(set(labels.tolist())) < 2:
        return None
    grade = np.searchsorted(boundaries, truth)
    result = fitted(truth, per_essay, draw, seed)
    return Session(truth, boundaries, grade, anchors, labels, n_grades, result, wrong)


def _by_grade(label: NDArray[np.int64], n_grades: int, draw: np.random.Generator) -> NDArray[np.int64]:
    """One to four exemplars of each grade, as they are picked for the purpose; some grades have none."""
    most = int(draw.choice([1, 1, 2, 3, 4]))
    kept = [grade for grade in range(n_grades) if n_grades < 5 or draw.random() > 0.15]
    return np.concatenate([draw.permutation(np.flatnonzero(label == grade))[:most] for grade in kept])


def _sample(n: int, n_grades: int, draw: np.random.Generator) -> NDArray[np.int64]:
    """Some essays drawn blindly and graded by hand: one to four for each grade of the scale, half of the essays at most."""
    return draw.permutation(n)[: min(n_grades * int(draw.choice([1, 1, 2, 3, 4])), n // 2)]


def tallied(seeds: Iterable[int], *, before: bool = False) -> Tally:
    """Grade the sessions of these seeds and hold the results against the truth."""
    tally = Tally()
    for known in filter(None, (session(seed, before=before) for seed in seeds)):
        graded = known.graded()
        tally.hold_against_boundaries(known, graded)
        rest = np.setdiff1d(np.arange(len(known.truth)), known.anchors)
        chance = graded.probabilities(known.fitted.theta[rest], known.fitted.standard_error[rest])
        hit = known.grade[rest][:, None] == np.arange(known.n_grades)
        tally.stated += chance.max(axis=1).tolist()
        tally.right += hit[np.arange(len(rest)), chance.argmax(axis=1)].astype(float).tolist()
        tally.each_stated += chance.ravel().tolist()
        tally.each_right += hit.ravel().astype(float).tolist()
        tally.hold_against_anchors(graded.displacement().displaced, known.wrong)
    return tally


def diagram(found: ReliabilityDiagram) -> Spec:
    """The reliability diagram as a Vega-Lite specification with its table."""
    full = found.count > 0
    columns = (each[full].tolist() for each in (found.stated, found.observed, found.count))
    rows = [dict(zip(("stated", "observed", "statements"), row, strict=True)) for row in zip(*columns, strict=True)]
    x = {"field": "stated", "type": "quantitative", "title": "Stated probability", "scale": {"domain": [0, 1]}}
    y = {"field": "observed", "type": "quantitative", "title": "Share that came true", "scale": {"domain": [0, 1]}}
    tooltip = [{"field": field, "type": "quantitative"} for field in rows[0]]
    honest = [{"stated": 0, "observed": 0}, {"stated": 1, "observed": 1}]
    return chart(
        "Of all statements of a grade with this probability, the share that came true; on the line, they are honest.",
        data=rows,
        height=300,
        encoding={"x": x, "y": y},
        layer=[
            {"data": {"values": honest}, "mark": {"type": "line", "color": REFERENCE}},
            {"mark": {"type": "point", "filled": True, "color": POINT}, "encoding": {"tooltip": tooltip}},
        ],
    )
