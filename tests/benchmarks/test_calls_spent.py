"""How many calls a language model needs until the scale is reliable: our rule against equal appearances, both in both orders."""

from statistics import mean

import numpy as np
import pytest

from pairmark.stats import comparisons, fit
from pairmark.stats.reliability import empirical_bayes
from pairmark.stats.rules import adaptive, equal_appearances, in_both_orders
from pairmark.stats.threads import one_blas_thread

pytestmark = pytest.mark.benchmark

ESSAYS, SEEDS, TARGET = 120, 20, 0.85
ORDER = 0.5  # logits for the text shown first
MOST = 60 * ESSAYS


@pytest.mark.parametrize(
    ("sd", "noise"), [(2.0, "of a fifth of the pairs both orders tell different winners"), (1.0, "a noisy judge")]
)
def test_calls_until_the_scale_is_reliable(record, sd, noise):
    with one_blas_thread():
        ours = [calls(in_both_orders(adaptive), sd, seed) for seed in range(SEEDS)]
        equal = [calls(in_both_orders(equal_appearances), sd, seed) for seed in range(SEEDS)]
    spent, peer = mean(one for one, _ in ours), mean(one for one, _ in equal)
    told = f"{noise}; truth is met with r = {mean(r for _, r in ours):.3f}, there {mean(r for _, r in equal):.3f}"
    record(
        f"calls to a reliability of {TARGET}, {ESSAYS} essays, true SD {sd:g}, {SEEDS} seeds", spent, "calls",
        peer=peer, against=f"equal appearances; {told}",
    )  # fmt: skip
    record("the same as a share of what equal appearances need", spent / peer, "", at_most=0.8 if sd == 2.0 else None)


def calls(rule, sd: float, seed: int) -> tuple[int, float]:
    """Calls until the headline reliability reaches the target, wave by wave, and how well the scale then meets the truth."""
    rng = np.random.default_rng([seed, 6])
    truth = rng.normal(scale=sd, size=ESSAYS)
    first = second = np.zeros(0, dtype=np.int64)
    outcome = np.zeros(0)
    names, scale = [str(item) for item in range(ESSAYS)], None
    for wave in range(MOST // ESSAYS):
        theta = None if scale is None else scale.theta
        pairs = rule(ESSAYS, first, second, size=2 * ESSAYS, theta=theta, seed=seed, wave=wave)
        first, second = np.append(first, pairs[:, 0]), np.append(second, pairs[:, 1])
        gap = truth[pairs[:, 0]] - truth[pairs[:, 1]] + ORDER
        outcome = np.append(outcome, (rng.random(len(pairs)) < 1 / (1 + np.exp(-gap))).astype(float))
        if wave == 0:
            continue  # a round of pairs connects nothing
        scale = fit(comparisons((first, second, outcome), items=names), order_effect=True)
        if empirical_bayes(scale) >= TARGET:
            return len(first), float(np.corrcoef(scale.theta, truth)[0, 1])
    raise AssertionError(f"not reliable after {MOST} calls")
