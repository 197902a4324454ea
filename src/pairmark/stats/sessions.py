"""Sessions of comparative judgement from first wave to last, with any pairing rule and any source of answers.

For trying out designs and for replaying recorded votes: pairs, answers and fits in turn, as a service would go about it,
without its services. What a design needs is worked out in `designs`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pairmark.stats.arrays import Floats, Ints
from pairmark.stats.bradley_terry import fit
from pairmark.stats.comparisons import Comparisons, comparisons
from pairmark.stats.errors import NotConvergedError
from pairmark.stats.fitted import Fit
from pairmark.stats.rules import Rule
from pairmark.stats.simulation import simulate

Answer = Callable[[Ints, int], tuple[Ints, Floats]]
"""From ordered pairs (k, 2) and the number of the wave to the pairs as they were shown and their outcomes, shape (k,)."""


@dataclass(frozen=True)
class Standing:
    """After a wave: everything answered so far, and the fit to it (None while groups of items are unconnected)."""

    comparisons: Comparisons
    fit: Fit | None


def run(
    items: Sequence[str], rule: Rule, answer: Answer, *, sizes: Iterable[int], seed: int, pair_limit: int = 4
) -> Iterator[Standing]:
    """Plan, ask and fit wave after wave with these sizes; ends early when nothing is left to ask.

    Examples
    --------
    >>> from pairmark.stats import rule, true_scores
    >>> answer = simulated_judges(true_scores(6, 1.5, seed=1), seed=1)
    >>> [len(standing.comparisons) for standing in run("abcdef", rule("adaptive"), answer, sizes=[6, 6], seed=1)]
    [6, 12]
    """
    n = len(items)
    asked, shown, outcome = np.zeros((0, 2), np.int64), np.zeros((0, 2), np.int64), np.zeros(0)
    scores: Fit | None = None
    for wave, size in enumerate(sizes):
        theta = scores.theta if scores else None
        new = rule(
            n, asked[:, 0], asked[:, 1], size=size, theta=theta, seed=seed, pair_limit=pair_limit, wave=wave
        )  # fmt: skip
        if not len(new):
            return
        pairs, results = answer(new, wave)
        asked, shown = np.concatenate([asked, new]), np.concatenate([shown, pairs])
        outcome = np.concatenate([outcome, results])
        data = comparisons((shown[:, 0], shown[:, 1], outcome), items=items)
        scores = _fit(data, scores) if len(data.groups()) == 1 else None
        yield Standing(data, scores)


def simulated_judges(
    truth: Floats, seed: int, *, judge_noise: float = 1.0, random_share: float = 0.0, order_bias: float = 0.0
) -> Answer:
    """Judges who follow the model with these true scores, shape (n_items,), in logits.

    `judge_noise` scales the noise of a decision, 1 being what the model assumes; a `random_share` of all decisions are
    coin tosses; `order_bias` in logits favours the text shown first.

    Examples
    --------
    >>> pairs, outcomes = simulated_judges(np.array([50.0, -50.0]), seed=1)(np.array([[0, 1], [1, 0]]), 0)
    >>> outcomes.tolist()
    [1.0, 0.0]
    """

    def answer(pairs: Ints, wave: int) -> tuple[Ints, Floats]:
        decided = simulate(truth / judge_noise, pairs, _mixed(seed, wave), order_bias)
        rng = np.random.default_rng([seed, wave, 2])
        tossed = rng.random(len(pairs)) < random_share
        return pairs, np.where(tossed, rng.integers(2, size=len(pairs)), decided)

    return answer


def _mixed(seed: int, wave: int) -> int:
    """One seed from two, so that waves of neighbouring seeds do not repeat each other."""
    return int(np.random.SeedSequence([seed, wave]).generate_state(1)[0])


def _fit(data: Comparisons, before: Fit | None) -> Fit:
    if before is not None:
        try:
            return fit(data, start=before)
        except NotConvergedError:
            pass
    return fit(data)
