"""Simulated sessions of 100 essays under each pairing rule, as far as 20 comparisons per essay: truth, fits and counts."""

from collections.abc import Iterator

import numpy as np

from pairmark.stats.rules import rule
from pairmark.stats.sessions import Standing, run, simulated_judges
from pairmark.stats.simulation import true_scores

ESSAYS = [f"e{k:03}" for k in range(100)]
PER_ESSAY = 20


def sessions(name: str, sd: float, seed: int) -> tuple[np.ndarray, Iterator[tuple[int, Standing]]]:
    """The truth, and after each wave of two comparisons per essay how many these are by now and how it stands."""
    truth = true_scores(len(ESSAYS), sd, seed)
    waves = run(ESSAYS, rule(name), simulated_judges(truth, seed), sizes=[len(ESSAYS)] * (PER_ESSAY // 2), seed=seed)
    return truth, ((2 * wave, standing) for wave, standing in enumerate(waves, start=1))
