"""How the scale settled while judgements came in: by wave, or by equal shares in the order of time or of the file."""

import numpy as np

from pairmark.domain.result import WaveProgress
from pairmark.domain.scored import Course
from pairmark.reading.judgements import Judgements
from pairmark.stats.arrays import Ints
from pairmark.stats.bradley_terry import fit
from pairmark.stats.comparisons import Comparisons
from pairmark.stats.fitted import Fit
from pairmark.stats.reliability import empirical_bayes

STEPS, MOST_STEPS = 10, 20
MOST_ESSAYS, MOST_JUDGEMENTS = 1_000, 1_000_000
"""Each step is a fit of its own; beyond these it would take longer than the score itself."""


def course(judged: Judgements, data: Comparisons, fitted: Fit, *, order_effect: bool) -> Course | None:
    """Reliability, and the largest move of any score, after each step; None for another method or too much to do."""
    if fitted.method != "map" or len(data.items) > MOST_ESSAYS or len(data) > MOST_JUDGEMENTS:
        return None
    by, order, ends = _order(judged)
    steps: list[WaveProgress] = []
    before: Fit | None = None
    for number, end in ends:
        part = data.only(order[:end])
        if len(part.groups()) > 1:
            steps.append(WaveProgress(number, end, None, None))
            continue
        start, start_sd = (None, None) if before is None else (before.theta, before.prior_sd)
        now = fitted if end == len(data) else fit(part, order_effect=order_effect, start=start, start_sd=start_sd)
        moved = None if before is None else float(np.abs(now.theta - before.theta).max())
        steps.append(WaveProgress(number, end, empirical_bayes(now), moved))
        before = now
    return Course(by, steps)


def _order(judged: Judgements) -> tuple[str, Ints, list[tuple[int, int]]]:
    """What the steps are, the rows in that order, and for each step its number and how many rows it ends after."""
    n = len(judged)
    if judged.wave is not None:
        order = np.argsort(judged.wave, kind="stable")
        waves, counts = np.unique(judged.wave, return_counts=True)
        ends = list(zip(waves.astype(int).tolist(), np.cumsum(counts).tolist(), strict=True))
        every = -(-len(ends) // MOST_STEPS)
        return "wave", order, ends[::-1][::every][::-1]
    order = np.arange(n) if judged.when is None else np.argsort(judged.when, kind="stable")
    shares = sorted({-(-n * step // STEPS) for step in range(1, STEPS + 1)})
    return "file" if judged.when is None else "time", order, list(enumerate(shares, start=1))
